"""The one-shot services of deploy/compose.yaml, as its containers call them, on real servers."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from taxi_mlops.stack.services.object_store import ADMINISTRATOR, BUCKETS, MINIO, ObjectStore, secret_key


def call(module, *arguments, **environment):
    command = [sys.executable, "-m", f"taxi_mlops.stack.{module}", *arguments]
    bare = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(command, env=bare | environment, capture_output=True, text=True, check=False)


def test_buckets_and_users_again(start_services):
    services = start_services("object-store")
    folder = services.stack.folder
    if ObjectStore().kind(folder) != MINIO:
        pytest.skip("MinIO is not installed: deploy/native/install.sh")
    keys = {f"OBJECT_STORE_{user.upper()}_SECRET_KEY": secret_key(folder, user) for user in (ADMINISTRATOR, *BUCKETS)}
    done = call("administration", "object-store", **keys, OBJECT_STORE_URL=str(services.settings.object_store_url))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_user_of_mlflow_again(start_services):
    services = start_services("mlflow")
    given = {
        "TAXI_MLFLOW_URI": services.settings.mlflow_uri.get_secret_value(),
        "TAXI_MLFLOW_PASSWORD": services.settings.mlflow_password.get_secret_value(),
    }
    password = services.stack.folder.secret("mlflow_admin_password")
    done = call("administration", "mlflow", **given, MLFLOW_ADMIN_PASSWORD=password)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    wrong = call("administration", "mlflow", **given, MLFLOW_ADMIN_PASSWORD="not-the-password")
    assert wrong.returncode == 1
    assert "error: MLflow's user taxi was not created: " in wrong.stderr
    assert "not-the-password" not in wrong.stderr


def test_a_missing_secret_is_named():
    done = call("administration", "object-store", OBJECT_STORE_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.strip() == "error: the variable OBJECT_STORE_ADMINISTRATOR_SECRET_KEY is not set"


def test_the_health_check_of_containers(start_services):
    url = start_services("mlflow").settings.mlflow_uri.get_secret_value()
    assert httpx.get(f"{url}/health", timeout=10).is_success
    assert call("probes", f"{url}/health").returncode == 0
    refused = call("probes", f"{url}/api/2.0/mlflow/experiments/search")
    assert refused.returncode == 1
    assert "answers 401" in refused.stderr
