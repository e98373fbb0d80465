"""Check that trips are usable at all, before rows are dropped by cleaning.

Vectorised checks of our own instead of pandera: importing pandera (with pandas) takes 1.7 s here, more than half of the
time that loading ten million rows may take. As there, every violation is collected before one error names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from taxi_mlops.domain import BoolArray, FloatArray
from taxi_mlops.errors import DataError

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """The rules of one column of numbers.

    limit: the largest magnitude in range; None for any. largest_share_missing, largest_share_out_of_range: beyond these
    shares of the rows the column is probably another one. Fewer bad rows are dropped and counted by cleaning.
    """

    column: str
    limit: float | None = None
    largest_share_missing: float = 0.9
    largest_share_out_of_range: float = 0.5


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a column violates: in how many rows, and the first of them."""

    column: str
    rule: str
    count: int
    first_rows: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.first_rows)
        rows = "1 row" if self.count == 1 else f"{self.count:,} rows"
        return f"column {self.column!r}: {self.rule} in {rows} (first: {shown})"


@dataclass(slots=True)
class _Tally:
    count: int = 0
    first_rows: list[str] = field(default_factory=list)

    def add(self, bad: BoolArray, values: FloatArray | Sequence[object], first_row: int) -> None:
        count = int(np.count_nonzero(bad))
        if not count:
            return
        self.count += count
        for index in np.flatnonzero(bad)[: _SHOWN - len(self.first_rows)]:
            self.first_rows.append(f"row {first_row + int(index) + 1}: {shortened(values[index], 40)}")

    def merge(self, later: _Tally) -> None:
        self.count += later.count
        self.first_rows += later.first_rows[: _SHOWN - len(self.first_rows)]


def shortened(value: object, length: int) -> str:
    """Return the start of a value, on one line, with escapes for characters that are not printable."""
    text = " ".join(str(value).split())[:length]
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _advice_on_cells(unreadable: Mapping[str, _Tally]) -> str:
    """Return what to do about unreadable cells of these columns, if their text says it."""
    cells = [(column, row.partition(": ")[2]) for column, tally in unreadable.items() for row in tally.first_rows]
    if any(cell == column.strip() for column, cell in cells):
        return "there the header stands again, as in files that were joined; remove it"
    if any("°" in cell for _, cell in cells):
        return "convert degrees, minutes and seconds to decimal degrees"
    return ""


class DataValidator:
    """Checks the columns of one file as its batches come: types, ranges, share of missing, emptiness.

    file: its name in errors. advise: returns what to do about values that are out of range, if that is known. Rows are
    numbered from 1 after the header; first_row: of a part of the file, how many are before it. `conclude`
    raises one DataError for all that was found. `unread` is how many rows were passed over.
    """

    def __init__(
        self, file: object, rules: Iterable[ColumnRules], advise: Callable[[], str] = str, first_row: int = 0
    ) -> None:
        self._file = file
        self._first_row = first_row
        self._rules = tuple(rules)
        self._advise = advise
        self._rows = 0
        self.unread = 0
        self._missing = {rules.column: _Tally() for rules in self._rules}
        self._out_of_range = {rules.column: _Tally() for rules in self._rules}
        self._wrong_type: dict[str, _Tally] = {}

    def observe(self, columns: Sequence[FloatArray]) -> None:
        """Check one batch: for each of the rules its column, float64 of shape (n,), NaN if missing."""
        for rules, values in zip(self._rules, columns, strict=True):
            self._missing[rules.column].add(np.isnan(values), values, self._next_row)
            if rules.limit is not None:
                self._out_of_range[rules.column].add(np.abs(values) > rules.limit, values, self._next_row)
        self._rows += columns[0].size

    def pass_over(self, rows: int) -> None:
        """Count rows that are not read."""
        self._rows += rows
        self.unread += rows

    def wrong_type(self, column: str, bad: BoolArray, cells: Sequence[object]) -> None:
        """Record the unreadable cells of the next batch of n rows: bad is bool of shape (n,)."""
        self._wrong_type.setdefault(column, _Tally()).add(bad, cells, self._next_row)

    @property
    def _next_row(self) -> int:
        return self._first_row + self._rows

    def merge(self, later: DataValidator) -> None:
        """Add the violations in a later part of the same file."""
        self._rows += later._rows
        self.unread += later.unread
        for mine, theirs in (
            (self._missing, later._missing),
            (self._out_of_range, later._out_of_range),
            (self._wrong_type, later._wrong_type),
        ):
            for column, tally in theirs.items():
                mine.setdefault(column, _Tally()).merge(tally)

    def conclude(self) -> None:
        """Raise DataError naming each column, rule, count and the first rows, if there are violations."""
        violations = [
            Violation(column, "not of the right type", tally.count, tuple(tally.first_rows))
            for column, tally in self._wrong_type.items()
            if tally.count
        ]
        advice = _advice_on_cells(self._wrong_type)
        for rules in self._rules:
            missing, outside = self._missing[rules.column], self._out_of_range[rules.column]
            unreadable = self._wrong_type.get(rules.column, _Tally())  # NaN, too
            if missing.count - unreadable.count > rules.largest_share_missing * self._rows:
                rule = f"missing (more than {rules.largest_share_missing:.0%} of all)"
                violations.append(Violation(rules.column, rule, missing.count, tuple(missing.first_rows)))
            if outside.count > rules.largest_share_out_of_range * self._rows:
                advice = self._advise()
                rule = f"outside ±{rules.limit:g}, so not in degrees,"
                violations.append(Violation(rules.column, rule, outside.count, tuple(outside.first_rows)))
        if violations:
            listed = "; ".join(str(violation) for violation in violations)
            advice = advice or "correct the file, or name other columns with --lat and --lon"
            raise DataError(f"{self._file}: {listed}; {advice}")
        if not self._rows:
            raise DataError(f"{self._file}: the file has no rows")
