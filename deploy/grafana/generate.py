"""Write the dashboards:   python deploy/grafana/generate.py [FOLDER]      (default: dashboards/ beside this file)"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import bargauge, dashboard, logs, loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

HERE = Path(__file__).parent
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = DataSourceRef(type_val="loki", uid="loki")
WIDTH, HALF, HEIGHT = 24, 12, 8


def _panels() -> ModuleType:
    """Import `panels.py` beside this file, from any working folder."""
    specification = importlib.util.spec_from_file_location("panels", HERE / "panels.py")
    assert specification is not None  # noqa: S101 - it is a file
    assert specification.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(specification)
    sys.modules["panels"] = module
    specification.loader.exec_module(module)
    return module


panels = _panels()


def _explore(source: str, query: dict[str, str]) -> str:
    """Return the address of a query in Grafana's Explore. Variables in it stay as they are."""
    pane = {"datasource": source, "queries": [{"refId": "A", **query}], "range": {"from": "now-7d", "to": "now"}}
    return f"/explore?schemaVersion=1&panes={quote(json.dumps({'a': pane}), safe='${}.')}"


TRACE_LINK = ("Trace", _explore("jaeger", {"query": "${__data.fields.trace_id}"}))
LOG_LINK = (
    "Log",
    _explore("loki", {"expr": '{service_name="taxi-mlops"} | taxi_run_id="${__data.fields.run_id}"'}),
)
MLFLOW_LINK = ("MLflow", "${mlflow_url:raw}/#/${__data.fields.mlflow_page}")
REPORT_LINK = ("Report", "${mlflow_url:raw}/#/${__data.fields.mlflow_page}/artifacts/report.html")
PREFECT_LINK = ("Prefect", "${prefect_url:raw}/runs")
OF_THAT_TIME = "/d/taxi-comparisons?${__url_time_range}"
LOGS_LINK = ("Log", _explore("loki", {"expr": '{service_name="taxi-mlops"}'}))


def _link(title: str, url: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).url(url).target_blank(True)


def _target(expression: str, legend: str, letter: str, *, instant: bool) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(PROMETHEUS)
    return query.instant() if instant else query.range()


def _links(panel: Any, *, by_deployment: bool) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - a `Panel`
    """Return the links of a panel: from a table of runs to each run, from others to the runs of their time."""
    if panel.form is panels.Form.RUNS:
        return (TRACE_LINK, LOG_LINK, MLFLOW_LINK, REPORT_LINK, PREFECT_LINK)
    runs = OF_THAT_TIME + ("&${deployment:queryparam}" if by_deployment else "")
    return (("Last comparisons", runs), LOGS_LINK)


def _built(panel: Any, *, by_deployment: bool) -> Any:  # noqa: ANN401 - of any of the builders
    form = panels.Form
    kinds = {
        form.LINES: timeseries.Panel,
        form.NUMBER: stat.Panel,
        form.BARS: bargauge.Panel,
        form.RUNS: table.Panel,
        form.LOGS: logs.Panel,
    }
    made = kinds[panel.form]().title(panel.title).description(panel.description)
    made = made.height(HEIGHT).span(WIDTH if panel.wide else HALF)
    if panel.form is form.LOGS:
        [(expression, _)] = panel.queries
        query = loki.Dataquery().expr(expression).ref_id("A").datasource(LOKI)
        return made.datasource(LOKI).unit(panel.unit).with_target(query)
    made = made.datasource(PROMETHEUS).unit(panel.unit).min(0)
    for number, (expression, legend) in enumerate(panel.queries):
        made = made.with_target(
            _target(expression, legend, chr(ord("A") + number), instant=panel.form is not form.LINES)
            if panel.form is not form.RUNS
            else _target(expression, legend, "A", instant=True).format(PromQueryFormat.TABLE)
        )
    return made.data_links([_link(*link) for link in _links(panel, by_deployment=by_deployment)])


def built(page: Any) -> str:  # noqa: ANN401 - a `Page` of panels.py
    """Return the JSON of one dashboard."""
    made = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags(["taxi-mlops"])
        .readonly()
        .time("now-7d", "now")
        .refresh("1m")
        .timezone("browser")
        .link(
            dashboard.DashboardLink("Dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["taxi-mlops"])
            .keep_time(True)
        )
        .with_variable(dashboard.TextBoxVariable("mlflow_url").label("MLflow").default_value("http://localhost:5000"))
        .with_variable(dashboard.TextBoxVariable("prefect_url").label("Prefect").default_value("http://localhost:4200"))
    )
    if page.by_deployment:
        made = made.with_variable(
            dashboard.QueryVariable("deployment")
            .label("Deployment")
            .datasource(PROMETHEUS)
            .query('label_values({__name__=~"taxi_build_info|taxi_flow_runs"}, deployment)')
            .include_all(True)
            .all_value(".*")
            .multi(True)
        )
    for other in page.others:
        made = made.with_variable(dashboard.TextBoxVariable(other.name).label(other.title).default_value(other.default))
        made = made.link(_link(other.title, f"${{{other.name}:raw}}"))
    for panel in page.panels:
        made = made.with_panel(_built(panel, by_deployment=page.by_deployment))
    document = json.loads(JSONEncoder().encode(made.build()))
    return json.dumps(_without_nulls(document), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - of any type
    """Remove members that are null: to Grafana they mean the same as absent ones, which it writes itself."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for page in panels.PAGES:
        (folder / f"{page.uid}.json").write_text(built(page), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards")
