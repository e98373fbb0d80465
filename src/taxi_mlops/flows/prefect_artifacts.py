"""Create the artifacts of a flow run, which Prefect's pages show: the ranking as a table, and links to the results."""

from __future__ import annotations

from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from taxi_mlops.models.registry import ModelVersion
from taxi_mlops.recording.recordings import Recordings
from taxi_mlops.reports.markdown import markdown, ranking_rows
from taxi_mlops.reports.model_card import markdown as card_markdown
from taxi_mlops.reports.sweep_page import INDICES, sentence
from taxi_mlops.reports.terminal import sentence as verdict
from taxi_mlops.reports.trends import markdown as trends_markdown
from taxi_mlops.reports.trends import rows as trend_rows
from taxi_mlops.reports.tuning_page import by_first, value_text
from taxi_mlops.reports.tuning_page import sentence as tuning_sentence
from taxi_mlops.reports.units import seconds
from taxi_mlops.results.comparison import Comparison
from taxi_mlops.results.gates import Examination
from taxi_mlops.results.model_card import ModelCard, TrainingFolder
from taxi_mlops.results.run_folder import RunFolder
from taxi_mlops.results.sweep_folder import SweepFolder
from taxi_mlops.results.sweep_result import SweepResult
from taxi_mlops.results.tuning import TuningFolder, TuningResult
from taxi_mlops.runs.trends import Trends


def show_comparison(comparison: Comparison, folder: RunFolder) -> None:
    """Show the ranking, the verdict as a sentence, and links to the report and to MLflow."""
    create_table_artifact(ranking_rows(comparison), key="ranking", description=verdict(comparison))
    create_markdown_artifact(markdown(comparison), key="comparison", description=str(folder.path))
    if folder.report.is_file():
        _link("report", folder.report, "The report of the run, on the host that ran it.")
    for noted in Recordings.read(folder).recordings:
        if noted.page is not None:
            page = f"{noted.target}/{noted.page}"
            create_link_artifact(page, link_text="MLflow", key="mlflow-run", description="The run in MLflow.")


def show_sweep(result: SweepResult, folder: SweepFolder) -> None:
    """Show the best cells of the sweep, and a link to its page."""
    quality = INDICES[result.sweep.quality]
    best = [
        {
            "trips": one.size,
            "eps, metres": one.eps_metres,
            "min_samples": one.min_samples,
            quality: round(one.quality, 4),
            "fit, median": seconds(one.fit_seconds),
            "by": " = ".join(one.adapters),
        }
        for one in result.candidates
        if one.on_front
    ]
    create_table_artifact(best, key="best", description=f"{sentence(result)} {result.rule}")
    _link("sweep-report", folder.report, "Heat maps and the front, on the host that ran the last cell.")


def show_tuning(result: TuningResult, folder: TuningFolder) -> None:
    """Show the front, the best first, the command that follows from it, and a link to the page."""
    front = [
        {
            "eps, metres": trial.eps_metres,
            "min_samples": trial.min_samples,
            "unseen-trip score": value_text(trial.unseen),
            "stability": value_text(trial.stability),
            "noise": f"{trial.noise_ratio:.1%}",
            "clusters": trial.n_clusters,
        }
        for trial in by_first(result)
    ]
    create_table_artifact(front, key="front", description=f"{tuning_sentence(result)} {result.rule}")
    if result.command is not None:
        create_markdown_artifact(f"```\n{result.command}\n```", key="train", description="Trains with the best pair.")
    _link("tuning-report", folder.page, "History, front and map of the best, on the host that ran it.")


def show_model(card: ModelCard, version: ModelVersion, folder: TrainingFolder) -> None:
    """Show the card of a model that was registered, and a link to its page."""
    create_markdown_artifact(card_markdown(card), key="model", description=f"Version {version.version} of {card.name}.")
    _link("model-card", folder.page, "The card with its map, on the host that trained the model.")


def show_gates(found: Examination) -> None:
    """Show the gates of a promotion."""
    gates = [{"gate": gate.name, "passed": gate.passed, "what was found": gate.reason} for gate in found.gates]
    against = f"against version {found.against}" if found.against else "without a champion"
    create_table_artifact(gates, key="gates", description=f"Version {found.version} of {found.name}, {against}.")


def show_trends(trends: Trends, page: Path) -> None:
    """Show regressions as sentences, all series as a table, and a link to the page."""
    create_markdown_artifact(trends_markdown(trends), key="regressions")
    create_table_artifact(trend_rows(trends), key="trends")
    _link("trends-report", page, "Every series as a plot, on the host that made it.")


def _link(key: str, path: Path, description: str) -> None:
    create_link_artifact(path.absolute().as_uri(), link_text=path.name, key=key, description=f"{description} {path}")
