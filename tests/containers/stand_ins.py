"""Images in place of those that compose.yaml names, made of Debian's packages and the programs on this machine.

Each has the publisher's name, tag, user, folders and entry point; what is inside may be of another version. The entry
point of PostgreSQL does what that of its publisher does for our configuration. `missing` names the images for which
there is no program here: Grafana always, Loki and Jaeger where `deploy/native/build-go-program.sh` was not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml
from podman_engine import Podman

REPOSITORY = Path(__file__).parents[2]
SOURCES = Path(__file__).parent / "stand_ins"
COMPOSE = REPOSITORY / "deploy" / "compose.yaml"
BASE = "localhost/taxi-stand-ins/python:bookworm"
UV = "localhost/taxi-stand-ins/uv"
BUILT = {"minio": "minio", "loki": "loki", "jaeger": "jaeger"}
"""Services whose program is taken from this machine, with its name on the PATH."""
_SUITE = "bookworm"


def images() -> dict[str, str]:
    """The image of each service of compose.yaml that is not ours, with its full name."""
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return {name: _full_name(one["image"]) for name, one in services.items() if "taxi-mlops" not in one["image"]}


def missing() -> set[str]:
    """The services that cannot be started here, since there is no program for their image."""
    return {"grafana", "alloy"} | {service for service, program in BUILT.items() if _program(program) is None}


def make_base(podman: Podman) -> None:
    """Make Debian with Python, and an image with uv, which the Dockerfile starts from."""
    if not podman.has(BASE):
        with tempfile.TemporaryDirectory(prefix="taxi-debian-") as root:
            command = ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3", _SUITE, root, _mirror()]
            podman.call(*command, seconds=600)
            podman.call("sh", "-c", f"rm -rf {root}/var/cache/apt/archives/*.deb {root}/var/lib/apt/lists/*")
            podman.call("sh", "-c", f"tar -C {root} -c . | podman import - {BASE}", seconds=300)
    with tempfile.TemporaryDirectory(prefix="taxi-uv-") as context:
        shutil.copy(_uv(), Path(context) / "uv")
        (Path(context) / "Containerfile").write_text("FROM scratch\nCOPY uv /uv\n", encoding="utf-8")
        podman.call("buildah", "build", "--layers", f"--tag={UV}", context)


def make_stand_ins(podman: Podman) -> None:
    """Make the images under their publishers' names, but those that are `missing`."""
    make_base(podman)
    absent = missing()
    certificates = "--volume=/etc/ssl/certs:/run/certificates:ro"  # of this machine; packages write to /etc/ssl/certs
    with tempfile.TemporaryDirectory(prefix="taxi-stand-ins-") as folder:
        context = Path(shutil.copytree(SOURCES, Path(folder) / "context"))
        (context / "programs").mkdir()
        for program in BUILT.values():
            if found := _program(program):
                shutil.copy(found, context / "programs" / program)
        for service, image in images().items():
            if service not in absent and service != "postgres-bootstrap":
                podman.build(context, context / "Containerfile", image, service, {"BASE": BASE}, certificates)


def _full_name(image: str) -> str:
    first, slash, _ = image.partition("/")
    if slash and "." in first:
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=str(Path.home() / "go" / "bin"))


def _uv() -> str:
    beside = REPOSITORY / os.environ.get("VENV", ".venv") / "bin" / "uv"
    found = str(beside) if beside.is_file() else shutil.which("uv")
    assert found, "uv is neither in the environment nor on the PATH"
    return found


def _mirror() -> str:
    """The mirror of Debian that this machine's apt is set to."""
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        _, address, release = line.split(" ", 2)
        if release.strip() == _SUITE and address.rstrip("/").endswith("/debian"):
            return address
    raise AssertionError(f"apt of this machine knows no mirror of Debian {_SUITE}")
