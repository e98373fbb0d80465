"""Secrets in the system's keyring, with a keyring of the test's own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from taxi_mlops.errors import SecretError
from taxi_mlops.secrets.local import from_keyring


@pytest.fixture
def use_keyring() -> Callable[..., None]:
    """`use_keyring(get)` makes the function that returns a password the system's keyring."""
    keyring = pytest.importorskip("keyring", reason="keyring is in the extra keyring")
    from keyring.backend import KeyringBackend

    def use(get: Callable[[str, str], str | None]) -> None:
        class Ours(KeyringBackend):
            priority = 1

            def get_password(self, service: str, username: str) -> str | None:
                return get(service, username)

            def set_password(self, service: str, username: str, password: str) -> None:
                raise NotImplementedError

        keyring.set_keyring(Ours())

    return use


def test_a_password_is_found(use_keyring: Callable[..., None]) -> None:
    use_keyring(lambda service, user: {("taxi", "admin/eu"): "hunter2"}.get((service, user)))
    assert from_keyring("taxi", "admin/eu") == "hunter2"
    with pytest.raises(SecretError, match="no such entry; add it with: keyring set taxi other"):
        from_keyring("taxi", "other")


def test_a_locked_keyring_is_one_line_without_its_message(use_keyring: Callable[..., None]) -> None:
    from keyring.errors import KeyringLocked

    def locked(_service: str, _user: str) -> str | None:
        raise KeyringLocked("the password is hunter2")

    use_keyring(locked)
    with pytest.raises(SecretError) as raised:
        from_keyring("taxi", "admin")
    assert str(raised.value) == "the keyring refuses (KeyringLocked); unlock it"


def test_a_system_without_a_keyring(use_keyring: Callable[..., None]) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    keyring.set_keyring(Keyring())
    with pytest.raises(SecretError, match="this system has no keyring"):
        from_keyring("taxi", "admin")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretError, match=r"not installed; install it with: pip install 'taxi-mlops\[keyring\]'"):
        from_keyring("taxi", "admin")
