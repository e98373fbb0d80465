"""Databases: thin over SQLAlchemy and Alembic."""
