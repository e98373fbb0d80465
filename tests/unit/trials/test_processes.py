from __future__ import annotations

from pathlib import Path

from taxi_mlops.trials.processes import THREAD_VARIABLES, trial_environment


def test_a_trial_inherits_all_but_our_settings_and_has_its_threads_set():
    inherited = {"PATH": "/bin", "OMP_NUM_THREADS": "64", "TAXI_POSTGRES_URL": "postgresql://user:secret@host/db"}
    environment = trial_environment(inherited, marker="run/1", threads=3, scratch=Path("/scratch"))
    assert environment == {
        "PATH": "/bin",
        "TAXI_TRIAL": "run/1",
        "JOBLIB_TEMP_FOLDER": "/scratch",
        **dict.fromkeys(THREAD_VARIABLES, "3"),
    }
    assert inherited["OMP_NUM_THREADS"] == "64"
