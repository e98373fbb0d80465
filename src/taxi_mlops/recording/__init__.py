"""Record runs outside their folder: in the experiment store, in MLflow, at the Pushgateway.

Each place is a `Recorder`. It reads the files of a run (`results`); reading recorded runs is in `runs`.
"""

from taxi_mlops.recording.base import RecordedRun, Recorder

__all__ = ["RecordedRun", "Recorder"]
