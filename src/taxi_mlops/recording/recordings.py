"""`recordings.json`: the status of each recorder for a run, so that failed recordings can be repeated."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from taxi_mlops.files import write_atomically
from taxi_mlops.recording.base import RecordedRun, Recorder
from taxi_mlops.results.documents import read_document, to_json
from taxi_mlops.results.run_folder import RunFolder


class RecordingState(StrEnum):
    """Whether a recorder has the run."""

    RECORDED = "recorded"
    FAILED = "failed"


class Recording(BaseModel):
    """The last attempt of a recorder to record the run."""

    model_config = ConfigDict(frozen=True)

    recorder: str
    target: str = Field(description="The address, with passwords masked.")
    state: RecordingState
    reason: str | None = Field(default=None, description="Why it failed; null if it did not.")
    at: AwareDatetime
    content: str = Field(description="SHA-256 over the results that were recorded.")
    page: str | None = Field(default=None, description="Path at the target that shows the run; null if none does.")


class Recordings(BaseModel):
    """`recordings.json`: one entry for each recorder."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    recordings: tuple[Recording, ...] = ()

    @classmethod
    def read(cls, folder: RunFolder) -> Recordings:
        """Read the file of the folder; empty if nothing was recorded yet. Raises RunFolderError for a broken file."""
        return read_document(cls, folder.recordings, "remove it and record again") or cls()

    def holds(self, recorder: Recorder, run: RecordedRun) -> bool:
        """Return whether the recorder has recorded the current results of the run."""
        return any(
            (noted.recorder, noted.target, noted.state, noted.content)
            == (recorder.name, recorder.target, RecordingState.RECORDED, run.content)
            for noted in self.recordings
        )

    @property
    def failed(self) -> tuple[Recording, ...]:
        return tuple(noted for noted in self.recordings if noted.state is RecordingState.FAILED)


def note(run: RecordedRun, recorder: Recorder, reason: str | None, page: str | None = None) -> Recording:
    """Write to the run folder that a recorder succeeded, or why it failed. The folder must be locked."""
    recording = Recording(
        recorder=recorder.name,
        target=recorder.target,
        state=RecordingState.RECORDED if reason is None else RecordingState.FAILED,
        reason=reason,
        at=datetime.now(UTC),
        content=run.content,
        page=page,
    )
    others = [noted for noted in Recordings.read(run.folder).recordings if noted.recorder != recorder.name]
    write_atomically(run.folder.recordings, to_json(Recordings(recordings=(*others, recording))))
    return recording
