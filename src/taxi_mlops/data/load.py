"""Load points: source → loader → validator → cleaning → sample → fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from taxi_mlops import __version__
from taxi_mlops.data.files import TripFile
from taxi_mlops.data.fingerprint import fingerprint
from taxi_mlops.data.loader import DataLoader
from taxi_mlops.data.pieces import TripPiece, pieces_of_city, pieces_of_tables
from taxi_mlops.data.plausibility import check_plausibility
from taxi_mlops.data.preprocessor import (
    CleanedCoordinates,
    CleaningOptions,
    TaxiTripPreprocessor,
    notes_on_unread,
)
from taxi_mlops.data.progress import Progress
from taxi_mlops.data.regions import BoundingBox
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.data.schemas import SYNTHETIC, TripSchema, Zone
from taxi_mlops.data.sources import data_version, identity, resolve, resolve_file
from taxi_mlops.data.synthetic import CITY_VERSION, SCHEME, CityAddress, SyntheticCity, to_arrow
from taxi_mlops.data.tables import Table
from taxi_mlops.domain import FloatArray, Points, Provenance, RowArray
from taxi_mlops.errors import DataError
from taxi_mlops.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

NOT_SAMPLED = "not_sampled"
"""The name under which valid rows are counted that the sample left out."""

_IN_MEMORY = "in memory"
_NO_POINTS = (
    "these trips have zone numbers and no points, and the centroids of zones are not points to cluster; "
    "with --zones taxi_zones.zip they become one weighted point per zone"
)


class RowReader(Protocol):
    """Reads trips row by row."""

    def __call__(self, columns: Sequence[str] | None = None, /) -> Iterator[pa.RecordBatch]:
        """Yield some of the columns, or all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTrips:
    """Trips whose schema is known, before their rows are read.

    identity: returns an identifier of the content, which changes if the files do. read: reads and cleans all trips.
    refusal: why they cannot become points, which `read` would raise; or None. count_rows: reads them only to count the
    rows. columns_read: those that the points are read from. rows: reads them again with all columns, each once, or with
    some; those of CSV files are text, as written. crs: the system of coordinates that `read` converts from; None if
    they are in degrees.
    pieces: cuts them into pieces of about so many rows, to be read separately; None for zones.
    approximate_rows: how many there are, without reading them; compressed files may hold more. options: of cleaning.
    examine: checks the points for plausibility: notes or raises what is doubtful.
    """

    uri: str
    schema: TripSchema
    columns: tuple[str, ...]
    columns_read: tuple[str, ...]
    data_version: str
    identity: Callable[[], str]
    read: Callable[[], CleanedCoordinates]
    count_rows: Callable[[], int]
    rows: RowReader
    refusal: str | None = None
    crs: str | None = None
    pieces: Callable[[int], tuple[TripPiece, ...]] | None
    approximate_rows: Callable[[], int]
    options: CleaningOptions
    examine: Callable[[CleanedCoordinates], CleanedCoordinates] = lambda cleaned: cleaned


class PointsCache(Protocol):
    """Caches prepared points. A failure costs the time to prepare them again, and nothing else."""

    def get(self, key: str) -> Points | None:
        """Return the points of this key, or None."""
        ...

    def put(self, key: str, points: Points) -> None:
        """Store the points, if possible."""
        ...


def load_points(
    request: LoadRequest,
    settings: Settings,
    on_progress: Progress | None = None,
    cache: PointsCache | None = None,
) -> Points:
    """Read, clean and fingerprint the requested points, or get them from the cache.

    Raises DataError if the trips cannot be used and DownloadError if a server does not deliver.
    """
    (points,) = load_samples(request, (request.sample,), settings, on_progress, cache)
    return points


def load_samples(
    request: LoadRequest,
    samples: Sequence[int | None],
    settings: Settings,
    on_progress: Progress | None = None,
    cache: PointsCache | None = None,
) -> tuple[Points, ...]:
    """Read and clean trips once, and draw each of the samples as a request of its own would; None is all.

    Raises as `load_points` does.
    """
    trips = open_trips(request, settings, on_progress)
    points = _prepared(trips) if cache is None else _through(cache, request, trips)
    return tuple(sampled(points, request.model_copy(update={"sample": sample})) for sample in samples)


def _through(cache: PointsCache, request: LoadRequest, trips: OpenedTrips) -> Points:
    """Return all points of the trips, from the cache if they are there, else prepared and cached."""
    identity = trips.identity()
    key = _cache_key(request, identity)
    found = cache.get(key)
    if found is not None:
        return replace(found, provenance=replace(found.provenance, uri=trips.uri, from_cache=True))
    points = _prepared(trips)
    if trips.identity() == identity:  # else the trips were changed while they were read
        cache.put(key, points)
    return points


