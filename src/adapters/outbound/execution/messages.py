"""What crosses the border of a process: lines of JSON, never code.

To the process:  a :class:`Start`, then one task after the other.
From it:         for each task that it was :data:`BEGUN`, then a :class:`Reply`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from ....domain.errors import SpineError
from ....domain.queueing import Lease
from ....domain.runs import Run, RunState, Trigger
from ....ports.execution import Answer, Finished, Task

BEGUN = b"{}\n"
_TIMES = ("created_at", "started_at", "finished_at", "cancel_requested_at")


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
    """The task for another process, secrets included."""
    told = {
        "lease": asdict(task.lease),
        "secrets": dict(task.secrets),
        "known": None if task.known is None else _told(task.known),
    }
    return _line(told)


def read_task(line: bytes) -> Task:
    """The task of a line that :func:`task_line` has made."""
    told = json.loads(line)
    known = None if told["known"] is None else _read(told["known"])
    return Task(Lease(**told["lease"]), told["secrets"], known)


def _told(run: Run) -> dict[str, Any] | None:
    """A run that has just been claimed; None for one that had better be loaded from the store."""
    if run.error is not None or run.plan is not None:
        return None
    told = {item.name: getattr(run, item.name) for item in fields(run)}
    return {**told, **{name: _text(told[name]) for name in _TIMES}}


def _read(told: dict[str, Any]) -> Run:
    times = {name: told[name] and datetime.fromisoformat(told[name]) for name in _TIMES}
    kinds = {"state": RunState(told["state"]), "trigger": Trigger(told["trigger"])}
    return Run(**{**told, **times, **kinds, "warnings": tuple(told["warnings"])})


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _line(message: Mapping[str, Any]) -> bytes:
    # What foreign code leaves in the metadata of an error must not keep it from being told.
    return json.dumps(message, default=str).encode() + b"\n"
