"""Draw the tiles of a plan over a sample of the points that it cuts.

taxi cluster santiago_taxi_od.parquet --eps 50 --min-samples 100 --plan --json > plan.json
python benchmarks/scale_picture.py plan.json santiago_taxi_od.parquet tiles.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import altair as alt
import numpy as np

from taxi_mlops.data.load import load_points
from taxi_mlops.data.request import LoadRequest
from taxi_mlops.settings import load_settings

DOTS = 20_000


def draw(plan: dict, latitude: np.ndarray, longitude: np.ndarray, picture: Path) -> None:
    """Write the picture. latitude, longitude: (n,), degrees."""
    tiles = [
        {**tile, "number": number, "seen": tile["points"] + tile["halo"]} for number, tile in enumerate(plan["tiles"])
    ]
    south, north = min(tile["south"] for tile in tiles), max(tile["north"] for tile in tiles)
    west, east = min(tile["west"] for tile in tiles), max(tile["east"] for tile in tiles)
    height = 560
    width = round(height * (east - west) / (north - south) * np.cos(np.radians((south + north) / 2.0)))
    x = {"scale": alt.Scale(domain=[west, east], nice=False), "title": "longitude"}
    y = {"scale": alt.Scale(domain=[south, north], nice=False), "title": "latitude"}
    chosen = np.random.default_rng(0).choice(len(latitude), min(DOTS, len(latitude)), replace=False)
    dots = [
        {"latitude": one, "longitude": other}
        for one, other in zip(latitude[chosen].tolist(), longitude[chosen].tolist(), strict=True)
    ]
    points = (
        alt.Chart(alt.Data(values=dots))
        .mark_circle(size=3, opacity=0.35, color="#334")
        .encode(alt.X("longitude:Q", **x), alt.Y("latitude:Q", **y))
    )
    boxes = (
        alt.Chart(alt.Data(values=tiles))
        .mark_rect(stroke="#c33", strokeWidth=1.2, fillOpacity=0.18)
        .encode(
            alt.X("west:Q", **x),
            alt.X2("east:Q"),
            alt.Y("south:Q", **y),
            alt.Y2("north:Q"),
            alt.Color("halo:Q", title="points in the halo", scale=alt.Scale(scheme="oranges")),
        )
    )
    title = f"{plan['points']:,} points in {len(tiles)} tiles, eps {plan['eps_metres']:g} m"
    (points + boxes).properties(width=width, height=height, title=title).save(str(picture), scale_factor=1.5)


def main() -> None:
    plan, trips, picture = sys.argv[1:]
    points = load_points(LoadRequest(source=trips), load_settings())
    draw(json.loads(Path(plan).read_text()), points.latitude, points.longitude, Path(picture))


if __name__ == "__main__":
    main()
