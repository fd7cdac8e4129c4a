"""Workers as real processes, over a store that the test looks into."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.application.submissions import Submission
from market_spine.bootstrap.application import Application
from market_spine.bootstrap.settings import load_settings
from market_spine.domain.runs import Run

T = TypeVar("T")

HERE = Path(__file__).parent
LONGEST = 60.0
"""Seconds after which what is waited for is taken not to come."""
SPINE = Path(sys.executable).parent / "spine"


def wait_for(what: str, ask: Callable[[], T | None], longest: float = LONGEST) -> T:
    """The first answer that is something; fails with what was waited for."""
    deadline = time.monotonic() + longest
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"after {longest} s there is still no {what}")


class Place:
    """A home folder, and the use cases over its store."""

    def __init__(self, home: Path, **changes: str) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPINE_")},
            "SPINE_HOME": str(home),
            "SPINE_MODULES": "worker_pipelines",
            "SPINE_LEASE": "2",
            "SPINE_GRACE": "1",
            "SPINE_CONCURRENCY": "2",
            "PYTHONPATH": str(HERE),
            **changes,
        }
        given = {
            "home": home,
            "modules": "worker_pipelines",
            "lease": 2.0,
            "database_url": changes.get("SPINE_DATABASE_URL"),
        }
        settings = load_settings(**{name: value for name, value in given.items() if value})
        self.application = Application(settings, TerminalProgress(enabled=False))

    def submit(self, name: str, **parameters: Any) -> str:
        return self.application.submit_run()(Submission(name, parameters)).id

    def run(self, run_id: str) -> Run:
        return self.application.read_runs().get(run_id)

    def ended(self, run_id: str) -> Run:
        """The run, once it is final."""

        def final() -> Run | None:
            run = self.run(run_id)
            return run if run.state.final else None

        return wait_for(f"end of run {run_id}", final)

    def noted(self, run_id: str, word: str, attempt: int = 1) -> int:
        """The process in which the run did something, once it has."""
        place = self.home / "notes" / f"{run_id}.{attempt}.{word}"
        return int(wait_for(f"note {word} of run {run_id}", lambda: _text(place)))

    def parts(self, run_id: str) -> dict[str, Run]:
        """The runs of its steps, by step."""
        return {str(part.step): part for part in self.application.read_runs().parts(run_id)}

    def kinds(self, run_id: str) -> list[str]:
        return [event.kind.value for event in self.application.read_runs().events(run_id)]

    @contextmanager
    def worker(self, *arguments: str, command: str = "worker") -> Iterator[subprocess.Popen[str]]:
        """A worker that takes runs; it is killed at the end unless it has ended."""
        process = subprocess.Popen(
            [SPINE, command, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(("working", "serving")), process.stderr
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()


def gone(pid: int) -> bool:
    """Whether there is no such process, or it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _text(place: Path) -> str | None:
    return place.read_text() if place.exists() else None
