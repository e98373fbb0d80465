"""Alertmanager, with the receivers whose secrets are set in the stack's folder."""

from __future__ import annotations

from typing import Any

import yaml

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

_PROGRAMS = ("prometheus-alertmanager", "alertmanager")
WEBHOOK = "alert_webhook_url"
EMAIL = ("alert_email_to", "alert_email_from", "smtp_smarthost", "smtp_username", "smtp_password")


class Alertmanager(Service):
    name = "alertmanager"

    def missing(self) -> str | None:
        return None if any(map(find_program, _PROGRAMS)) else f"Alertmanager is not installed; {INSTALL} gets it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program(*_PROGRAMS))

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(
                program(*_PROGRAMS),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{stack.port(self.name)}",
                "--cluster.listen-address=",
            ),
            files={"alertmanager.yml": _with_receivers(stack)},
        )

    def address(self, stack: StackFolder) -> str:
        return f"http://127.0.0.1:{stack.port(self.name)}"

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.address(stack)}/-/ready")


def _with_receivers(stack: StackFolder) -> str:
    """The configuration with a webhook and e-mail where the stack's secrets tell of them."""
    document: dict[str, Any] = yaml.safe_load(stack.configuration("alertmanager/alertmanager.yml"))
    [people] = document["receivers"]
    webhook = stack.given_secret(WEBHOOK)
    if webhook:
        people["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    given = {name: stack.given_secret(name) for name in EMAIL}
    if given["alert_email_to"] and given["smtp_smarthost"]:
        email = {
            "to": given["alert_email_to"],
            "from": given["alert_email_from"] or given["alert_email_to"],
            "smarthost": given["smtp_smarthost"],
            "send_resolved": True,
        }
        login = {"auth_username": given["smtp_username"], "auth_password": given["smtp_password"]}
        people["email_configs"] = [email | {name: value for name, value in login.items() if value}]
    return yaml.safe_dump(document, sort_keys=False)
