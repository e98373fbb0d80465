"""PostgreSQL, with a role and a database each for Prefect, MLflow and the experiment store."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from taxi_mlops.errors import ServiceError
from taxi_mlops.stack.configuration import configuration
from taxi_mlops.stack.folder import StackFolder, write_private
from taxi_mlops.stack.programs import INSTALL, find_program, program, program_version
from taxi_mlops.stack.service import Program, Service

if TYPE_CHECKING:
    import psycopg

ADMINISTRATOR = "postgres"
ACCOUNT = "postgres"
"""The user that root runs PostgreSQL as."""
_PROBE_SECONDS = 5
_INITDB_SECONDS = 120
_BOOTSTRAP_SECONDS = 60


class Postgresql(Service):
    name = "postgresql"

    def missing(self) -> str | None:
        return missing_postgresql()

    def version(self, stack: StackFolder) -> str:  # noqa: ARG002
        return program_version(program("postgres"))

    def prepare(self, stack: StackFolder) -> None:
        folder = stack.data(self.name)
        give_to_account(folder)
        if (folder / "data" / "PG_VERSION").is_file():
            return
        self._initialise(folder, database_password(stack, ADMINISTRATOR))

    def _initialise(self, folder: Path, password: str) -> None:
        """Create the data folder, whole or not at all."""
        draft, password_file = folder / "draft", folder / "password"
        shutil.rmtree(draft, ignore_errors=True)
        write_private(password_file, password)
        give_to_account(password_file)
        options = ("-U", ADMINISTRATOR, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8")
        try:
            done = subprocess.run(  # noqa: S603 - a program that we found ourselves
                [program("initdb"), "-D", str(draft), "--pwfile", str(password_file), *options],
                **as_account(),
                cwd="/",
                capture_output=True,
                text=True,
                timeout=_INITDB_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"PostgreSQL's initdb took more than {_INITDB_SECONDS} s in {draft}") from None
        finally:
            password_file.unlink()
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            hint = (
                f"; as root it runs as the user {ACCOUNT}, who must be able to enter {folder}"
                if os.geteuid() == 0
                else ""
            )
            raise ServiceError(f"PostgreSQL's initdb failed: {said}{hint}")
        draft.rename(folder / "data")

    def program(self, stack: StackFolder) -> Program:
        folder = stack.data(self.name)
        given = {
            "config_file": str(folder / "postgresql.conf"),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        options = tuple(word for name, value in given.items() for word in ("-c", f"{name}={value}"))
        return Program(
            command=(program("postgres"), "-D", str(folder / "data"), "-p", str(stack.port(self.name)), *options),
            files={"postgresql.conf": configuration("postgres/postgresql.conf")},
            user=ACCOUNT,
            stop_signal="INT",  # open transactions are rolled back, and the next start needs no recovery
        )

    def bootstrap(self, stack: StackFolder) -> None:
        environment = {
            **connection(stack, ADMINISTRATOR, "postgres"),
            "PATH": os.defpath,
            "PREFECT_DATABASE_PASSWORD": database_password(stack, "prefect"),
            "MLFLOW_DATABASE_PASSWORD": database_password(stack, "mlflow"),
            "EXPERIMENTS_DATABASE_PASSWORD": database_password(stack, "experiments"),
        }
        done = subprocess.run(  # noqa: S603 - a program that we found ourselves
            [program("psql"), "--no-psqlrc", "--no-password", "--file", "-"],
            input=configuration("postgres/bootstrap.sql"),
            env=environment,
            capture_output=True,
            text=True,
            timeout=_BOOTSTRAP_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"PostgreSQL's roles and databases were not created: {' '.join(done.stderr.split())}")

    def probe(self, stack: StackFolder) -> None:
        self.query(stack, "SELECT 1")

    def query(self, stack: StackFolder, statement: LiteralString) -> object:
        """Return the first value of a statement, run by the administrator. Raises ServiceError."""
        import psycopg

        try:
            with administrator(stack, seconds=_PROBE_SECONDS) as connection:
                found = connection.execute(statement).fetchone()
        except psycopg.Error as error:
            raise ServiceError(" ".join(str(error).split())) from None
        return found[0] if found else None

    def settings(self, stack: StackFolder) -> dict[str, object]:
        password = database_password(stack, "experiments")
        return {"experiments_url": f"postgresql://experiments:{password}@{self.address(stack)}/experiments"}


def missing_postgresql() -> str | None:
    """Return why PostgreSQL cannot be started here, in one line, or None."""
    if find_program("initdb") is None:
        return f"PostgreSQL is not installed; {INSTALL} gets it"
    if os.geteuid() == 0 and not _account_exists():
        return f"PostgreSQL refuses to run as root, and there is no user {ACCOUNT} to run it as"
    return None


def database_password(stack: StackFolder, role: str) -> str:
    """Return the password of a role."""
    return stack.secret("postgres_password" if role == ADMINISTRATOR else f"{role}_database_password")


def administrator(stack: StackFolder, database: str = "postgres", *, seconds: int) -> psycopg.Connection[Any]:
    """Connect as the administrator, within so many seconds. Raises psycopg.Error."""
    import psycopg

    return psycopg.connect(
        host="127.0.0.1",
        port=stack.port(Postgresql.name),
        user=ADMINISTRATOR,
        password=database_password(stack, ADMINISTRATOR),
        dbname=database,
        connect_timeout=seconds,
        autocommit=True,
    )


def as_account() -> dict[str, Any]:
    """Return the options with which `subprocess` runs a program as the user that PostgreSQL runs as; none but root."""
    return {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": []} if os.geteuid() == 0 else {}


def give_to_account(path: Path) -> None:
    """Make that user the owner, if this process is root."""
    if os.geteuid() == 0:
        shutil.chown(path, ACCOUNT, ACCOUNT)


def connection(stack: StackFolder, role: str, database: str) -> dict[str, str]:
    """Return libpq's variables for connecting as the role."""
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(stack.port(Postgresql.name)),
        "PGUSER": role,
        "PGPASSWORD": database_password(stack, role),
        "PGDATABASE": database,
        "PGCONNECT_TIMEOUT": str(_PROBE_SECONDS),
    }


def _account_exists() -> bool:
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        return False
    return True
