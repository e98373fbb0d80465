"""What `import taxi_mlops` offers, and that it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import taxi_mlops

HEAVY = {"numpy", "numba", "sklearn", "scipy", "pydantic", "pyarrow", "pandas", "rich", "typer", "shapely", "bokeh"}


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, taxi_mlops; print(*{name.partition('.')[0] for name in sys.modules})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(printed.split())


def test_the_estimator_is_that_of_the_engine():
    from haversine_dbscan import estimator
    from taxi_mlops import GridDBSCAN

    assert GridDBSCAN is estimator.GridDBSCAN
    assert "GridDBSCAN" in dir(taxi_mlops)
    stops = [[-33.45, -70.66], [-33.4501, -70.66], [-33.4501, -70.6601], [-33.5, -70.6]]
    assert GridDBSCAN(eps=50, min_samples=3).fit_predict(stops).tolist() == [0, 0, 0, -1]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'grid_dbscan'"):
        _ = taxi_mlops.grid_dbscan


def test_the_former_names_of_the_engine():
    from taxi_mlops.engine.dbscan import dbscan
    from taxi_mlops.engine.estimator import GridDBSCAN
    from taxi_mlops.engine.geodesy import great_circle_distance

    import haversine_dbscan
    from taxi_mlops import engine

    assert dbscan is engine.dbscan is haversine_dbscan.dbscan
    assert GridDBSCAN is engine.GridDBSCAN is haversine_dbscan.GridDBSCAN
    assert great_circle_distance(0.0, 0.0, 0.0, 180.0) == pytest.approx(20_015_114.35)
