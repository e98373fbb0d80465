"""What `import haversine_dbscan` offers, what that costs, and that only the estimator needs scikit-learn."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import haversine_dbscan

WITHOUT_SCIKIT_LEARN = """
import sys
sys.modules |= dict.fromkeys(["sklearn", "joblib", "scipy", "pandas"])  # importing them raises ImportError
from haversine_dbscan import dbscan
print(*dbscan([-33.45, -33.4501, -33.5], [-70.66, -70.66, -70.6], 50, 2)[0])
"""


ESTIMATOR_WITHOUT_SCIKIT_LEARN = """
import sys
sys.modules["sklearn"] = None
try:
    from haversine_dbscan import GridDBSCAN
except ImportError as error:
    print(error)
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_imports_nothing_heavy():
    printed = run("import sys, haversine_dbscan; print(*{name.partition('.')[0] for name in sys.modules})")
    assert not {"numpy", "numba", "sklearn", "taxi_mlops"} & set(printed.split())


def test_clustering_needs_no_scikit_learn():
    assert run(WITHOUT_SCIKIT_LEARN).split() == ["0", "0", "-1"]


def test_the_estimator_without_scikit_learn_says_what_to_install():
    expected = "GridDBSCAN needs scikit-learn: pip install 'haversine-dbscan[scikit-learn]'"
    assert run(ESTIMATOR_WITHOUT_SCIKIT_LEARN).strip() == expected


def test_names():
    assert haversine_dbscan.__version__ == version("haversine-dbscan")
    assert set(haversine_dbscan.__all__) <= set(dir(haversine_dbscan))
    assert all(getattr(haversine_dbscan, name) for name in haversine_dbscan.__all__)
    with pytest.raises(AttributeError, match="no attribute 'grid_dbscan'"):
        _ = haversine_dbscan.grid_dbscan
