"""A job that is killed at every point where it changes something, and judged each time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from crash_child import Answer, Job, killed, opened, run
from homes import copied, removed
from refresh_judge import Frames, all_datasets, assert_same_datasets, judge, runs_of

from market_spine.domain.captures import CaptureFilter
from market_spine.domain.runs import Run, RunState
from market_spine.testing.faults import Moment
from market_spine.testing.finra_sample import ORIGIN

AT_ONCE = 2
"""How many processes are made ready to die at the same time."""


@dataclass(frozen=True, slots=True)
class Point:
    """One call of a job, and whether to die before or after it."""

    number: int
    call: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment.lower()} call {self.number} ({self.call})"


@dataclass(frozen=True, slots=True)
class Scene:
    """A job, the home it starts from, and what is there after an undisturbed run of it.

    ``after`` holds the datasets from week ``since`` on: the weeks that the job changes.
    """

    start: Path
    job: Job
    after: Frames
    answer: Answer
    captures: int
    since: date | None = ORIGIN

    def points(self) -> list[Point]:
        """Before each call, and after each commit.

        After any other call is before the next one: in between, nothing can be changed.
        """
        return [
            Point(number, call, moment)
            for number, call in enumerate(self.answer.calls, 1)
            for moment in Moment
            if moment is Moment.BEFORE or call.endswith("commit")
        ]


def undisturbed(job: Job, start: Path, home: Path) -> Scene:
    """Runs the job once in ``home``, a copy of ``start``, and judges what it leaves."""
    copied(start, home)
    answer = run(replace(job, home=str(home)))
    assert answer.state == "SUCCEEDED", answer.error
    judge(home)
    with opened(home) as container:
        captures = len(container.read_evidence().captures(CaptureFilter()))
        after = all_datasets(container, ORIGIN)
    assert all(frame.height for frame in after.values()), "a dataset is empty: nothing to judge"
    return Scene(start, job, after, answer, captures)


def kill_at(points: list[Point], scene: Scene, folder: Path, subtests: pytest.Subtests) -> set[int]:
    """Die at each point; the numbers of captures that were there afterwards."""

    def die(point: Point) -> bool:
        home = copied(scene.start, folder / f"{point.number}-{point.moment}")
        job = replace(scene.job, home=str(home), die_at=point.number, moment=point.moment.value)
        return killed(job)

    seen: set[int] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for point, died in zip(points, pool.map(die, points), strict=True):
            home = folder / f"{point.number}-{point.moment}"
            with subtests.test(f"SIGKILL {point}"):
                assert died, "the process came to its end instead"
                judge(home)
                seen.add(done_again(home, scene))
            removed(home)
    return seen


def done_again(home: Path, scene: Scene) -> int:
    """Give the same command again; the number of captures before it."""
    with opened(home) as container:
        before = len(container.read_evidence().captures(CaptureFilter()))
        interrupted = [item.id for item in runs_of(container) if not item.state.final]
        outcome = container.run_pipeline()(scene.job.pipeline, scene.job.parameters)
        assert outcome.result.ok, outcome.result.error
        judge(home)
        runs = {item.id: item for item in runs_of(container)}
        for name in interrupted:
            _was_closed(runs[name])
        assert all(item.state.final for item in runs.values()), "a run is still live"
        assert len(container.read_evidence().captures(CaptureFilter())) == scene.captures
        assert_same_datasets(all_datasets(container, scene.since), scene.after)
    return before


def _was_closed(run: Run) -> None:
    assert run.state is RunState.FAILED, f"the interrupted run is {run.state}"
    assert run.error is not None
    assert run.error.retryable, "an interrupted run may be repeated"


def next_weekday(day: date) -> date:
    return day if day.weekday() < 5 else day + timedelta(days=7 - day.weekday())
