"""Import numba ahead of time, for the adapters that run compiled code of the engine."""

from __future__ import annotations


def import_numba() -> None:
    """Import everything that the first call of a compiled function imports. Compiles and runs nothing."""
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
