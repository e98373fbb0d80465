"""The `taxi` command: one module per noun, no logic."""
