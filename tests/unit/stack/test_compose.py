"""deploy/compose.yaml as the Compose program itself reads it. No container is started: there may be no engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from taxi_mlops.stack.services import SERVICES
from taxi_mlops.stack.services.prometheus import TARGETS

REPOSITORY = Path(__file__).parents[3]
DEPLOY = REPOSITORY / "deploy"
ONCE = {"postgres-bootstrap", "bucket-setup", "migrations", "setup"}
STORES = {"postgres", "redis", "minio"}
UNASKED = {"process-exporter"}
"""There is nothing in its image that could ask it how it is."""
CALLED = {"postgresql": "postgres", "object-store": "minio"}
"""What services of plain processes are called here, where that is not the same."""
CONTAINERS_ALONE = {"grafana", "alloy"}
"""Of the one there is no package; the other reads what containers say."""


def compose():
    """The Compose program: of this environment, whose own command would hide its exit code, or Docker's plugin."""
    if package := find_spec("compose"):
        return [str(Path(package.submodule_search_locations[0]) / "docker-compose")]
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], check=False).returncode:
        return ["docker", "compose"]
    pytest.skip("the Compose program is not installed: it is in the group lint")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of deploy/ with secrets of its own."""
    folder = tmp_path_factory.mktemp("repository") / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns(".env"))
    subprocess.run(["sh", str(folder / "make-secrets.sh")], check=True)
    return folder


@pytest.fixture(scope="module")
def document(folder):
    command = [*compose(), "--file", str(folder / "compose.yaml"), "config", "--format", "json"]
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    result = subprocess.run(command, capture_output=True, text=True, env=bare, check=False)
    assert result.returncode == 0, result.stderr
    assert "warn" not in result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def services(document):
    return document["services"]


def secrets(folder):
    return dict(line.split("=") for line in (folder / ".env").read_text().splitlines())


def test_secrets_are_made_once_and_are_nobody_elses(folder):
    before = secrets(folder)
    assert len(set(before.values())) == len(before) == 14
    assert all(re.fullmatch(r"[0-9a-f]{32}", value) for value in before.values())
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    (folder / ".env").write_text("REDIS_PASSWORD=mine\n")
    subprocess.run(["sh", str(folder / "make-secrets.sh")], check=True)
    after = secrets(folder)
    assert after["REDIS_PASSWORD"] == "mine"
    assert set(after) == set(before)


def test_make_makes_secrets_before_it_starts_containers():
    command = ["make", "--dry-run", "--no-print-directory", "stack-up"]  # the tests themselves run under make
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    first, second, *_ = result.stdout.splitlines()
    assert first == "sh deploy/make-secrets.sh"
    assert second == "docker compose --file deploy/compose.yaml up --build --detach"


def test_no_secret_stands_in_a_file():
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name != ".env" and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?i)(password|secret_key|secret)\s*[:=]\s*[\"']?[\w-]{6,}[\"']?\s*$", text, re.M), (
                path
            )


def test_without_any_one_of_its_secrets_nothing_starts(folder, tmp_path):
    there = tmp_path / "deploy"
    shutil.copytree(folder, there)
    subprocess.run(["sh", str(there / "make-secrets.sh")], check=True)
    lines = (there / ".env").read_text().splitlines()
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [*compose(), "--file", str(there / "compose.yaml"), "config", "--quiet"]
    for missing in lines:
        (there / ".env").write_text("\n".join(line for line in lines if line != missing))
        result = subprocess.run(command, capture_output=True, text=True, env=bare, check=False)
        assert result.returncode
        assert f"{missing.partition('=')[0]} is missing a value: make stack-up makes it" in result.stderr


def test_no_secret_is_on_a_command_line(services, folder):
    for name, service in services.items():
        commands = json.dumps([service.get("command"), service.get("healthcheck"), service.get("entrypoint")])
        assert not [secret for secret in secrets(folder).values() if secret in commands], name


def test_images_are_pinned(services):
    for name, service in services.items():
        assert re.search(r":[^:]*\d[^:]*$", service["image"]), f"{name}: {service['image']}"
        assert "latest" not in service["image"], name


def test_services_are_confined(services):
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["mem_limit"]) > 0, name
        assert float(service["cpus"]) > 0, name
        assert not service.get("privileged"), name
        assert not service.get("secrets"), f"{name}: Compose copies none into a container that is read-only"


def test_only_loopback_is_published_and_data_stores_not_at_all(document, services):
    assert document["networks"]["data"]["internal"]
    for name, service in services.items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ())), name
    for name in STORES:
        assert not services[name].get("ports"), name
        assert set(services[name]["networks"]) == {"data"}, name


def test_no_service_has_a_way_to_the_internet_but_that_which_sends_alerts(document, services):
    networks = document["networks"]
    assert {name for name, network in networks.items() if network.get("internal")} == {"data", "services", "cluster"}
    assert networks["pages"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    assert {name for name, service in services.items() if "internet" in service["networks"]} == {"alertmanager"}
    for name, service in services.items():
        assert bool(service.get("ports")) == bool(service["networks"].keys() & {"pages", "internet"}), name


def test_each_service_runs_on_or_once_and_waits_for_what_it_needs(services):
    for name, service in services.items():
        if name in ONCE:
            assert service["restart"] == "on-failure:5", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert name in UNASKED or service["healthcheck"]["test"], name
        for needed, how in service.get("depends_on", {}).items():
            condition = "service_completed_successfully" if needed in ONCE else "service_healthy"
            assert how["condition"] == condition, f"{name} needs {needed}"


def test_containers_and_plain_processes_are_the_same_services_and_are_scraped_alike(services, folder):
    command = [*compose(), "--file", str(folder / "compose.yaml"), "--profile", "*", "config", "--services"]
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    names = set(subprocess.run(command, capture_output=True, text=True, env=bare, check=True).stdout.split())
    native = {CALLED.get(service.name, service.name) for service in SERVICES}
    assert names - ONCE - CONTAINERS_ALONE == native
    targets = yaml.safe_load((DEPLOY / "prometheus" / "targets" / "services.yml").read_text(encoding="utf-8"))
    scraped = {target["labels"]["job"] for target in targets} | {job["job_name"] for job in found_by_dns()}
    assert scraped - CONTAINERS_ALONE == {labels["job"] for labels in TARGETS.values()} | {"object-store"}


def found_by_dns():
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    return [job for job in configuration["scrape_configs"] if "dns_sd_configs" in job]


def test_all_of_ours_is_one_image(services):
    """Of the version of this package, so that an upgrade builds a new one."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    built = {name: service["image"] for name, service in services.items() if "build" in service}
    assert built.keys() >= {"prefect-server", "prefect-worker", "mlflow", "migrations", "bucket-setup", "setup"}
    assert set(built.values()) == {f"taxi-mlops:{project['version']}"}


