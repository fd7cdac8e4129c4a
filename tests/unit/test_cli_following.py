"""What following says while nothing happens: that nobody begins, and how far a run is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from market_spine.adapters.inbound.cli import following
from market_spine.adapters.inbound.cli.commands import Asked, answered_by
from market_spine.application.watch_run import Look, News
from market_spine.domain.queueing import Job, Progress
from market_spine.domain.runs import Run, RunState

QUEUED = Run("r1", "a.b", {}, RunState.PENDING, datetime(2026, 1, 5, tzinfo=UTC))


class Silent:
    """A watcher to which nothing happens until every patience is at its end."""

    run_id, pause = QUEUED.id, 0.0

    def __init__(self, run: Run, pool: str = "default") -> None:
        self.run = run
        self.queued = Job(run.id, run.pipeline, run.created_at, pool=pool)
        self.looked = False

    def read_runs(self) -> Silent:
        return self

    def job(self, _run_id: str) -> Job:
        return self.queued

    @contextmanager
    def watch_run(self, _run_id: str) -> Iterator[Silent]:
        yield self

    def look(self) -> Look:
        if not self.looked:
            self.looked = True
            return Look(self.run, (), more=False)
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join(20)
        return Look(replace(self.run, state=RunState.SUCCEEDED), (), more=False)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    found: list[str] = []
    monkeypatch.setattr(following.output, "note", found.append)
    monkeypatch.setattr(following, "_PATIENCE", 0.2)
    answered_by(Asked("127.0.0.1:1", remote=True))
    yield found
    answered_by(Asked())


def test_a_run_that_nobody_takes_is_told_of_while_nothing_happens(notes: list[str]) -> None:
    services: Any = Silent(QUEUED)
    following.follow(services, QUEUED, json=False)

    assert notes == [
        "no worker has taken it yet: those of its pool are busy, or there is none; "
        "spine serve there, or spine worker beside its store starts one"
    ]


def test_who_waits_in_another_pool_is_told_which_worker_serves_it(notes: list[str]) -> None:
    services: Any = Silent(QUEUED, pool="loads")
    following.follow(services, QUEUED, json=False)

    [said] = notes
    assert said.endswith("spine worker --pools default,loads beside its store starts one")


def test_a_run_that_is_executed_is_not_taken_for_one_that_waits(notes: list[str]) -> None:
    services: Any = Silent(replace(QUEUED, state=RunState.RUNNING, attempt=1))
    following.follow(services, QUEUED, json=False)

    assert notes == []


def test_progress_is_told_by_tenths_and_after_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(following.time, "monotonic", lambda: now[0])
    shown = following.Shown()
    running = replace(QUEUED, state=RunState.RUNNING, attempt=1)

    def tell(seconds: float, done: int) -> str:
        now[0] += seconds
        shown(running, [News(running, "", Progress("load", done, 100, "files"))])
        return capsys.readouterr().out

    assert "a.b" in tell(0, 1)
    assert [bool(tell(1, 2)), bool(tell(1, 12)), bool(tell(8, 13))] == [False, True, False]
    assert "a.b" in tell(3, 14)
