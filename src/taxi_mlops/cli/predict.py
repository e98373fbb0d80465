"""`taxi predict`: label new points with the model of an earlier clustering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_mlops.cli.cluster import Format, FormatOption, KeepColumns
from taxi_mlops.cli.options import Output, Quiet, document_of, folder_to_fill, settings_with, takes
from taxi_mlops.cli.printing import print_files

if TYPE_CHECKING:
    from taxi_mlops.results.cluster_result import PredictionFolder, PredictionResult


@takes("taxi_mlops.clustering:Prediction", required=("model", "data"))
def predict(
    given: dict[str, str | None],
    output: Output = None,
    kind: FormatOption = Format.PARQUET,
    keep_columns: KeepColumns = False,
    json: Annotated[bool, typer.Option("--json", help="Print prediction.json.")] = False,
    quiet: Quiet = False,
) -> None:
    """Label new points with the model that `taxi cluster` wrote: the cluster of the nearest core point within eps."""
    from taxi_mlops.cli.progress import progress_observer
    from taxi_mlops.clustering import Prediction
    from taxi_mlops.data.load import open_trips
    from taxi_mlops.data.request import of_version
    from taxi_mlops.pipeline.predict import predict as predict_points
    from taxi_mlops.pipeline.predict import write_prediction
    from taxi_mlops.results.cluster_result import PredictionFolder
    from taxi_mlops.results.new_folder import require_empty

    document = document_of(Prediction, given)
    settings = settings_with(cache=True)
    folder = PredictionFolder(folder_to_fill(output, None, settings, "prediction-"))
    require_empty(folder.path)
    with progress_observer(quiet=quiet or json) as observer:
        predicted = predict_points(document, settings, observer)
        read = of_version(document.dataset, predicted.points.provenance)
        trips = open_trips(read, settings, observer.loading).rows() if keep_columns else None
        result = write_prediction(predicted, document.model, folder, observer, kind.value, trips)
    _show(result, folder, kind, json)


def _show(result: PredictionResult, folder: PredictionFolder, kind: Format, json: bool) -> None:
    from rich.console import Console

    from taxi_mlops.reports.cluster_terminal import render_prediction
    from taxi_mlops.results.documents import to_json

    if json:
        typer.echo(to_json(result), nl=False)
        return
    Console(highlight=False).print(render_prediction(result))
    print_files(folder.path, ((folder.labels(kind.value), "the label of every point"), (folder.result, "all values")))
