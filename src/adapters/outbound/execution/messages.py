"""What crosses the border of a process: lines of JSON, never code.

To the process:  a :class:`Start`, then one task after the other.
From it:         for each task that it was :data:`BEGUN`, then an :class:`Answer`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ....domain.errors import SpineError
from ....domain.queueing import Lease
from ....ports.execution import Task

BEGUN = b"{}\n"


@dataclass(frozen=True, slots=True)
class Start:
    """What a process needs before its first task. ``memory_limit`` is in bytes."""

    parent: int
    entry: str
    settings: Mapping[str, Any]
    memory_limit: int | None

    def line(self) -> bytes:
        return _line(asdict(self))

    @classmethod
    def read(cls, line: bytes) -> Self:
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Answer:
    """A task is over. ``leaving``: the process takes no other one."""

    run: str
    error: SpineError | None
    leaving: bool = False

    def line(self) -> bytes:
        error = self.error.to_dict() if self.error else None
        return _line({"run": self.run, "error": error, "leaving": self.leaving})


def read_answer(line: bytes) -> Answer | None:
    """The answer that is told, None where it is told that a task was begun.

    Raises a ValueError, TypeError, LookupError or AttributeError for a line that is neither.
    """
    told = json.loads(line)
    if told == {}:
        return None
    error = told["error"]
    return Answer(
        run=str(told["run"]),
        error=SpineError.from_dict(error) if error else None,
        leaving=bool(told["leaving"]),
    )


def task_line(task: Task) -> bytes:
    """The task for a process of this machine, secrets included."""
    return _line({"lease": asdict(task.lease), "secrets": dict(task.secrets)})


def read_task(line: bytes) -> Task:
    """The task of a line that :func:`task_line` has made."""
    told = json.loads(line)
    return Task(Lease(**told["lease"]), told["secrets"])


def _line(message: Mapping[str, Any]) -> bytes:
    # What foreign code leaves in the metadata of an error must not keep it from being told.
    return json.dumps(message, default=str).encode() + b"\n"
