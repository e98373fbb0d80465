"""Alertmanager, with the receivers whose secrets are in the stack's folder."""

from __future__ import annotations

from typing import Any

import yaml

from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.service import HttpService, InstalledService, Program

WEBHOOK = "alert_webhook_url"
EMAIL = ("alert_email_to", "alert_email_from", "smtp_smarthost", "smtp_username", "smtp_password")


class Alertmanager(InstalledService, HttpService):
    name = "alertmanager"
    programs = ("prometheus-alertmanager", "alertmanager")
    health = "/-/ready"

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        return Program(
            command=(
                self.executable,
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={stack.listens_at(self.name)}",
                "--cluster.listen-address=",
            ),
            files={"alertmanager.yml": _with_receivers(stack)},
        )


def _with_receivers(stack: StackFolder) -> str:
    """Return the configuration with the webhook and e-mail receivers whose secrets exist."""
    document: dict[str, Any] = yaml.safe_load(configuration("alertmanager/alertmanager.yml"))
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
            # To a relay on this host nothing is sent over a network.
            "require_tls": given["smtp_smarthost"].rpartition(":")[0] not in ("localhost", "127.0.0.1"),
        }
        login = {"auth_username": given["smtp_username"], "auth_password": given["smtp_password"]}
        people["email_configs"] = [email | {name: value for name, value in login.items() if value}]
    return yaml.safe_dump(document, sort_keys=False)
