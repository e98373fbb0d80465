"""The search for good parameters of a hotspot model: what Optuna proposes, and what each proposal is worth.

`space` says which values are possible, `evaluation` measures one pair, `search` asks Optuna for the next one, `choice`
picks the best, and `storage` keeps the study in a database.
"""