def _cache_key(request: LoadRequest, identity: str) -> str:
    """Return the SHA-256 over the version of this program, the trips, and the cleaning options, in hexadecimal."""
    options = request.model_dump_json(exclude={"source", "zones", "sample", "seed", "synthetic_rows"})
    return hashlib.sha256(f"{__version__}\n{identity}\n{options}".encode()).hexdigest()


def _prepared(trips: OpenedTrips) -> Points:
    """Read, clean and fingerprint all of the trips."""
    cleaned = trips.read()
    if not cleaned.latitude.size:
        counts = ", ".join(f"{count:,} {rule}" for rule, count in cleaned.dropped.items() if count)
        raise DataError(f"{trips.uri}: cleaning left none of {cleaned.rows_read:,} rows ({counts or 'no rows'})")
    provenance = Provenance(
        uri=trips.uri,
        schema=trips.schema.name,
        data_version=trips.data_version,
        rows_read=cleaned.rows_read,
        rows_used=cleaned.rows_used,
        dropped=dict(cleaned.dropped),
        notes=tuple(note for note in (trips.schema.note, *cleaned.notes) if note),
        columns=trips.columns_read,
        crs=trips.crs,
    )
    return _fingerprinted(cleaned.latitude, cleaned.longitude, cleaned.weight, provenance, cleaned.row)


def _fingerprinted(
    latitude: FloatArray,
    longitude: FloatArray,
    weight: FloatArray | None,
    provenance: Provenance,
    row: RowArray | None,
) -> Points:
    return Points(latitude, longitude, weight, fingerprint(latitude, longitude, weight), provenance, row)


def load_each(request: LoadRequest, settings: Settings, on_progress: Progress | None = None) -> Points:
    """Read points and clean each row by itself, without finding a region in the data. Raises as `load_points` does."""
    return _prepared(open_trips(request, settings, on_progress, find_region=False))


def load_table(table: Table, request: LoadRequest, *, find_region: bool = True) -> Points:
    """Clean and fingerprint the points of rows in memory. The source of the request is ignored.

    find_region: as for `open_trips`. Raises DataError if the rows cannot be used.
    """
    if request.zones:
        raise DataError(f"{table.file}: --zones needs a file of trips; save the rows as Parquet and load that")
    options = CleaningOptions(_box(request), find_region)
    return sampled(_prepared(_opened((table,), str(table.file), request, options)), request)


def open_trips(
    request: LoadRequest, settings: Settings, on_progress: Progress | None = None, *, find_region: bool = True
) -> OpenedTrips:
    """Find the files (downloading them if needed) and their schema; only headers are read.

    find_region: whether, without a box in the request, a region is found in the data, and points outside are dropped.
    """
    options = CleaningOptions(_box(request), find_region)
    if request.source is None:
        return _open_city(CityAddress(request.synthetic_rows, request.seed), request, options, on_progress)
    if request.source.startswith(f"{SCHEME}:"):
        return _open_city(CityAddress.parse(request.source, request.seed), request, options, on_progress)
    source = resolve(request.source, settings, on_progress, month=request.month)
    zones = resolve_file(request.zones, settings, on_progress) if request.zones else None
    trips = _opened(
        source.files, source.uri, request, options, zones, on_progress, columns_may_differ=source.version is not None
    )
    return replace(
        trips,
        data_version=source.version or data_version(source.files),
        identity=lambda: identity((*source.files, *([zones] if zones else []))),
    )


def open_loader(
    files: Sequence[TripFile | Table],
    request: LoadRequest,
    *,
    zones: bool = False,
    columns_may_differ: bool = False,
    on_progress: Progress | None = None,
) -> DataLoader:
    """Return what reads the points that a request wants of some files. Raises DataError as `DataLoader` does."""
    return DataLoader(
        files,
        request.points,
        latitude_column=request.latitude_column,
        longitude_column=request.longitude_column,
        crs=request.crs,
        zones=zones,
        columns_may_differ=columns_may_differ,
        box=_box(request),
        on_progress=on_progress,
    )


def _box(request: LoadRequest) -> BoundingBox | None:
    return BoundingBox(*request.bbox) if request.bbox else None


