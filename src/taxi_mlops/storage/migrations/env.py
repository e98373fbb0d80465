"""Alembic runs this for every command, on the connection that `storage.database` gives it."""

from alembic import context

from taxi_mlops.storage.database import VERSION_TABLE
from taxi_mlops.storage.experiments import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
