"""An entry for tests: it executes runs whose ids say what is to happen.

The id of a run is ``deed`` or ``deed/more``. The settings give a ``folder``, into which each
executed run writes a :class:`Note` when it has begun.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..domain.errors import Category, SourceError, SpineError, ValidationError
from ..domain.runs import LogLine
from ..ports.execution import Answer, Finished, Task

ENTRY = f"{__name__}:make"
_LOGGED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
_FOR_EVER = 3_600.0


@dataclass(frozen=True, slots=True)
class Note:
    """Who executes a run: the process, its own child if it has one, and what it was given.

    ``made`` counts how often the factory was called in that process.
    """

    pid: int
    made: int
    child: int | None = None
    owner: str = ""
    fence: int = 0
    secrets: Mapping[str, str] | None = None


def finished(task: Task) -> Finished:
    """How a run called ``succeed`` ends: an outcome of everything that can be told of one."""
    return Finished(
        metrics={"rows": 3, "share": 0.1},
        warnings=("the week is short", "zażółć"),
        output={"known": task.known and dict(task.known.parameters), "nested": [1, None, "a\nb"]},
        partition="2025-12-22/NMS_TIER_1",
        lines=(LogLine(task.run, 1, _LOGGED, "INFO", "a line\nof two"),),
    )


def notes(folder: Path) -> dict[str, Note]:
    """What has been begun so far, by run."""
    return {
        path.stem.replace("+", "/"): Note(**json.loads(path.read_text()))
        for path in folder.glob("*.json")
    }


_made = 0


def make(settings: Mapping[str, Any]) -> Callable[[Task], Answer]:
    """The factory of the entry."""
    global _made  # noqa: PLW0603  # what is counted is calls in this process
    _made += 1
    folder = Path(settings["folder"])

    def execute(task: Task) -> Answer:
        deed = task.run.partition("/")[0]
        child = _grandchild() if deed.endswith("with child") else None
        _write(folder, task, child)
        return finished(task) if deed == "succeed" else _DEEDS[deed](folder)

    return execute


def _write(folder: Path, task: Task, child: int | None) -> None:
    lease = task.lease
    note = Note(os.getpid(), _made, child, lease.owner, lease.fence, dict(task.secrets))
    path = folder / f"{task.run.replace('/', '+')}.json"
    whole = path.with_suffix(f".{os.getpid()}")
    whole.write_text(json.dumps(asdict(note)))
    whole.rename(path)


def _grandchild() -> int:
    code = f"import time; time.sleep({_FOR_EVER})"
    # It is left behind on purpose, with all that is open here.
    return subprocess.Popen([sys.executable, "-c", code], close_fds=False).pid  # noqa: S603


def _refuse(folder: Path) -> SpineError:
    raise SourceError(
        "the file is gone",
        category=Category.RATE_LIMIT,
        hint="fetch it again",
        retry_after=7.5,
        metadata={"path": str(folder)},
        cause=FileNotFoundError("no such file"),
    )


def _answer(folder: Path) -> SpineError:
    return ValidationError("the week is no Monday", metadata={"folder": folder.name})


def _break(folder: Path) -> SpineError:
    raise ZeroDivisionError(folder.name)


def _leave(folder: Path) -> SpineError:
    print(folder)
    sys.exit(3)


def _hang(_: Path) -> None:
    time.sleep(_FOR_EVER)


def _compute(_: Path) -> None:
    sum(range(1 << 62))  # in native code, which lets no other thread run


def _meet(folder: Path) -> None:
    """Come back when another one has come."""
    while sum(run.startswith("meet/") for run in notes(folder)) < 2:  # noqa: PLR2004  # it and me
        time.sleep(0.01)


def _die_of(number: int) -> Callable[[Path], None]:
    return lambda _: os.kill(os.getpid(), number)


def _read_nowhere(_: Path) -> None:
    ctypes.string_at(0)


def _exit(_: Path) -> None:
    os._exit(7)


def _abort(_: Path) -> None:
    os.abort()


_DEEDS: Mapping[str, Callable[[Path], SpineError | None]] = {
    "work": lambda _: None,
    "refuse": _refuse,
    "answer": _answer,
    "break": _break,
    "leave": _leave,
    "hang": _hang,
    "hang with child": _hang,
    "compute": _compute,
    "meet": _meet,
    "killed": _die_of(signal.SIGKILL),
    "terminated": _die_of(signal.SIGTERM),
    "crash": _read_nowhere,
    "abort": _abort,
    "exit": _exit,
    "exit with child": _exit,
}
