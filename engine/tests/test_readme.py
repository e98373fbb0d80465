"""The examples of the README and of the docstrings run, and print what they show."""

import doctest
from pathlib import Path

from haversine_dbscan import estimator

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_of_the_readme():
    found = doctest.testfile(str(README), module_relative=False)
    assert (found.failed, found.attempted > 5) == (0, True)


def test_the_examples_of_the_estimator():
    found = doctest.testmod(estimator)
    assert (found.failed, found.attempted > 2) == (0, True)
