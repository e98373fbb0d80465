from __future__ import annotations

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is in the extra serve")

from taxi_mlops.errors import UsageError
from taxi_mlops.serving.keys import ApiKeys, Key, Role, add_key
from taxi_mlops.serving.run import is_loopback, required_keys


def test_a_key_is_stored_as_its_hash_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys"
    one, two = add_key(path, "lab"), add_key(path, "office", Role.ADMIN)
    assert path.stat().st_mode & 0o777 == 0o600
    assert one not in path.read_text(encoding="ascii")
    keys = ApiKeys.read(path)
    assert keys.find(one) == Key("lab", Role.READ)
    assert keys.find(two) == Key("office", Role.ADMIN)
    assert keys.find(one[:-1]) is None
    assert keys.find("") is None
    with pytest.raises(UsageError, match="has a key 'lab' already"):
        add_key(path, "lab")
    with pytest.raises(UsageError, match="--new-key"):
        add_key(path, "two words")


def test_files_of_another_form_are_refused(tmp_path):
    path = tmp_path / "keys"
    with pytest.raises(UsageError, match="cannot read the API keys"):
        ApiKeys.read(path)
    path.write_text("# none yet\n", encoding="ascii")
    with pytest.raises(UsageError, match="holds no API key"):
        ApiKeys.read(path)
    path.write_text("lab secret\n", encoding="ascii")
    with pytest.raises(UsageError, match="line 1 is no API key"):
        ApiKeys.read(path)


def test_an_address_that_others_reach_needs_keys(tmp_path):
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.2", "example.org")] == [False] * 4
    assert required_keys("127.0.0.1", None) is None
    with pytest.raises(UsageError, match="can be reached from elsewhere"):
        required_keys("0.0.0.0", None)
    add_key(tmp_path / "keys", "lab")
    assert [key.name for key in required_keys("0.0.0.0", tmp_path / "keys").by_digest.values()] == ["lab"]


def test_requests_without_a_key_are_refused_but_for_health(application, client_of, tmp_path):
    token = add_key(tmp_path / "keys", "lab")
    client = client_of(application(keys=ApiKeys.read(tmp_path / "keys")))
    refused = client.get("/v1/hotspots")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/metrics").status_code == 401
    assert client.get("/v1/hotspots", headers={"Authorization": f"Basic {token}"}).status_code == 401
    assert client.get("/v1/hotspots", headers={"Authorization": b"Bearer \xff"}).status_code == 401
    assert client.get("/v1/hotspots", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    assert client.get("/openapi.json").status_code == 200


def test_a_line_without_a_role_is_a_key_to_read(tmp_path):
    token = add_key(tmp_path / "keys", "lab", Role.ADMIN)
    line = (tmp_path / "keys").read_text(encoding="ascii")
    (tmp_path / "keys").write_text(line.replace(" admin", ""), encoding="ascii")
    assert ApiKeys.read(tmp_path / "keys").find(token) == Key("lab", Role.READ)


def test_only_admins_store_outcomes(application, client_of, tmp_path):
    path = tmp_path / "keys"
    one, two = add_key(path, "lab"), add_key(path, "office", Role.ADMIN)
    client = client_of(application(keys=ApiKeys.read(path)))
    refused = client.post("/v1/outcomes", json={}, headers={"Authorization": f"Bearer {one}"})
    assert refused.status_code == 403
    assert refused.json()["detail"] == "The key lab has the role read; this needs the role admin."
    accepted = client.post("/v1/outcomes", json={}, headers={"Authorization": f"Bearer {two}"})
    assert accepted.status_code == 422  # it is read
    assert client.post("/v1/outcomes", json={}).status_code == 401


def test_keys_are_described(application, client_of, tmp_path):
    add_key(tmp_path / "keys", "lab")
    with_keys = client_of(application(keys=ApiKeys.read(tmp_path / "keys"))).get("/openapi.json").json()
    assert with_keys["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
    assert with_keys["paths"]["/v1/hotspots"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in client_of(application()).get("/openapi.json").json()["paths"]["/v1/hotspots"]["get"]
