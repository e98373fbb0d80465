"""The way of an alert: a service is killed, the webhook and a mailbox hear of it, and of its return."""

from __future__ import annotations

import json
import socket
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest


class Webhook(ThreadingHTTPServer):
    """Keeps the alerts that it receives."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.alerts = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def received(self, status, name, **labels):
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


class Mailbox:
    """Takes mail by SMTP. logins: user and password of each session that logged in."""

    def __init__(self):
        self.subjects, self.logins = [], []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd looks for this name
        self.subjects.append(message_from_bytes(envelope.content)["Subject"])
        return "250 OK"

    def authenticate(self, _server, _session, _envelope, _mechanism, login):
        from aiosmtpd.smtp import AuthResult

        self.logins.append((login.login.decode(), login.password.decode()))
        return AuthResult(success=True)


@pytest.fixture
def mailbox():
    controller = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is in the group test")
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        mailbox.port = free.getsockname()[1]
    server = controller.Controller(
        mailbox,
        "127.0.0.1",
        mailbox.port,
        authenticator=mailbox.authenticate,
        auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],  # its questions are not in the usual words
    )
    server.start()
    yield mailbox
    server.stop()


def test_a_killed_service_and_its_return_are_sent_to_webhook_and_mail(
    own_services, webhook, mailbox, shorten, wait_until, ask
):
    from taxi_mlops.stack.folder import write_private
    from taxi_mlops.stack.supervision import Supervisor

    services = own_services("pushgateway")
    folder = services.stack.folder
    secrets = {
        "alert_webhook_url": webhook.url,
        "alert_email_to": "lab@example.org",
        "smtp_smarthost": f"127.0.0.1:{mailbox.port}",
        "smtp_username": "taxi",
        "smtp_password": "s3cr3tw0rd",
    }
    for name, value in secrets.items():
        write_private(folder.path / "secrets" / name, value)
    services.up("alertmanager", "prometheus")
    configuration = folder.data("alertmanager") / "alertmanager.yml"
    assert webhook.url in configuration.read_text(encoding="utf-8")
    assert configuration.stat().st_mode & 0o077 == 0
    shorten(services)
    asked = ask(services)
    wait_until(lambda: asked.targets().get("pushgateway") == "up", "the Pushgateway is scraped")

    supervisor = Supervisor(folder)
    supervisor.stop("pushgateway")
    [alert, *_] = wait_until(lambda: webhook.received("firing", "ServiceDown", job="pushgateway"), "the alert arrives")
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "pushgateway does not answer"
    assert alert["annotations"]["runbook"] == "docs/how-to/runbooks/service-down.md"
    assert not webhook.received("resolved", "ServiceDown", job="pushgateway")
    wait_until(lambda: any("FIRING" in subject and "ServiceDown" in subject for subject in mailbox.subjects), "a mail")
    assert set(mailbox.logins) == {("taxi", "s3cr3tw0rd")}

    supervisor.start("pushgateway")
    wait_until(lambda: webhook.received("resolved", "ServiceDown", job="pushgateway"), "the end of it arrives")
    wait_until(lambda: any("RESOLVED" in subject for subject in mailbox.subjects), "a mail of its end")


def test_a_store_that_is_down_silences_what_follows_from_it(own_services, wait_until):
    folder = own_services("alertmanager").stack.folder
    address = f"http://127.0.0.1:{folder.port('alertmanager')}/api/v2/alerts"
    alerts = {
        "DatabaseDown": {"severity": "critical", "service": "experiment_store"},
        "RunFailed": {"severity": "warning", "deployment": "nightly"},
        "DiskFull": {"severity": "critical", "mountpoint": "/"},
    }
    received = [{"labels": {"alertname": name, **labels}} for name, labels in alerts.items()]
    assert httpx.post(address, json=received).is_success

    def states():
        found = {alert["labels"]["alertname"]: alert["status"]["state"] for alert in httpx.get(address).json()}
        return found if len(found) == len(alerts) and "unprocessed" not in found.values() else None

    assert wait_until(states, "all alerts are looked at") == {
        "DatabaseDown": "active",
        "RunFailed": "suppressed",
        "DiskFull": "active",
    }
