"""The receivers of Alertmanager: from secret files of the stack, and from the environment of its container."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from taxi_mlops.stack.folder import StackFolder, write_private
from taxi_mlops.stack.services.alertmanager import Alertmanager

DEPLOY = Path(__file__).parents[3] / "deploy"
GIVEN = {
    "alert_webhook_url": "https://hooks.example.org/T0/secret-token",
    "alert_email_to": "lab@example.org",
    "alert_email_from": "taxi@example.org",
    "smtp_smarthost": "smtp.example.org:587",
    "smtp_username": "taxi",
    "smtp_password": "se'cr\"et: {x}",
}


@pytest.fixture
def program() -> str:
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found is None:
        pytest.skip("Alertmanager is not installed; deploy/native/install.sh gets it")
    return found


def receivers(text: str) -> dict[str, Any]:
    [people] = yaml.safe_load(text)["receivers"]
    return people


def configuration(tmp_path: Path, **secrets: str) -> str:
    stack = StackFolder(tmp_path / "stack")
    stack.make()
    for name, value in secrets.items():
        write_private(stack.path / "secrets" / name, value + "\n")
    made = Alertmanager().program(stack)
    assert not [value for value in secrets.values() if value in " ".join(made.command)]
    return made.files["alertmanager.yml"]


def test_no_alert_is_sent_without_a_receiver(tmp_path: Path, program: str) -> None:
    assert receivers(configuration(tmp_path)) == {"name": "people"}


def test_receivers_are_those_of_the_secret_files(tmp_path: Path, program: str) -> None:
    text = configuration(tmp_path, **GIVEN)
    people = receivers(text)
    assert people["webhook_configs"] == [{"url": GIVEN["alert_webhook_url"], "send_resolved": True}]
    [email] = people["email_configs"]
    assert (email["to"], email["from"], email["smarthost"]) == (
        "lab@example.org",
        "taxi@example.org",
        "smtp.example.org:587",
    )
    assert email["require_tls"]
    assert (email["auth_username"], email["auth_password"]) == ("taxi", GIVEN["smtp_password"])
    path = tmp_path / "alertmanager.yml"
    path.write_text(text, encoding="utf-8")
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is not installed")
    done = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_container_takes_them_from_its_environment_and_keeps_secrets_in_files(tmp_path: Path) -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["alertmanager"]
    *_, script = service["entrypoint"]
    script = script.replace("$$", "$").replace("/etc/alertmanager", str(DEPLOY / "alertmanager"))
    script = script.replace("/run/alertmanager", str(tmp_path))
    script = script.replace("exec alertmanager", "exec echo")
    environment = {name.upper(): value for name, value in GIVEN.items()} | {"PATH": "/usr/bin:/bin"}
    assert set(environment) - {"PATH"} == set(service["environment"])
    subprocess.run(["sh", "-eu", "-c", script], check=True, env=environment, stdout=subprocess.DEVNULL)
    text = (tmp_path / "alertmanager.yml").read_text(encoding="utf-8")
    people = receivers(text)
    [webhook], [email] = people["webhook_configs"], people["email_configs"]
    assert Path(webhook["url_file"]).read_text(encoding="utf-8") == GIVEN["alert_webhook_url"]
    assert Path(email["auth_password_file"]).read_text(encoding="utf-8") == GIVEN["smtp_password"]
    assert (email["to"], email["smarthost"]) == ("lab@example.org", "smtp.example.org:587")
    assert "secret-token" not in text
    assert GIVEN["smtp_password"] not in text
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
