"""What is expected of a commit, by the statistics of those before it. Users edit the file in the table's folder."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taxi_mlops.data.delta import read_side_file, side_file
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings
from taxi_mlops.versions.row_statistics import RowStatistics

FILE = "expectations.json"


class Expectations(BaseModel):
    """Bounds relative to the last commits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_rows: float = Field(default=0.2, ge=0, description="Rows at least, as a share of the median commit's.")
    most_rows: float = Field(default=5.0, gt=0, description="Rows at most, as a multiple of the median commit's.")
    more_missing: float = Field(
        default=0.1, ge=0, le=1, description="How much more of a column may be missing than in any commit before."
    )
    commits: int = Field(default=6, ge=1, description="How many of the last commits are looked at.")

    def broken(self, new: RowStatistics, before: Sequence[RowStatistics]) -> tuple[str, ...]:
        """Return what is not as expected, a sentence each. before: the commits before, the newest last."""
        last = before[-self.commits :]
        if not last:
            return ()
        usual = median(one.rows for one in last)
        found = []
        if not self.least_rows * usual <= new.rows <= self.most_rows * usual:
            found.append(
                f"{new.rows:,} rows, where {self.least_rows * usual:,.0f} to {self.most_rows * usual:,.0f} are expected"
            )
        for column in sorted({name for one in last for name in one.columns}):
            share = new.share_missing(column)
            largest = max(one.share_missing(column) for one in last) + self.more_missing
            if share > largest:
                found.append(f"{share:.1%} of {column!r} is missing, where at most {largest:.1%} is expected")
        return tuple(found)


def expectations_of(location: str, settings: Settings) -> Expectations:
    """Return those of a table, the usual ones if it has none. Raises DataError if the file is not valid."""
    content = read_side_file(location, FILE, settings)
    if content is None:
        return Expectations()
    try:
        return Expectations.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{side_file(location, FILE)}: {where}: {first['msg']}") from None
