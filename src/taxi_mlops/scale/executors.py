"""Where tasks run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


class Executor(Protocol):
    """Runs a function on each of some tasks. workers: how many it runs at a time."""

    workers: int

    def run(
        self, function: Callable[[Task], Answer], tasks: Sequence[Task], at_once: int | None = None
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the number of each task with its answer, as they are done. at_once: fewer than there are workers.

        Raises what a task raises; the others are given up then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Inline:
    """One task after the other, in this process."""

    workers: int = 1

    def run(
        self,
        function: Callable[[Task], Answer],
        tasks: Sequence[Task],
        at_once: int | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Answer]]:
        for number, task in enumerate(tasks):
            yield number, function(task)