def test_data_lie_in_named_volumes(services):
    for name in STORES:
        assert "volume" in {mount["type"] for mount in services[name]["volumes"]}, name


def test_workers_can_be_several_and_each_is_scraped(services):
    worker = services["prefect-worker"]
    assert "container_name" not in worker
    assert not worker.get("ports")
    [job] = [job for job in found_by_dns() if job["job_name"] == "prefect-worker"]
    assert job["dns_sd_configs"] == [{"names": ["prefect-worker"], "type": "A", "port": 9465}]
    assert "0.0.0.0:9465" in worker["command"]
    assert set(worker["networks"]) & set(services["prometheus"]["networks"])


def test_prometheus_finds_its_password_in_a_file(services, folder, tmp_path):
    prometheus = services["prometheus"]
    assert prometheus["tmpfs"] == ["/etc/prometheus/secrets:mode=1777"]
    [shell, option, script] = prometheus["entrypoint"]
    script = script.replace("$$", "$").replace("/etc/prometheus/secrets", str(tmp_path))
    script = script.replace("exec prometheus", "exit; #")
    subprocess.run([shell, option, script], check=True, env={"PATH": os.environ["PATH"], **prometheus["environment"]})
    [password] = tmp_path.iterdir()
    assert password.read_text(encoding="utf-8") == secrets(folder)["PREFECT_PASSWORD"]
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    asked = [job["basic_auth"]["password_file"] for job in configuration["scrape_configs"] if "basic_auth" in job]
    assert asked == [f"secrets/{password.name}"]


