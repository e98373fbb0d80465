"""Take the screenshots of the documentation, in the chromium of the system.

python docs/scripts/screenshots.py report RUN_FOLDER
python docs/scripts/screenshots.py services STACK_FOLDER   (a running stack, after a comparison by `taxi run`)
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from urllib.parse import quote

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from taxi_mlops.settings import Settings, load_settings

PICTURES = Path(__file__).resolve().parent.parent / "pictures"
WIDTH, HEIGHT = 1440, 900
QUERIES = ("sort(taxi_adapter_median_fit_seconds)", "taxi_last_run_info")
WITHOUT_ASSISTANT = {"x": 0, "y": 0, "width": 1068, "height": HEIGHT}
"""MLflow opens a panel to talk to a language model beside each run."""
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader"]  # Prefect draws with WebGL, here without a graphics card
SETTLED_MILLISECONDS = 8000


@contextmanager
def opened(
    browser: Browser, address: str, *, stored: dict[str, str] | None = None, **context: object
) -> Iterator[Page]:
    """Open a page, with what its site finds in the local storage, and wait until it is drawn."""
    window = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", **context)
    for name, value in (stored or {}).items():
        window.add_init_script(f"localStorage.setItem({json.dumps(name)}, {json.dumps(value)})")
    page = window.new_page()
    page.goto(address)
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    yield page
    window.close()


def report(browser: Browser, run: Path) -> None:
    """Take the first screen of a report."""
    with opened(browser, (run / "report.html").resolve().as_uri()) as page:
        page.screenshot(path=PICTURES / "report.png")


def services(browser: Browser, stack: Path) -> None:
    """Take the newest comparison in the pages of Prefect, MLflow and Prometheus."""
    settings = load_settings()
    ports = json.loads((stack / "ports.json").read_text(encoding="utf-8"))
    prefect(browser, settings)
    mlflow(browser, settings, f"http://127.0.0.1:{ports['prometheus/main']}")
    prometheus(browser, f"http://127.0.0.1:{ports['prometheus/main']}")


def prefect(browser: Browser, settings: Settings) -> None:
    """Take the flow run of the newest comparison."""
    api = str(settings.prefect_api_url)
    secret = settings.prefect_api_auth.get_secret_value() if settings.prefect_api_auth else ""
    flows = httpx.post(
        f"{api}/flow_runs/filter",
        auth=tuple(secret.split(":", 1)) if secret else None,
        json={"sort": "START_TIME_DESC", "limit": 1, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}},
    )
    address = f"{api.removesuffix('/api')}/runs/flow-run/{flows.raise_for_status().json()[0]['id']}"
    stored = {"prefect-password": base64.b64encode(secret.encode()).decode()}
    with opened(browser, address, stored=stored) as page:
        page.screenshot(path=PICTURES / "prefect-run.png")


def mlflow(browser: Browser, settings: Settings, prometheus: str) -> None:
    """Take the newest run and its report, at the address that its metrics name."""
    found = httpx.get(f"{prometheus}/api/v1/query", params={"query": QUERIES[1]}).raise_for_status().json()
    server = settings.mlflow_uri.get_secret_value() if settings.mlflow_uri else ""
    run = f"{server}/#/{found['data']['result'][0]['metric']['mlflow_page']}"
    password = settings.mlflow_password.get_secret_value() if settings.mlflow_password else ""
    user = {"username": settings.mlflow_username or "", "password": password}
    for address, name in ((run, "mlflow-run"), (f"{run}/artifacts/report.html", "report-in-mlflow")):
        with opened(browser, address, http_credentials=user) as page:
            page.screenshot(path=PICTURES / f"{name}.png", clip=WITHOUT_ASSISTANT)


def prometheus(browser: Browser, address: str) -> None:
    """Take the queries that lead from a value to a run."""
    panels = "&".join(f"g{number}.expr={quote(query)}&g{number}.tab=1" for number, query in enumerate(QUERIES))
    with opened(browser, f"{address}/graph?{panels}") as page:
        page.screenshot(path=PICTURES / "prometheus.png")


def main(what: str, folder: str) -> None:
    """Take the pictures of a run, or of the services."""
    browser_path = which("chromium") or which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        {"report": report, "services": services}[what](browser, Path(folder))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
