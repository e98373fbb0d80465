"""The audit trail: who ran, promoted, deleted or changed what, and when.

An act is in a journal on disk before it is done (`journal`), then in the experiment store (`stored`) and in the log.
Entry points: `trail.trail_of`, and `listing.list_acts` for `taxi audit`.
"""
