"""A simple model of the queue of runs, and the calls by which a store is compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from market_spine.domain.queueing import Capacity, Job, Lease, QueueState
from market_spine.domain.runs import Run, RunState
from market_spine.ports.storage import Store

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
LONG = timedelta(minutes=10)
OWNERS = ("ann", "bob", "cy")
POOLS = ("light", "heavy")
PIPELINES = ("p", "q")


def limits_of(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, int | None]]:
    """A limit for all of the names, or for most of them."""
    limits = {name: st.sampled_from([None, 1, 2, 0]) for name in names}
    return st.one_of(
        st.fixed_dictionaries(limits),
        st.fixed_dictionaries({names[0]: limits[names[0]]}),
    )


@dataclass(frozen=True)
class Wish:
    """A job to be added; one with an ``owner`` is claimed already, as attached runs are."""

    rank: int
    key: str | None
    pool: str
    pipeline: str
    due: bool
    owner: str | None


WISHES = st.builds(
    Wish,
    rank=st.integers(0, 3),
    key=st.sampled_from([None, None, "k", "l"]),
    pool=st.sampled_from(POOLS),
    pipeline=st.sampled_from(PIPELINES),
    due=st.sampled_from([True, True, False]),
    owner=st.sampled_from([None, None, None, *OWNERS[:1]]),
)


class Place(Enum):
    """Where a job stands: a WAITING one that is due is as good as READY."""

    OPEN = "OPEN"
    LATER = "LATER"
    HELD = "HELD"
    CLAIMED = "CLAIMED"


@dataclass
class Expected:
    """What the model knows of a job."""

    run: str
    rank: int
    pool: str
    pipeline: str
    key: str | None
    due: bool
    place: Place
    fence: int = 0
    owner: str | None = None
    expired: bool = False
    cancelled: bool = False
    attached: bool = False

    @property
    def order(self) -> tuple[int, str]:
        return self.rank, self.run


class QueueMachine(RuleBasedStateMachine):
    """Subclasses say how a store is made, and whether its time can be let pass."""

    time_passes: ClassVar[bool] = False
    runs = Bundle("runs")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.time = START
        self.store = self.make_store()
        self.jobs: dict[str, Expected] = {}
        self.gone: set[str] = set()
        self.fences: dict[str, int] = {}

    def make_store(self) -> Store:
        raise NotImplementedError

    @initialize(target=runs, wishes=st.lists(WISHES, min_size=3, max_size=8))
    def begin(self, wishes: list[Wish]) -> object:
        return multiple(*(self._add(wish) for wish in wishes))

    @rule(target=runs, wish=WISHES)
    def add(self, wish: Wish) -> str:
        return self._add(wish)

    @rule(
        target=leases,
        owner=st.sampled_from(OWNERS),
        jobs=st.integers(1, 4),
        pools=limits_of(POOLS),
        pipelines=limits_of(PIPELINES),
        lasts=st.booleans(),
    )
    def claim(
        self,
        owner: str,
        jobs: int,
        pools: dict[str, int | None],
        pipelines: dict[str, int | None],
        lasts: bool,
    ) -> object:
        lease = LONG if lasts else timedelta(0)
        return self._claim(Capacity(owner, jobs, lease, pipelines, pools))

    @rule(target=leases, owner=st.sampled_from(OWNERS), jobs=st.integers(1, 4))
    def claim_whatever_there_is(self, owner: str, jobs: int) -> object:
        return self._claim(_without_limits(owner, jobs))

    @rule(owner=st.sampled_from(OWNERS))
    def claim_in_vain(self, owner: str) -> None:
        capacity = _without_limits(owner, 4)
        with self.store.write() as unit:
            claimed = [job.run for job in unit.queue.claim(capacity)]
        assert claimed == self._claimable(capacity)

    @rule(owner=st.sampled_from(OWNERS))
    def renew(self, owner: str) -> None:
        with self.store.write() as unit:
            renewed = unit.queue.renew(owner, LONG)
            unit.commit()
        mine = {
            run: job
            for run, job in self.jobs.items()
            if job.place is Place.CLAIMED and job.owner == owner
        }
        assert {job.run: job.cancel_requested for job in renewed} == {
            run: job.cancelled for run, job in mine.items()
        }
        for job in mine.values():
            job.expired = False

    @rule(lease=leases, due=st.booleans(), failures=st.integers(0, 3))
    def put_back(self, lease: Lease, due: bool, failures: int) -> None:
        with self.store.write() as unit:
            job = Job(
                lease.run,
                "ignored",
                START,
                state=QueueState.READY if due else QueueState.WAITING,
                ready_at=None if due else unit.queue.now() + LONG,
                failures=failures,
            )
            assert unit.queue.put_back(lease, job) is self._holds(lease)
            unit.commit()
        if self._holds(lease):
            expected = self.jobs[lease.run]
            expected.place = Place.OPEN if due else Place.LATER
            expected.due, expected.owner, expected.expired = due, None, False

    @rule(lease=leases, commits=st.sampled_from([True, True, False]))
    def remove(self, lease: Lease, commits: bool) -> None:
        with self.store.write() as unit:
            assert unit.queue.remove(lease) == self._holds(lease)
            if commits:
                unit.commit()
        if commits and self._holds(lease):
            self._take_out(lease.run)

    @rule(run=runs)
    def cancel(self, run: str) -> None:
        with self.store.write() as unit:
            state = unit.queue.cancel(run).get(run)
            unit.commit()
        expected = self.jobs.get(run)
        assert (state is None) is (expected is None)
        if expected is None:
            return
        assert (state is QueueState.CLAIMED) is (expected.place is Place.CLAIMED)
        assert (state is QueueState.HELD) is (expected.place is Place.HELD)
        if expected.place is Place.CLAIMED:
            expected.cancelled = True
        else:
            self._take_out(run)

    @rule(run=consumes(runs))
    def end_whoever_has_it(self, run: str) -> None:
        """As a reaper does that has closed the run of a process that vanished."""
        expected = self.jobs.get(run)
        if expected is None or expected.place is not Place.CLAIMED:
            return
        with self.store.write() as unit:
            job = unit.queue.get(run)
            assert job is not None
            assert unit.queue.remove(job.lease)
            unit.commit()
        self._take_out(run)

    @precondition(lambda self: self.time_passes)
    @rule()
    def let_time_pass(self) -> None:
        self.time += 2 * LONG
        for job in self.jobs.values():
            job.due = True
            job.expired = True
            if job.place is Place.LATER:
                job.place = Place.OPEN

    @invariant()
    def the_queue_is_as_expected(self) -> None:
        with self.store.read() as unit:
            now = unit.queue.now()
            found = {run: unit.queue.get(run) for run in self.jobs}
            assert not any(unit.queue.get(run) for run in self.gone), "a job came back"
            claimed = {job.run for job in unit.queue.claimed()}
        for run, job in found.items():
            expected = self.jobs[run]
            assert job is not None, f"{run} was lost"
            assert _place(job, now) is expected.place, run
            assert (job.fence, job.owner, job.cancel_requested, job.key) == (
                expected.fence,
                expected.owner,
                expected.cancelled,
                expected.key,
            ), run
            assert job.fence >= self.fences.get(run, 0), "a fence fell"
            self.fences[run] = job.fence
            if job.state is QueueState.CLAIMED:
                assert job.lease_until is not None
                assert (job.lease_until <= now) is expected.expired
        assert claimed == {run for run, job in found.items() if job and _is_claimed(job)}
        self._keys_are_kept(found)

    def _keys_are_kept(self, found: Mapping[str, Job | None]) -> None:
        """One of a key is on its way, beside those claimed when they were queued; none is stuck."""
        on_their_way = [job for job in found.values() if job and job.state is not QueueState.HELD]
        with_key = [job.key for job in on_their_way if job.key and not self.jobs[job.run].attached]
        assert len(with_key) == len(set(with_key)), "two jobs of a key are on their way"
        held = {job.key for job in found.values() if job and job.state is QueueState.HELD}
        assert held <= {job.key for job in on_their_way if job.key}, "a job is held by nobody"

    def _add(self, wish: Wish) -> str:
        run = f"run-{len(self.jobs) + len(self.gone):03}"
        with self.store.write() as unit:
            now = unit.queue.now()
            job = Job(
                run=run,
                pipeline=wish.pipeline,
                pool=wish.pool,
                ranked_at=START + timedelta(seconds=wish.rank),
                state=QueueState.READY if wish.due else QueueState.WAITING,
                ready_at=None if wish.due else now + LONG,
                key=wish.key,
            )
            place = Place.OPEN if wish.due else Place.LATER
            if wish.owner is not None:
                place = Place.CLAIMED
                claim = {"owner": wish.owner, "fence": 1, "attempt": 1, "lease_until": now + LONG}
                job = replace(job, state=QueueState.CLAIMED, **claim)
            elif wish.key and any(other.key == wish.key for other in self.jobs.values()):
                place = Place.HELD
            unit.runs.add(Run(run, wish.pipeline, {}, RunState.RUNNING, START))
            assert _place(unit.queue.add(job)[0], now) is place
            unit.commit()
        self.jobs[run] = Expected(
            run=run,
            rank=wish.rank,
            pool=wish.pool,
            pipeline=wish.pipeline,
            key=wish.key,
            due=wish.due,
            place=place,
            fence=job.fence,
            owner=job.owner,
            attached=wish.owner is not None,
        )
        return run

    def _claim(self, capacity: Capacity) -> object:
        with self.store.write() as unit:
            claimed = unit.queue.claim(capacity)
            unit.commit()
        assert [job.run for job in claimed] == self._claimable(capacity)
        for job in claimed:
            expected = self.jobs[job.run]
            expected.place, expected.owner = Place.CLAIMED, capacity.owner
            expected.expired = not capacity.lease
            expected.fence += 1
        return multiple(*(job.lease for job in claimed))

    def _claimable(self, capacity: Capacity) -> list[str]:
        """What a claim is to give, found in another way: one job after the other, counted anew."""
        chosen: list[Expected] = []
        running = [
            job for job in self.jobs.values() if job.place is Place.CLAIMED and not job.expired
        ]
        for job in sorted(self.jobs.values(), key=lambda job: job.order):
            if job.place is not Place.OPEN or len(chosen) == capacity.jobs:
                continue
            taken = running + chosen
            in_pool = sum(other.pool == job.pool for other in taken)
            of_pipeline = sum(other.pipeline == job.pipeline for other in taken)
            if _admits(capacity.pools, job.pool, in_pool) and _admits(
                capacity.pipelines, job.pipeline, of_pipeline
            ):
                chosen.append(job)
        return [job.run for job in chosen]

    def _holds(self, lease: Lease) -> bool:
        job = self.jobs.get(lease.run)
        return (
            job is not None
            and job.place is Place.CLAIMED
            and (job.owner, job.fence) == (lease.owner, lease.fence)
        )

    def _take_out(self, run: str) -> None:
        key = self.jobs.pop(run).key
        self.gone.add(run)
        self.fences.pop(run, None)
        others = [job for job in self.jobs.values() if key is not None and job.key == key]
        if others and all(job.place is Place.HELD for job in others):
            first = min(others, key=lambda job: job.order)
            first.place = Place.OPEN if first.due else Place.LATER


def _place(job: Job, now: datetime) -> Place:
    if job.state is QueueState.WAITING:
        return Place.LATER if job.ready_at is not None and job.ready_at > now else Place.OPEN
    return Place.OPEN if job.state is QueueState.READY else Place(job.state.value)


def _is_claimed(job: Job) -> bool:
    return job.state is QueueState.CLAIMED


def _without_limits(owner: str, jobs: int) -> Capacity:
    return Capacity(owner, jobs, LONG, dict.fromkeys(PIPELINES), dict.fromkeys(POOLS))


def _admits(limits: Mapping[str, int | None], name: str, running: int) -> bool:
    limit = limits.get(name, 0)
    return limit is None or running < limit
