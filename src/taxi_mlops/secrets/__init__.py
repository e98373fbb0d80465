"""Secrets by reference: a setting names where its secret is, and it is fetched when it is needed.

Entry points: `references.secret_setting` makes a setting's value from its text; `references.fetched_values` returns
what was fetched by this process, for masking.
"""
