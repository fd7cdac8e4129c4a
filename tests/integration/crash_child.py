"""Runs a pipeline in a process of its own, which may be told where to die.

    python crash_child.py JOB        JOB is a :class:`Job` as JSON

Prints an :class:`Answer` as JSON, unless it dies.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from dependency_injector import providers
from pydantic import SecretStr
from sqlalchemy import Engine, event

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.application import telling
from market_spine.bootstrap.container import Container, build_container
from market_spine.bootstrap.settings import Settings
from market_spine.testing.faults import Faults, Moment

REFRESH = "finra.otc_transparency.refresh_week"
BACKFILL = "finra.otc_transparency.backfill"
LONGEST = 60.0
"""Seconds after which a process is taken to hang."""

_CHANGE_NOTHING = {
    *("write", "writer", "entered", "read", "next"),
    *("get", "list", "lineage", "steps", "now", "claimed", "events", "lines", "progress"),
    *("hold", "limit_waiting", "limit_silence"),
}


@dataclass(frozen=True, slots=True)
class Job:
    """What to run on the store of ``home``, how many times, and where to die.

    ``die_at`` is the number of a call that changes store or archive, ``die_at_statement`` that of
    an SQL statement; both from 1. With ``wait`` the process says that it is ready, and begins
    when it is told to.
    """

    home: str
    parameters: dict[str, str]
    pipeline: str = REFRESH
    force: bool = False
    die_at: int | None = None
    moment: str = Moment.BEFORE.value
    die_at_statement: int | None = None
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out: final state, metrics, error, and all that a :class:`Job` can die at."""

    state: str
    metrics: dict[str, Any]
    error: dict[str, Any] | None
    calls: list[str]
    statements: list[str] = field(default_factory=list)


def changes(call: str) -> bool:
    """Whether the call changes the store or the archive: what only reads leaves no trace."""
    return call == "archive.writer.write" or call.rpartition(".")[2] not in _CHANGE_NOTHING


def url_of(home: Path) -> str:
    """The database of ``home``: a file in it, unless another URL stands in ``HOME.url`` beside."""
    beside = url_file(home)
    return beside.read_text() if beside.exists() else f"sqlite:///{home.absolute() / 'spine.db'}"


def url_file(home: Path) -> Path:
    return home.parent / f"{home.name}.url"


@contextmanager
def opened(home: Path, faults: Faults | None = None) -> Iterator[Container]:
    """The real application over the store of ``home``; store and archive behind ``faults``."""
    settings = Settings(home=home, database_url=SecretStr(url_of(home)))
    container = build_container(settings, TerminalProgress(enabled=False))
    if faults is not None:
        store, archive = container.store(), container.archive()
        container.store.override(providers.Object(faults.on(store, "store")))
        container.archive.override(providers.Object(faults.on(archive, "archive")))
    every, telling.EVERY = telling.EVERY, 3600.0  # what is told by the way is no point to die at
    try:
        yield container
    finally:
        telling.EVERY = every
        container.admin().close()


class Child:
    """A job under way in another process, run by the command ``under`` where one is given."""

    def __init__(self, job: Job, under: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*under, sys.executable, __file__, json.dumps(asdict(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def ready(self) -> None:
        """Wait until the process stands at its start line."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"it does not get ready: {self.process.stderr.read()}")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> Answer:
        """What came out; fails for a process that did not get as far as to answer."""
        said, errors = self.process.communicate(timeout=LONGEST)
        assert self.process.returncode == 0, f"exit {self.process.returncode}: {errors}"
        return Answer(**json.loads(said.splitlines()[-1]))

    def death(self) -> int:
        """The signal that ended the process; 0 when it ended by itself, errors are shown."""
        _, errors = self.process.communicate(timeout=LONGEST)
        assert self.process.returncode <= 0, f"exit {self.process.returncode}: {errors}"
        return -self.process.returncode


def run(job: Job, under: Sequence[str] = ()) -> Answer:
    with Child(job, under) as child:
        return child.answer()


def killed(job: Job, under: Sequence[str] = ()) -> bool:
    """Whether the job died where it was told to, rather than came to its end."""
    with Child(job, under) as child:
        return child.death() == signal.SIGKILL


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def _count_statements(statements: list[str], die_at: int | None) -> None:
    def about_to_run(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(" ".join(statement.split())[:60])
        if len(statements) == die_at:
            die()

    event.listen(Engine, "before_cursor_execute", about_to_run)


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    if job.wait:
        print("ready", flush=True)
        sys.stdin.readline()
    statements: list[str] = []
    _count_statements(statements, job.die_at_statement)
    faults = Faults(job.die_at, die, moment=Moment(job.moment), counts=changes)
    with opened(Path(job.home), faults) as container:
        outcome = container.run_pipeline()(job.pipeline, job.parameters, force=job.force)
    error = outcome.result.error
    answer = Answer(
        outcome.run.state.value,
        dict(outcome.result.metrics),
        error and error.to_dict(),
        faults.calls,
        statements,
    )
    print(json.dumps(asdict(answer)))


if __name__ == "__main__":
    main()
