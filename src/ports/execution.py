"""Where claimed runs are executed: here, in processes of this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol, Self

from ..domain.errors import SpineError
from ..domain.queueing import Lease
from ..domain.result import Metric
from ..domain.runs import LogLine, Run

NOT_BEGUN = "not_begun"
"""In an error's metadata, true: there was nothing that could have executed the task."""


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed run to be executed by whoever loads it from the store under this lease.

    ``secrets`` are values that the store must not hold, by the name of the parameter; they go to
    processes of this machine only. ``known`` is the run as it was claimed, where it need not
    be loaded any more.
    """

    lease: Lease
    secrets: Mapping[str, str] = field(default_factory=dict)
    known: Run | None = field(default=None, compare=False, repr=False)

    @property
    def run(self) -> str:
        return self.lease.run


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run succeeded that has written nothing: it can be recorded together with others."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    output: Any = None
    partition: str | None = None
    lines: tuple[LogLine, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        lines = [{**asdict(line), "at": line.at.isoformat()} for line in self.lines]
        return {
            "metrics": dict(self.metrics),
            "warnings": list(self.warnings),
            "output": self.output,
            "partition": self.partition,
            "lines": lines,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        lines = ({**line, "at": datetime.fromisoformat(line["at"])} for line in data["lines"])
        return cls(
            data["metrics"],
            tuple(data["warnings"]),
            data["output"],
            data["partition"],
            tuple(LogLine(**line) for line in lines),
        )


Answer = SpineError | Finished | None
"""What became of a task: nothing was recorded, it is still to be, or it was."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A task is over. Its outcome was recorded by whoever executed it, or is ``finished``.

    With an error nothing was recorded: its process died, was killed, or could not reach the store.
    """

    task: Task
    error: SpineError | None = None
    finished: Finished | None = None

    @classmethod
    def of(cls, task: Task, answer: Answer) -> Self:
        """What ``answer`` says of the task."""
        if isinstance(answer, Finished):
            return cls(task, finished=answer)
        return cls(task, answer)


class Execution(Protocol):
    """Executes tasks side by side, each isolated from the others. For one thread at a time."""

    @property
    def isolated(self) -> bool:
        """Whether a task can be ended from outside, and its death harms nobody else."""
        ...

    def start(self, task: Task) -> None:
        """Begin the task. Whatever goes wrong with it later is told by :meth:`wait`."""
        ...

    def begun(self, run: str) -> bool:
        """Whether the code of a run is being executed; False while a process is made ready for it.

        True where that is not known.
        """
        ...

    def wait(self, seconds: float) -> Sequence[Ended]:
        """The tasks that have ended since the last call; waits for the first at most so long."""
        ...

    def end(self, run: str, why: SpineError) -> None:
        """End the task of a run at once; :meth:`wait` tells it with ``why`` as its error.

        Nothing happens when there is no such task any more.
        """
        ...

    def close(self) -> None:
        """End all tasks, and give back processes and connections."""
        ...
