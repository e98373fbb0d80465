"""The Pushgateway, which stores what runs push until Prometheus scrapes it."""

from __future__ import annotations

from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.service import HttpService, InstalledService, Program


class Pushgateway(InstalledService, HttpService):
    name = "pushgateway"
    programs = ("prometheus-pushgateway", "pushgateway")
    health = "/-/ready"

    def program(self, stack: StackFolder) -> Program:
        return Program(
            command=(
                self.executable,
                f"--web.listen-address={stack.listens_at(self.name)}",
                f"--persistence.file={stack.data(self.name) / 'metrics'}",
                "--persistence.interval=1m",
            )
        )

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"pushgateway_url": self.address(stack)}
