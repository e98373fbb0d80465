"""The Pushgateway, which keeps what runs have pushed until Prometheus comes for it."""

from __future__ import annotations

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import get
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

_PROGRAMS = ("prometheus-pushgateway", "pushgateway")
"""As Debian calls it, and as its publisher does."""


class Pushgateway(Service):
    name = "pushgateway"

    def missing(self) -> str | None:
        return None if any(map(find_program, _PROGRAMS)) else f"the Pushgateway is not installed; {INSTALL} gets it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program(*_PROGRAMS))

    def program(self, stack: StackFolder) -> Program:
        return Program(
            command=(
                program(*_PROGRAMS),
                f"--web.listen-address=127.0.0.1:{stack.port(self.name)}",
                f"--persistence.file={stack.data(self.name) / 'metrics'}",
                "--persistence.interval=1m",
            )
        )

    def address(self, stack: StackFolder) -> str:
        return f"http://127.0.0.1:{stack.port(self.name)}"

    def probe(self, stack: StackFolder) -> None:
        get(f"{self.address(stack)}/-/ready")

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"pushgateway_url": self.address(stack)}
