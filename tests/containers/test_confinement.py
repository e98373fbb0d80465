"""What containers can do and reach, seen from inside them."""

from __future__ import annotations

import json
import re

import pytest
from platform_in_containers import COMPARE, OURS, Platform
from podman_engine import Podman

pytestmark = pytest.mark.timeout(1800)

INSIDE = """
grep -E '^(CapEff|NoNewPrivs):' /proc/self/status
(echo x > /should-not-be) 2>/dev/null && echo written
"""
POSTGRES_CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 6 | 1 << 7
"""CHOWN, DAC_OVERRIDE, FOWNER, SETGID, SETUID."""
REACH = """
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        print("reached", place)
    except OSError as error:
        print("not", place, type(error).__name__)
"""
PACKAGE_MANAGERS_AND_COMPILERS = "apt apt-get dpkg pip pip3 uv conda gcc g++ cc c++ clang ld as make perl"


def test_no_container_has_capabilities_new_privileges_or_a_root_to_write_to(platform: Platform) -> None:
    for name in platform.services.keys() - platform.once:
        said = platform.podman.run("exec", "--user", "0", platform.container(name), "sh", "-c", INSIDE, check=False)
        found = dict(re.findall(r"^(\w+):\s+(\w+)$", said, re.M))
        assert int(found["CapEff"], 16) == (POSTGRES_CAPABILITIES if name == "postgres" else 0), name
        assert found["NoNewPrivs"] == "1", name
        assert "written" not in said, name


def test_limits_of_memory_are_those_of_the_file(platform: Platform) -> None:
    limits = {platform.service(one): one["HostConfig"]["Memory"] for one in platform.containers()}
    assert all(limit > 0 for limit in limits.values()), limits


def test_databases_and_stores_are_out_of_reach_of_those_that_do_not_need_them(platform: Platform) -> None:
    addresses = {}
    for one in platform.containers():
        for network, there in one["NetworkSettings"]["Networks"].items():
            addresses[platform.service(one), network] = there["IPAddress"]
    stores = [("postgres", 5432), ("redis", 6379), ("minio", 9000)]
    places = [f"{name}:{port}" for name, port in stores]
    places += [f"{addresses[name, 'taxi-mlops_data']}:{port}" for name, port in stores]
    options = [f"--network={name}" for name in networks_of(platform, "grafana")]
    said = platform.podman.run("run", "--rm", *options, OURS, "python", "-c", REACH, *places)
    assert said.count("not ") == len(places), said
    assert "reached" not in said
    # The same question where they are to be reached.
    said = platform.execute("prefect-worker", "python", "-c", REACH, *places)
    assert said.count("reached") == len(places), said


def test_only_what_has_pages_or_sends_alerts_has_a_way_out(platform: Platform) -> None:
    """What those with pages may reach, Docker decides by an option of their network that Podman does not know."""
    for name, service in platform.services.items():
        if name not in platform.once:
            routes = platform.podman.run("exec", platform.container(name), "cat", "/proc/net/route").splitlines()[1:]
            has_default = any(line.split()[1] == "00000000" for line in routes)
            assert has_default == ("ports" in service), name


def networks_of(platform: Platform, service: str) -> list[str]:
    """The networks that the file gives a service, which need not be one that can be started here."""
    document = json.loads(platform.compose("config", "--format", "json"))
    return [f"taxi-mlops_{name}" for name in document["services"][service]["networks"]]


def test_no_secret_is_in_logs_commands_labels_or_images(platform: Platform) -> None:
    containers = platform.containers()
    for one in containers:
        config = {key: kept for key, kept in one["Config"].items() if key != "Env"}
        shown = json.dumps([config, one["Args"], one["HostConfig"]])
        log = platform.logs(platform.service(one))
        for name, secret in platform.secrets.items():
            assert secret not in shown, (one["Name"], name)
            assert secret not in log, (one["Name"], name)
    images = json.dumps(platform.podman.inspect(OURS, COMPARE, kind="image"))
    assert not [name for name, secret in platform.secrets.items() if secret in images]


@pytest.mark.parametrize("image", [OURS, COMPARE])
def test_an_image_has_no_package_manager_no_compiler_and_starts_at_once(images: Podman, image: str) -> None:
    script = f"""
        command -v {PACKAGE_MANAGERS_AND_COMPILERS.replace(" ", "; command -v ")}
        id -u; python -m haversine_dbscan warm; taxi --version; find / -xdev -name '.env*' -type f 2>/dev/null
        cat /app/.venv/sbom.spdx.json
    """
    said = images.run(
        "run", "--rm", "--read-only", "--cap-drop=all", "--tmpfs=/tmp", "--network=none", image, "sh", "-c", script
    )
    number, warmed, version, document = said.split("\n", 3)
    assert number == "10001"
    assert warmed.startswith("0 functions compiled"), warmed
    materials = json.loads(document)
    assert version.split()[-1] == materials["packages"][0]["versionInfo"]
    names = {one["name"] for one in materials["packages"]}
    assert {"numba", "libc6", "python"} <= names
    assert ("prefect" in names) == (image == OURS)
    [config] = images.inspect(image, kind="image")
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "MIT"
    assert config["Labels"]["org.opencontainers.image.version"] == version.split()[-1]
