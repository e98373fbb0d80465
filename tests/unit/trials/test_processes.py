"""The environment that a trial's process is given."""

from __future__ import annotations

from taxi_mlops.trials.processes import THREAD_VARIABLES, trial_environment


def test_a_trial_inherits_all_but_our_settings_and_has_its_threads_set():
    inherited = {"PATH": "/bin", "OMP_NUM_THREADS": "64", "TAXI_POSTGRES_URL": "postgresql://user:secret@host/db"}
    assert trial_environment(inherited, threads=3) == {
        "PATH": "/bin",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        **dict.fromkeys(THREAD_VARIABLES, "3"),
    }
    assert inherited["OMP_NUM_THREADS"] == "64"
