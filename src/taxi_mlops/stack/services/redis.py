"""Redis: messages of Prefect, and prepared points."""

from __future__ import annotations

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.folder import StackFolder
from taxi_mlops.stack.probes import TIMEOUT_SECONDS
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

MESSAGES, DOCKET, POINTS = 0, 1, 2
"""Databases: Prefect's messages, its background work, and our points."""


class Redis(Service):
    name = "redis"

    def missing(self) -> str | None:
        return None if find_program("redis-server") else f"Redis is not installed; {INSTALL} gets it"

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program("redis-server"))

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        given = ("--port", str(stack.port(self.name)), "--bind", "127.0.0.1", "--dir", str(folder))
        return Program(
            command=(
                program("redis-server"),
                str(folder / "redis.conf"),
                *given,
                "--include",
                str(folder / "password.conf"),
            ),
            files={
                "redis.conf": stack.configuration("redis/redis.conf"),
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
    """The address of one of its databases, with the password."""
    return f"redis://:{stack.secret('redis_password')}@127.0.0.1:{stack.port(Redis.name)}/{database}"
