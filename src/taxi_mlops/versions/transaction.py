"""Make a version of a table: the one step of a commit that others see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taxi_mlops.audit.acts import Action
from taxi_mlops.audit.trail import trail_of
from taxi_mlops.data.delta import MONTH, TableAddress, explained_table, open_version, storage_options
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.columns import Columns
from taxi_mlops.versions.records import METADATA_KEY, CommitRecord, records_of

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction


def transact(
    address: TableAddress,
    settings: Settings,
    base: DeltaTable | None,
    columns: Columns,
    actions: list[AddAction],
    record: CommitRecord,
    replace: bool,
) -> int:
    """Make the version, note that in the audit trail, and return its number.

    New columns are a version of their own, before it.
    """
    import pyarrow as pa
    from deltalake import CommitProperties, Schema
    from deltalake.exceptions import CommitFailedError, DeltaError
    from deltalake.transaction import create_table_with_add_actions

    schema = Schema.from_arrow(columns.schema.append(pa.field(MONTH, pa.string())))
    properties = CommitProperties(custom_metadata={METADATA_KEY: record.model_dump_json()})
    options = storage_options(address.location, settings)
    action = Action.DATA_ADOPTED if record.adopted else Action.DATA_COMMITTED
    rows, replaces = record.statistics.rows, replace and base is not None
    act = trail_of(settings).acting(action, str(address), rows=rows, month=record.month, replace=replaces)
    with act as draft, explained_table(address):
        try:
            if base is None:
                create_table_with_add_actions(
                    address.location,
                    schema,
                    actions,
                    "error",
                    [MONTH],
                    storage_options=options,
                    commit_properties=properties,
                )
            else:
                if columns.added:
                    base.alter.add_columns([field for field in schema.fields if field.name in columns.added])
                    base.update_incremental()
                base.create_write_transaction(
                    [*actions],
                    "overwrite" if replace or columns.widened else "append",
                    schema,
                    [MONTH],
                    [(MONTH, "=", record.month)] if replace and record.month and not columns.widened else None,
                    commit_properties=properties,
                )
        except DeltaError as error:
            if not isinstance(error, CommitFailedError) and "already exists" not in str(error):
                raise
            raise DataError(f"{address}: another commit came first, and this one is not made; commit again") from None
        number = 0 if base is None else _number_of(record, address, settings)
        draft.subject = f"{address}@{number}"
    return number


def _number_of(record: CommitRecord, address: TableAddress, settings: Settings) -> int:
    """Return the number of the version that has this record: others may have been made meanwhile."""
    made = open_version(address, settings)
    return next(number for number, one in records_of(made) if one.commit_id == record.commit_id)
