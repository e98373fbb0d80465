"""The way of an alert: a service is killed, the webhook hears of it, and of its return."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Webhook(ThreadingHTTPServer):
    """Keeps the alerts that it is told."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.alerts = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def told(self, status, name, **labels):
        return [
            alert
            for alert in list(self.alerts)
            if alert["status"] == status and {**alert["labels"], "alertname": name, **labels} == alert["labels"]
        ]


class Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self):
        self.server.alerts += json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing on standard error."""


@pytest.fixture
def webhook():
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_service_that_is_killed_is_told_to_the_webhook_and_its_return_too(
    own_services, webhook, shorten, wait_until, ask
):
    from taxi_mlops.stack.folder import write_private
    from taxi_mlops.stack.supervision import Supervisor

    services = own_services("pushgateway")
    folder = services.stack.folder
    write_private(folder.path / "secrets" / "alert_webhook_url", webhook.url)
    services.up("alertmanager", "prometheus")
    configuration = folder.data("alertmanager") / "alertmanager.yml"
    assert webhook.url in configuration.read_text(encoding="utf-8")
    assert configuration.stat().st_mode & 0o077 == 0
    shorten(services)
    asked = ask(services)
    wait_until(lambda: asked.targets().get("pushgateway") == "up", "the Pushgateway is scraped")

    supervisor = Supervisor(folder)
    supervisor.stop("pushgateway")
    [alert, *_] = wait_until(lambda: webhook.told("firing", "ServiceDown", job="pushgateway"), "the alert arrives")
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "pushgateway does not answer"
    assert alert["annotations"]["runbook"] == "docs/runbooks/service-down.md"
    assert not webhook.told("resolved", "ServiceDown", job="pushgateway")

    supervisor.start("pushgateway")
    wait_until(lambda: webhook.told("resolved", "ServiceDown", job="pushgateway"), "the end of it arrives")