def _opened(
    files: Sequence[TripFile | Table],
    uri: str,
    request: LoadRequest,
    options: CleaningOptions,
    zones: TripFile | None = None,
    on_progress: Progress | None = None,
    *,
    columns_may_differ: bool = False,
) -> OpenedTrips:
    """Find the schema of files, or of tables in memory, which have no version."""
    loader = open_loader(
        files, request, zones=zones is not None, columns_may_differ=columns_may_differ, on_progress=on_progress
    )
    refusal = _NO_POINTS if isinstance(loader.place, Zone) and zones is None else None

    examine = partial(
        check_plausibility,
        place=loader.place,
        where=uri,
        named_by_user=bool(request.latitude_column or request.longitude_column),
        box_given=request.bbox is not None,
    )

    def read() -> CleanedCoordinates:
        if refusal is not None:
            raise DataError(f"{uri}: {refusal}")
        if zones is None:
            cleaned = examine(_cleaned(loader.coordinates(), options))
            return replace(cleaned, notes=(*cleaned.notes, *notes_on_unread(loader.rows_unread)))
        from taxi_mlops.data.zones import count_by_zone, read_zones

        return count_by_zone(loader.zone_numbers(), read_zones(zones), options.region)

    return OpenedTrips(
        uri=uri,
        schema=loader.schema,
        columns=loader.tables[0].columns,
        columns_read=loader.place.columns,
        data_version=_IN_MEMORY,
        identity=lambda: _IN_MEMORY,
        read=read,
        count_rows=loader.count_rows,
        rows=loader.rows,
        refusal=refusal,
        crs=loader.crs,
        pieces=None if isinstance(loader.place, Zone) else partial(pieces_of_tables, loader),
        approximate_rows=loader.approximate_rows,
        options=options,
        examine=examine,
    )


def _open_city(
    address: CityAddress, request: LoadRequest, options: CleaningOptions, on_progress: Progress | None
) -> OpenedTrips:
    if request.zones or request.latitude_column or request.longitude_column or request.crs:
        raise DataError(
            "--zones, --lat, --lon and --crs need a file: the synthetic city has degrees in its own columns"
        )
    city = SyntheticCity(address.seed)

    def coordinates() -> Iterator[tuple[FloatArray, FloatArray]]:
        for batch in city.batches(address.rows):
            yield batch.ends(request.points)
            if on_progress:
                on_progress("Synthesizing", batch.first_row + len(batch), address.rows)

    def rows(chosen: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for batch in map(to_arrow, city.batches(address.rows)):
            yield batch if chosen is None else batch.select(list(chosen))

    uri = str(address)
    columns = tuple(sorted(SYNTHETIC.required))
    return OpenedTrips(
        uri=uri,
        schema=SYNTHETIC,
        columns=columns,
        columns_read=SYNTHETIC.place(request.points).columns,
        data_version=CITY_VERSION,
        identity=lambda: f"{uri} {CITY_VERSION}",
        read=lambda: _cleaned(coordinates(), options),
        count_rows=lambda: address.rows,
        rows=rows,
        pieces=partial(pieces_of_city, address, request.points),
        approximate_rows=lambda: address.rows,
        options=options,
    )


def _cleaned(batches: Iterator[tuple[FloatArray, FloatArray]], options: CleaningOptions) -> CleanedCoordinates:
    preprocessor = TaxiTripPreprocessor(options)
    for latitude, longitude in batches:
        preprocessor.add(latitude, longitude)
    return preprocessor.finish()


def sampled(points: Points, request: LoadRequest) -> Points:
    """Draw the requested number of trips without replacement, if that is fewer than there are.

    Points keep their order, and weighted points lose weight instead.
    """
    provenance, size, seed = points.provenance, request.sample, request.seed
    if size is None or size >= provenance.rows_used:
        return points
    rng = np.random.default_rng(seed)
    if points.weight is None:
        chosen = np.sort(rng.choice(len(points), size, replace=False, shuffle=False))
        weight = None
    else:
        drawn = rng.multivariate_hypergeometric(points.weight.astype(np.int64), size, method="marginals")
        chosen = np.flatnonzero(drawn)
        weight = drawn[chosen].astype(np.float64)
    note = f"A uniform sample of {size:,} of {provenance.rows_used:,} trips (seed {seed})"
    provenance = replace(
        provenance,
        rows_used=size,
        dropped={**provenance.dropped, NOT_SAMPLED: provenance.rows_used - size},
        notes=(*provenance.notes, note),
    )
    row = None if points.row is None else points.row[chosen]
    return _fingerprinted(points.latitude[chosen], points.longitude[chosen], weight, provenance, row)
