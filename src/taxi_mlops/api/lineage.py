"""`taxi_mlops.lineage`: from trips to runs and models."""

from __future__ import annotations

from taxi_mlops.pipeline.lineage import Lineage, lineage_of
from taxi_mlops.settings import load_settings


def lineage(reference: str) -> Lineage:
    """Follow trips to the runs and models that came from them, as `taxi lineage` does. A notebook shows the picture.

    Parameters
    ----------
    reference : str
        A version, `delta:TABLE@5`; the id or the folder of a run; or a model, `NAME` or `NAME@VERSION`.

    Returns
    -------
    Lineage
        `uri`, `commits`, `runs` and `models`; `save("lineage.svg")` writes the picture.

    Raises
    ------
    UsageError
        If it is none of these.
    DataError
        If there is no such version.
    """
    return lineage_of(reference, load_settings())
