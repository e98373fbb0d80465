"""Workers of a cluster with other versions are refused."""

from importlib.metadata import version

import pytest

from taxi_mlops.errors import UsageError
from taxi_mlops.scale.versions import PACKAGES, require_equal, version_of

SAME = {package: version_of(package) for package in ("python", *PACKAGES)}


def test_equal_versions_pass():
    assert SAME["numpy"] == version("numpy")
    require_equal("dask://a:1", {"worker 1": SAME, "worker 2": SAME})


@pytest.mark.parametrize(
    ("package", "there", "message"),
    [
        ("numpy", "1.0", "dask://a:1: worker 2 has numpy 1.0, and this process {}; install the same version"),
        ("taxi-mlops", None, "dask://a:1: worker 2 has no taxi-mlops, and this process {}; install the same version"),
    ],
)
def test_others_are_named(package, there, message):
    with pytest.raises(UsageError) as caught:
        require_equal("dask://a:1", {"worker 1": SAME, "worker 2": {**SAME, package: there}})
    assert str(caught.value) == message.format(SAME[package])