@pytest.mark.parametrize("sender", ["", "taxi@example.org"])
def test_alerts_go_where_the_environment_says_and_secrets_into_files(services, tmp_path, sender):
    environment = {
        "ALERT_WEBHOOK_URL": "http://example.org/s3cr3t",
        "ALERT_EMAIL_TO": "lab@example.org",
        "ALERT_EMAIL_FROM": sender,
        "SMTP_SMARTHOST": "mail.example.org:587",
        "SMTP_USERNAME": "taxi",
        "SMTP_PASSWORD": "p4ssw0rd",
    }
    assert set(environment) == set(services["alertmanager"]["environment"])
    [shell, option, script] = services["alertmanager"]["entrypoint"]
    script = (
        script.replace("$$", "$").replace("/run/alertmanager", str(tmp_path)).replace("exec alertmanager", "exit; #")
    )
    script = script.replace("/etc/alertmanager", str(DEPLOY / "alertmanager"))
    subprocess.run([shell, option, script], check=True, env={"PATH": os.environ["PATH"], **environment})
    [people] = yaml.safe_load((tmp_path / "alertmanager.yml").read_text(encoding="utf-8"))["receivers"]
    [webhook], [mail] = people["webhook_configs"], people["email_configs"]
    assert Path(webhook["url_file"]).read_text(encoding="utf-8") == environment["ALERT_WEBHOOK_URL"]
    assert Path(mail.pop("auth_password_file")).read_text(encoding="utf-8") == environment["SMTP_PASSWORD"]
    assert mail == {
        "to": "lab@example.org",
        "from": sender or "lab@example.org",
        "smarthost": "mail.example.org:587",
        "send_resolved": True,
        "auth_username": "taxi",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_nobody_enters_grafana_without_the_password_that_was_made(services, folder):
    environment = services["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == secrets(folder)["GRAFANA_PASSWORD"]
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_what_is_mounted_is_there_and_what_is_packaged_too(services):
    for name, service in services.items():
        for mount in service.get("volumes", ()):
            assert mount["type"] == "volume" or Path(mount["source"]).is_file() or Path(mount["source"]).is_dir(), name
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    packaged = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source in packaged:
        assert (REPOSITORY / source).is_dir(), source
    read = set()
    for path in (REPOSITORY / "src" / "taxi_mlops" / "stack").rglob("*.py"):
        read |= set(re.findall(r"\"(\w+)/[\w./-]+\.\w+\"", path.read_text(encoding="utf-8")))
    assert read
    assert {f"deploy/{name}" for name in read if (DEPLOY / name).is_dir()} <= set(packaged)


def test_images_are_built_in_stages_from_bases_with_versions_and_run_as_nobody():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    bases = dict(re.findall(r"^ARG (BASE|UV)=(.*)$", text, re.M))
    assert bases.keys() == {"BASE", "UV"}
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases.values())
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.M)
    assert len(stages) == text.count("\nFROM ")
    names = {name for _, name in stages}
    assert {source for source, _ in stages} - names == {"${UV}", "${BASE}", "scratch"}
    assert stages[-2:] == [("runtime", "compare"), ("runtime", "platform")]  # the last one is built without --target
    runtime = text.partition(" AS runtime\n")[2]
    assert re.search(r"^USER 10001", runtime, re.M)
    assert not re.search(r"^RUN ", runtime, re.M)


def test_the_bill_of_materials_lists_distributions_and_packages_of_debian(tmp_path):
    packages = tmp_path / "environment" / "lib" / "python3.11" / "site-packages"
    (packages / "tested" / "tests").mkdir(parents=True)
    (packages / "tested" / "include").mkdir()
    (packages / "tested" / "include" / "__init__.py").touch()
    information = packages / "tested-1.2.dist-info"
    information.mkdir()
    lines = ("Metadata-Version: 2.4", "Name: Tested", "Version: 1.2", "License-Expression: MIT", "")
    (information / "METADATA").write_text("\n".join(lines))
    status = tmp_path / "status"
    status.write_text(
        "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9+deb12u10\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    command = [sys.executable, DEPLOY / "image" / "finish.py", tmp_path / "environment", status]
    subprocess.run(command, check=True, capture_output=True)
    assert not (packages / "tested" / "tests").exists()
    assert (packages / "tested" / "include").exists()
    document = json.loads((tmp_path / "environment" / "sbom.spdx.json").read_text(encoding="utf-8"))
    assert document["spdxVersion"] == "SPDX-2.3"
    root, python, tested, libc = document["packages"]
    assert (root["name"], python["name"]) == ("taxi-mlops", "python")
    assert (tested["name"], tested["versionInfo"], tested["licenseDeclared"]) == ("Tested", "1.2", "MIT")
    assert tested["externalRefs"][0]["referenceLocator"] == "pkg:pypi/tested@1.2"
    assert libc["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10"
    related = {(one["relationshipType"], one["relatedSpdxElement"]) for one in document["relationships"]}
    assert related == {("DESCRIBES", root["SPDXID"]), *(("CONTAINS", one["SPDXID"]) for one in (python, tested, libc))}
    assert len({one["SPDXID"] for one in document["packages"]}) == 4
