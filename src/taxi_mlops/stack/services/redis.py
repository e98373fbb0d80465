"""Redis: Prefect's messages, and the cache of prepared points."""

from __future__ import annotations

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import TIMEOUT_SECONDS
from taxi_mlops.stack.service import InstalledService, Program

MESSAGES, DOCKET, POINTS = 0, 1, 2
"""Database numbers: Prefect's messages, its background work, and our points."""


class Redis(InstalledService):
    name = "redis"
    programs = ("redis-server",)

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        given = ("--port", str(stack.port(self.name)), "--bind", "127.0.0.1", "--dir", str(folder))
        return Program(
            command=(
                self.executable,
                str(folder / "redis.conf"),
                *given,
                "--include",
                str(folder / "password.conf"),
            ),
            files={
                "redis.conf": configuration("redis/redis.conf"),
                "password.conf": f"requirepass {stack.secret('redis_password')}\n",
            },
        )

    def probe(self, stack: StackFolder) -> None:
        import redis

        try:
            with redis.Redis.from_url(
                redis_url(stack, POINTS), socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
            ) as client:
                client.ping()
        except redis.RedisError as error:
            raise ServiceError(str(error)) from None

    def settings(self, stack: StackFolder) -> dict[str, object]:
        return {"redis_url": redis_url(stack, POINTS)}


def redis_url(stack: StackFolder, database: int) -> str:
    """Return the URL of one of its databases, with the password."""
    return f"redis://:{stack.secret('redis_password')}@{stack.listens_at(Redis.name)}/{database}"
