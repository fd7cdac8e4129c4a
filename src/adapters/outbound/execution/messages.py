"""What crosses the border of a process: lines of JSON, never code.

To the process:  a :class:`Start`, then one task after the other.
From it:         for each task that it was :data:`BEGUN`, then a :class:`Reply`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ....domain.errors import SpineError
from ....domain.queueing import Lease
from ....ports.execution import Answer, Finished, Task

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
class Reply:
    """A task is over. ``leaving``: the process takes no other one."""

    run: str
    answer: Answer
    leaving: bool = False

    def line(self) -> bytes:
        kind = "finished" if isinstance(self.answer, Finished) else "error"
        told = None if self.answer is None else self.answer.to_dict()
        return _line({"run": self.run, kind: told, "leaving": self.leaving})


def read_reply(line: bytes) -> Reply | None:
    """The reply that is told, None where it is told that a task was begun.

    Raises a ValueError, TypeError, LookupError or AttributeError for a line that is neither.
    """
    told = json.loads(line)
    if told == {}:
        return None
    answer: Answer = None
    if "finished" in told:
        answer = Finished.from_dict(told["finished"])
    elif told["error"]:
        answer = SpineError.from_dict(told["error"])
    return Reply(str(told["run"]), answer, bool(told["leaving"]))


def task_line(task: Task) -> bytes:
    """The task for a process of this machine, secrets included."""
    told = {"lease": asdict(task.lease), "secrets": dict(task.secrets), "alone": task.alone}
    return _line(told)


def read_task(line: bytes) -> Task:
    """The task of a line that :func:`task_line` has made."""
    told = json.loads(line)
    return Task(Lease(**told["lease"]), told["secrets"], alone=told["alone"])


def _line(message: Mapping[str, Any]) -> bytes:
    # What foreign code leaves in the metadata of an error must not keep it from being told.
    return json.dumps(message, default=str).encode() + b"\n"
