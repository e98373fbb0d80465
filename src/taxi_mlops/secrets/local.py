"""Secrets of this machine: a file, a variable of the environment, the keyring of the system."""

from __future__ import annotations

import os
from pathlib import Path

from taxi_mlops.errors import SecretError

KEYRING = "pip install 'taxi-mlops[keyring]'"
_MAX_BYTES = 64 * 1024


def from_file(name: str) -> str:
    """Return the text of a file without the line break at its end. Raises SecretError."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SecretError(f"the file cannot be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise SecretError(f"the file has more than {_MAX_BYTES // 1024} KiB, so it is no secret")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError("the file is not UTF-8 text") from None
    return _not_empty(text.rstrip("\r\n"), "the file")


def from_environment(variable: str) -> str:
    """Return the value of a variable. Raises SecretError."""
    if variable not in os.environ:
        raise SecretError("the variable is not set")
    return _not_empty(os.environ[variable], "the variable")


def from_keyring(service: str, user: str) -> str:
    """Return a password of the system's keyring. Raises SecretError."""
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        raise SecretError(f"the package keyring is not installed; install it with: {KEYRING}") from None
    try:
        found = keyring.get_password(service, user)
    except NoKeyringError:
        raise SecretError("this system has no keyring; use a file, or one of the other kinds") from None
    except KeyringError as error:
        # The class alone: a backend may put anything into its message.
        raise SecretError(f"the keyring refuses ({type(error).__name__}); unlock it") from None
    if found is None:
        raise SecretError(f"the keyring has no such entry; add it with: keyring set {service} {user}")
    return found


def _not_empty(text: str, what: str) -> str:
    if not text:
        raise SecretError(f"{what} is empty")
    return text
