"""The registry, with real distributions on the path."""

from __future__ import annotations

import pytest

from taxi_mlops.adapters.registry import AdapterListing, list_adapters, load_adapter
from taxi_mlops.adapters.sklearn import SklearnAdapter
from taxi_mlops.errors import AdapterUnavailableError

OURS = (
    *("dbscan", "dbscan-plane", "fast-hdbscan", "grid", "grid-dask", "grid-ray", "grid-tiles", "hdbscan", "incdbscan"),
    *("mlpack", "open3d", "sklearn", "sklearn-dask", "sklearn-njobs", "sklearn-parallel", "sklearnex"),
)

SUBCLASS = """
from taxi_mlops.adapters.sklearn import SklearnAdapter

class Theirs(SklearnAdapter):
    {body}
"""


def listing(name: str) -> AdapterListing:
    return next(row for row in list_adapters() if row.name == name)


def test_ours_are_listed_by_name() -> None:
    assert tuple(row.name for row in list_adapters()) == OURS


def test_an_adapter_is_called_as_its_entry_point() -> None:
    for row in list_adapters():
        if row.info is not None:
            assert row.info.name == row.name


def test_sklearn_is_always_available() -> None:
    assert listing("sklearn") == AdapterListing(
        "sklearn", available=True, reason=None, install="pip install scikit-learn", info=SklearnAdapter().info
    )


def test_some_run_only_if_they_are_named() -> None:
    named = [row.name for row in list_adapters() if not row.by_default]
    in_tiles = ["grid-dask", "grid-ray", "grid-tiles"]
    assert named == ["dbscan-plane", "fast-hdbscan", *in_tiles, "incdbscan", "mlpack", "open3d", "sklearn-dask"]


def test_load_constructs_the_adapter() -> None:
    assert isinstance(load_adapter("sklearn"), SklearnAdapter)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(AdapterUnavailableError, match=f"no adapter 'sklaern'; available: {', '.join(OURS)}$"):
        load_adapter("sklaern")


def test_an_adapter_of_another_package_is_found(install) -> None:
    install("their-package", {"theirs": "their_module:Theirs"}, their_module=SUBCLASS.format(body="pass"))
    assert listing("theirs").available
    assert type(load_adapter("theirs")).__name__ == "Theirs"


def test_a_missing_library_is_listed_with_the_command(install) -> None:
    body = 'requires = "no_such_library"\n    install = "pip install no-such-library"'
    install("their-package", {"theirs-of-no-library": "module_a:Theirs"}, module_a=SUBCLASS.format(body=body))
    assert listing("theirs-of-no-library") == AdapterListing(
        "theirs-of-no-library",
        available=False,
        reason="library no_such_library is not installed",
        install="pip install no-such-library",
        info=None,
    )
    message = "'theirs-of-no-library': library no_such_library is not installed; install it with: pip install no-such"
    with pytest.raises(AdapterUnavailableError, match=message):
        load_adapter("theirs-of-no-library")


@pytest.mark.parametrize(
    ("target", "code", "reason"),
    [
        ("module_gone:Theirs", "", "ModuleNotFoundError: No module named 'module_gone'"),
        ("module_b:Absent", "", "AttributeError: module 'module_b' has no attribute 'Absent'"),
        ("module_c:Theirs", "raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("module_d:Theirs", SUBCLASS.format(body="def __init__(self): 1 / 0"), "ZeroDivisionError: division by zero"),
        ("module_e:Theirs", "class Theirs: pass", "AttributeError: 'Theirs' object has no attribute 'requires'"),
    ],
)
def test_a_broken_adapter_is_listed_with_the_reason(install, target: str, code: str, reason: str) -> None:
    install("their-package", {"broken": target}, **{target.partition(":")[0]: code} if code else {"module_b": ""})
    row = listing("broken")
    expected = f"adapter 'broken' of package their-package cannot be loaded from {target}: {reason}"
    assert row == AdapterListing("broken", available=False, reason=expected, install=None, info=None)
    assert listing("sklearn").available
    with pytest.raises(AdapterUnavailableError) as raised:
        load_adapter("broken")
    assert str(raised.value) == expected


def test_an_adapter_that_cannot_say_who_it_is_is_listed_with_the_reason(install) -> None:
    body = 'info = property(lambda self: {}["version"])'
    install("their-package", {"nameless": "module_f:Theirs"}, module_f=SUBCLASS.format(body=body))
    assert listing("nameless").reason == "KeyError: 'version'"
    assert not listing("nameless").available


def test_two_adapters_of_one_name_are_an_error_that_names_both_packages(install) -> None:
    install("their-package", {"sklearn": "module_g:Theirs"}, module_g=SUBCLASS.format(body="pass"))
    expected = "adapter 'sklearn' is declared by taxi-mlops and their-package; uninstall one of them"
    assert listing("sklearn").reason == expected
    with pytest.raises(AdapterUnavailableError) as raised:
        load_adapter("sklearn")
    assert str(raised.value) == expected
