"""The judge of runs: it has nothing to say of what went well, and objects to whatever did not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from market_spine.domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from market_spine.domain.plans import Plan, PlannedStep
from market_spine.domain.queueing import Job, QueueState
from market_spine.domain.runs import EventKind, Run, RunEvent, RunState, Trigger
from market_spine.ports.storage import UnitOfWork
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.run_judge import judge_runs

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
SUBMITTED, CLAIMED = EventKind.SUBMITTED, EventKind.CLAIMED
DONE = ((SUBMITTED, 0), (CLAIMED, 1), (EventKind.SUCCEEDED, 1))

Moves = tuple[tuple[EventKind, int], ...]
"""Kinds of events with their fences; each is a second later than the one before."""


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


@dataclass(frozen=True)
class Course:
    """A run as the store has it, whatever led there. By default it went well."""

    id: str = "run-1"
    state: RunState = RunState.SUCCEEDED
    moves: Moves = DONE
    begin: float = 0.0
    owner: str = "ann"
    attempt: int | None = None
    job: Job | None = None
    request: dict[str, Any] | None = None

    def keep(self, unit: UnitOfWork) -> None:
        claims = sum(kind is CLAIMED for kind, _ in self.moves)
        run = Run(
            self.id,
            "demo",
            {},
            self.state,
            START,
            attempt=claims if self.attempt is None else self.attempt,
            trigger=Trigger.REQUEST,
        )
        unit.runs.add(replace(run, **(self.request or {})))
        if self.job is not None:
            unit.queue.add(self.job)
        unit.journal.record(
            RunEvent(
                self.id,
                kind,
                at(self.begin + second),
                fence=fence,
                owner=self.owner if fence else None,
            )
            for second, (kind, fence) in enumerate(self.moves)
        )


def job(run: str = "run-1", state: QueueState = QueueState.READY, **more: Any) -> Job:
    return Job(run, "demo", START, state, **more)


def claimed(run: str = "run-1", **more: Any) -> Job:
    given = {"owner": "ann", "fence": 1, "attempt": 1, **more}
    return job(run, QueueState.CLAIMED, lease_until=at(99), **given)


def step(name: str, state: RunState = RunState.SUCCEEDED, **more: Any) -> Course:
    request = {"parent": "flow", "step": name, **more.pop("request", {})}
    return Course(f"run-{name}", state, request=request, **more)


def flow(state: RunState, *steps: PlannedStep, **more: Any) -> Course:
    plan = Plan(steps, more.pop("attached_to", None)).to_dict()
    moves: Moves = ((SUBMITTED, 0),)
    if state.final:
        moves = (*moves, (EventKind(state.value), 0))
    request = {"plan": plan, **more}
    return Course("flow", state, moves, request=request, attempt=1)


A = PlannedStep("a", "demo", {})
B = PlannedStep("b", "demo", {}, after=("a",))
LIVE = RunState.RUNNING
ATTACHED = {"trigger": Trigger.COMMAND}
FAILED: Moves = ((SUBMITTED, 0), (CLAIMED, 1), (EventKind.FAILED, 1))
WAITS: Moves = ((SUBMITTED, 0),)
RETRIED: Moves = (
    (SUBMITTED, 0),
    (CLAIMED, 1),
    (EventKind.RETRY_SCHEDULED, 1),
    (CLAIMED, 2),
    (EventKind.LEASE_LOST, 2),
    (CLAIMED, 3),
    (EventKind.RELEASED, 3),
    (CLAIMED, 4),
    (EventKind.SUCCEEDED, 4),
)


def kept(*courses: Course) -> MemoryStore:
    store = MemoryStore()
    with store.write() as unit:
        for course in courses:
            course.keep(unit)
        unit.commit()
    return store


def judged(*courses: Course, **how: Any) -> None:
    judge_runs(kept(*courses), **how)


@pytest.mark.parametrize(
    "courses",
    [
        [],
        [Course()],
        [Course(moves=RETRIED)],
        [Course(state=RunState.FAILED, moves=FAILED)],
        [Course(state=RunState.CANCELLED, moves=((SUBMITTED, 0), (EventKind.CANCELLED, 0)))],
        [flow(RunState.SUCCEEDED, A, B), step("a"), step("b")],
        [
            flow(RunState.FAILED, A, B),
            step("a", RunState.FAILED, moves=FAILED),
            step("b", RunState.SKIPPED, moves=((EventKind.SKIPPED, 0),)),
        ],
        [
            flow(RunState.SUCCEEDED, A),
            step("a", moves=((EventKind.REUSED, 0),)),
        ],
        [
            flow(RunState.CANCELLED, A, B, cancel_requested_at=START),
            step("a", RunState.CANCELLED, moves=((SUBMITTED, 0), (EventKind.CANCELLED, 0))),
        ],
        [
            flow(RunState.FAILED, A, B, attached_to="flow"),
            step("a", RunState.FAILED, moves=((SUBMITTED, 0), (CLAIMED, 1), (EventKind.FAILED, 0))),
        ],
    ],
)
def test_what_went_well_is_left_in_peace(courses: list[Course]) -> None:
    judged(*courses, takeover=timedelta(seconds=5), limits={"demo": 2})


def test_live_runs_that_wait_or_are_held_are_in_order_where_they_may_be_live() -> None:
    begun: Moves = ((SUBMITTED, 0), (CLAIMED, 1))
    judged(
        Course("run-1", LIVE, begun, job=claimed(key="k")),
        Course("run-2", RunState.PENDING, WAITS, job=job("run-2", QueueState.HELD, key="k")),
        flow(LIVE, A, B),
        step("a", RunState.PENDING, moves=WAITS, job=job("run-a")),
        all_final=False,
    )


@pytest.mark.parametrize(
    ("courses", "objection"),
    [
        ([Course(moves=())], "has no event"),
        ([Course(moves=DONE[1:])], "begins with CLAIMED"),
        ([Course(moves=(DONE[0], *DONE))], "submitted more than once"),
        ([Course(moves=DONE[:2])], "is final with 0 outcomes"),
        ([Course(moves=(*DONE, DONE[2]))], "is final with 2 outcomes"),
        ([Course(state=RunState.FAILED)], "FAILED: has the outcome SUCCEEDED"),
        (
            [Course(moves=(*DONE, (EventKind.CANCEL_REQUESTED, 0)))],
            "went on after its end with CANCEL_REQUESTED",
        ),
        ([Course(state=LIVE, moves=DONE, job=claimed())], "is live, but has ended"),
        ([Course(state=RunState.PENDING, moves=WAITS, job=job())], "is not final"),
        (
            [Course(moves=(*DONE[:2], (EventKind.RELEASED, 1), (CLAIMED, 1), DONE[2]))],
            "claimed with fence 1 after fence 1",
        ),
        (
            [Course(moves=(*DONE[:2], (CLAIMED, 2), (EventKind.SUCCEEDED, 2)))],
            "claimed with fence 2 while claim 1 was open",
        ),
        (
            [Course(moves=(DONE[0], (CLAIMED, 1), (EventKind.RELEASED, 1), (CLAIMED, 2), DONE[2]))],
            "SUCCEEDED by ann with fence 1, but was held by ann with fence 2",
        ),
        (
            [Course(moves=(*DONE[:2], (EventKind.LEASE_LOST, 1), DONE[2]))],
            "has SUCCEEDED without a claim",
        ),
        (
            [Course(moves=(DONE[0], (EventKind.RETRY_SCHEDULED, 1), *DONE[1:]))],
            "has RETRY_SCHEDULED without a claim",
        ),
        (
            [Course(moves=(*DONE[:2], (EventKind.LEASE_LOST, 2), (CLAIMED, 3), DONE[2]))],
            "has LEASE_LOST by ann with fence 2, but was held by ann with fence 1",
        ),
        ([Course(attempt=2)], "counts 2 attempts, but was claimed 1 times"),
        (
            [Course(state=RunState.PENDING, moves=DONE[:2], job=job())],
            "is PENDING, and claimed",
        ),
        ([Course(job=job())], "is final, but still in the queue, READY"),
        ([Course(state=RunState.PENDING, moves=WAITS)], "in no queue"),
        ([Course(state=LIVE, moves=DONE[:2], job=job())], "is READY in the queue"),
        (
            [Course(state=LIVE, moves=DONE[:2], job=claimed(fence=2, owner="bob"))],
            "is held by bob with fence 2, but was claimed by ann with fence 1",
        ),
        (
            [Course(state=RunState.PENDING, moves=WAITS, job=job(state=QueueState.HELD, key="k"))],
            "waits for the key 'k', which no other job has",
        ),
    ],
)
def test_the_judge_objects_to_a_run(courses: list[Course], objection: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(objection)):
        judged(*courses)


@pytest.mark.parametrize(
    ("courses", "objection"),
    [
        (
            [
                flow(RunState.SUCCEEDED, A),
                step("a"),
                replace(step("a"), id="run-again"),
            ],
            "has 2 runs of step a",
        ),
        (
            [
                flow(RunState.SUCCEEDED, A),
                step("a", request={"item": 3}),
                replace(step("a", request={"item": 3}), id="run-again"),
            ],
            "has 2 runs of step a[3]",
        ),
        (
            [
                flow(RunState.SUCCEEDED, A),
                step("a", RunState.PENDING, moves=WAITS, job=job("run-a")),
            ],
            "is final, but step a is PENDING",
        ),
        (
            [flow(RunState.SUCCEEDED, A, B), step("a")],
            "does not follow from its steps, by which it is not over",
        ),
        (
            [flow(RunState.SUCCEEDED, A), step("a", RunState.FAILED, moves=FAILED)],
            "does not follow from its steps, by which it is FAILED",
        ),
        (
            [flow(RunState.SUCCEEDED, A, cancel_requested_at=START), step("a")],
            "by which it is CANCELLED",
        ),
        ([flow(LIVE, A), step("a")], "is live, but none of its steps"),
        ([flow(LIVE, A, B), step("a")], "has not gone on with b"),
    ],
)
def test_the_judge_objects_to_a_workflow(courses: list[Course], objection: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(objection)):
        judged(*courses)


def test_the_judge_objects_to_a_late_takeover() -> None:
    lost: Moves = (*DONE[:2], (EventKind.LEASE_LOST, 1), (CLAIMED, 2), (EventKind.SUCCEEDED, 2))
    # Another run shows that the process lived until the second at which it lost the first one.
    alive = Course("run-2", begin=0.5)

    judged(Course(moves=lost), takeover=timedelta(seconds=2))
    judged(Course(moves=lost), alive, takeover=timedelta(seconds=1.5))
    with pytest.raises(AssertionError, match=r"taken over 2\.0 s after the last sign of ann"):
        judged(Course(moves=lost), takeover=timedelta(seconds=1.5))


def test_the_judge_objects_to_two_of_a_key_at_once() -> None:
    first, second = Course("run-1"), Course("run-2", begin=0.5)

    judged(first, second)
    judged(first, Course("run-2", begin=1), keys=lambda _: "k")
    judged(first, Course("run-2", begin=0.5, request=ATTACHED), keys=lambda _: "k")
    with pytest.raises(AssertionError, match=r"run-2 .*: was claimed while run run-1 had the key"):
        judged(first, second, keys=lambda _: "k")


def test_the_keys_of_steps_are_known_from_the_plan() -> None:
    steps = [PlannedStep(name, "demo", {}, key="k") for name in ("a", "b")]
    courses = [flow(RunState.SUCCEEDED, *steps), step("a"), step("b", begin=0.5)]

    with pytest.raises(AssertionError, match="was claimed while run run-a had the key 'k'"):
        judged(*courses)


def test_the_judge_objects_to_more_runs_than_the_limit() -> None:
    courses = [Course(f"run-{number}", begin=number / 4) for number in range(3)]

    judged(*courses, limits={"demo": 3, "other": 1})
    with pytest.raises(AssertionError, match=r"run-2 .*: was the 3\. of demo at once, of which 2"):
        judged(*courses, limits={"demo": 2})


def test_a_test_may_object_to_more() -> None:
    with pytest.raises(AssertionError, match=r"run-1 .*: is late"):
        judged(Course(), also=lambda _, run: ["is late"] if run.id == "run-1" else [])


def test_all_faults_are_told_with_the_events_of_their_runs() -> None:
    with pytest.raises(AssertionError) as caught:
        judged(Course("run-1", attempt=2), Course("run-2"), Course("run-3", job=job("run-3")))

    assert str(caught.value).splitlines() == [
        "2 faults in run history",
        "run run-1 of demo, SUCCEEDED: counts 2 attempts, but was claimed 1 times",
        "    09:00:00.000 SUBMITTED",
        "    09:00:01.000 CLAIMED fence 1 by ann",
        "    09:00:02.000 SUCCEEDED fence 1 by ann",
        "run run-3 of demo, SUCCEEDED: is final, but still in the queue, READY",
        "    09:00:00.000 SUBMITTED",
        "    09:00:01.000 CLAIMED fence 1 by ann",
        "    09:00:02.000 SUCCEEDED fence 1 by ann",
    ]


def backfill(state: BackfillState, *parts: BackfillPart) -> Callable[[UnitOfWork], None]:
    day = date(2026, 1, 5)
    made = Backfill("fill", "demo", state, day, day, (), {}, 1, False, START)
    return lambda unit: unit.backfills.add(made, parts)


def part(number: int, state: PartState, run: str | None = None) -> BackfillPart:
    return BackfillPart("fill", number, f"day {number}", {}, "", state, run)


OF_FILL = {"backfill": "fill"}
GOOD = Course(request=OF_FILL)
OPEN = Course(state=RunState.PENDING, moves=WAITS, job=job(), request=OF_FILL)
OTHER = replace(OPEN, id="run-2", job=job("run-2"))


@pytest.mark.parametrize(
    ("state", "parts", "courses"),
    [
        (BackfillState.SUCCEEDED, [part(1, PartState.SUCCEEDED, "run-1")], [GOOD]),
        (
            BackfillState.RUNNING,
            [part(1, PartState.ACTIVE, "run-1"), part(2, PartState.PLANNED)],
            [OPEN],
        ),
        (BackfillState.PAUSED, [part(1, PartState.PLANNED)], []),
        (
            BackfillState.CANCELLED,
            [part(1, PartState.ACTIVE, "run-1"), part(2, PartState.CANCELLED)],
            [OPEN],
        ),
    ],
)
def test_backfills_that_stand_as_their_runs_do_are_left_in_peace(
    state: BackfillState, parts: list[BackfillPart], courses: list[Course]
) -> None:
    store = kept(*courses)
    with store.write() as unit:
        backfill(state, *parts)(unit)
        unit.commit()
    judge_runs(store, all_final=False)


@pytest.mark.parametrize(
    ("state", "parts", "courses", "objection"),
    [
        (BackfillState.PAUSED, [part(1, PartState.PLANNED)], [], "PAUSED: is not final"),
        (BackfillState.RUNNING, [part(1, PartState.ACTIVE, "run-1")], [GOOD], "run-1 is SUCCEEDED"),
        (BackfillState.RUNNING, [part(1, PartState.ACTIVE)], [], "ACTIVE, has no run"),
        (BackfillState.RUNNING, [part(1, PartState.ACTIVE, "gone")], [], "has no run gone"),
        (BackfillState.RUNNING, [part(1, PartState.PLANNED, "run-1")], [GOOD], "has run run-1 al"),
        (
            BackfillState.RUNNING,
            [part(1, PartState.ACTIVE, "run-1"), part(2, PartState.ACTIVE, "run-2")],
            [OPEN, OTHER],
            "2 partitions are active, of which 1 may be",
        ),
        (BackfillState.RUNNING, [part(1, PartState.PLANNED)], [], "there is room for them"),
        (
            BackfillState.RUNNING,
            [part(1, PartState.SUCCEEDED, "run-1")],
            [GOOD],
            "all its partitions are over",
        ),
        (
            BackfillState.CANCELLED,
            [part(1, PartState.PLANNED)],
            [],
            "1 partitions are still planned",
        ),
        (BackfillState.SUCCEEDED, [part(1, PartState.PLANNED)], [], "1 partitions are not over"),
        (
            BackfillState.FAILED,
            [part(1, PartState.SUCCEEDED, "run-1")],
            [GOOD],
            "does not follow from its partitions: SUCCEEDED",
        ),
        (BackfillState.PAUSED, [part(1, PartState.PLANNED)], [GOOD], "to none of its partitions"),
    ],
)
def test_the_judge_objects_to_a_backfill(
    state: BackfillState, parts: list[BackfillPart], courses: list[Course], objection: str
) -> None:
    store = kept(*courses)
    with store.write() as unit:
        backfill(state, *parts)(unit)
        unit.commit()
    with pytest.raises(AssertionError, match=re.escape(objection)):
        judge_runs(store)
