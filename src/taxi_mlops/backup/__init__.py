"""Backups of a stack of plain processes: PostgreSQL to any minute, the object store, configuration and secrets.

Entry points: `create.create`, `verify.verify`, `restore.restore`, `place.Place` (list, prune).
"""
