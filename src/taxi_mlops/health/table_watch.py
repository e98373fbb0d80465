"""Read the state of the table of trips in the background, so that a slow object store delays no scrape."""

from __future__ import annotations

import threading
from contextlib import suppress

from taxi_mlops.errors import TaxiError
from taxi_mlops.settings import Settings
from taxi_mlops.versions import TableState, table_state


class TableWatch:
    """The table that the settings name, if they name one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reading: threading.Thread | None = None
        self._state: TableState | None = None

    def state(self, timeout: float) -> TableState | None:
        """Return the state of now; None without a table, if it cannot be read, or not within so many seconds.

        One reading at a time: one that takes longer is waited for by the next call.
        """
        if self._settings.trips_table is None:
            return None
        if self._reading is None:
            self._reading = threading.Thread(target=self._read, args=(self._settings.trips_table,), daemon=True)
            self._reading.start()
        self._reading.join(timeout)
        if self._reading.is_alive():
            return None
        self._reading = None
        return self._state

    def _read(self, table: str) -> None:
        self._state = None
        with suppress(TaxiError):  # the commands that read it say what is wrong
            self._state = table_state(table, self._settings)
