"""Whatever dies or fails, and when: others go on, nothing is done twice, and nothing gets stuck.

The points are counted, not listed: an undisturbed run tells which commits there are. Each of them
is met by each fault in a real process; then others go on, and the one judge looks at what is
recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest
from durable_child import PATIENCE
from durable_points import Fault, Moment, Trap
from durable_scene import (
    TAKEOVER,
    Elsewhere,
    Lane,
    Scene,
    begin,
    judge,
    lanes,
    lost_after,
    met,
    outcome,
    rescue,
    undisturbed,
    work_until,
)
from durable_work import LEASE
from sqlalchemy import URL

AT_ONCE = {Fault.KILL: 2, Fault.TERM: 2, Fault.ERROR: 2, Fault.HANG: 4}
"""How many cases go on side by side: those that hang spend their time waiting."""

LONG = timedelta(minutes=1)
EXPECTED = {
    "submit report",
    "submit keyed 1",
    "submit keyed 2",
    "submit unwanted",
    "cancel unwanted",
    "plan backfill",
    "reap left",
    "claim left",
    "finish left",
    "retry fetch",
    "renew",
    "finish fetch",
    "finish beside",
    "finish keyed 1",
    "finish keyed 2",
    "finish part[0]",
    "finish part[1] and end report",
    "finish day 2025-11-10",
    "finish day 2025-11-11",
    "finish day 2025-11-12",
}


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> URL | None:
    """The PostgreSQL, or None for files."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_server")


@pytest.mark.parametrize("fault", list(Fault))
def test_whatever_strikes_at_any_commit_others_go_on(
    fault: Fault, server: URL | None, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    with lanes(server, tmp_path, AT_ONCE[fault]) as places:
        scene = undisturbed(places[0])
        names = {point.name for point in scene.points}
        assert names >= EXPECTED, f"never met: {EXPECTED - names}"
        _meet_all(scene, fault, places, subtests)


@pytest.mark.parametrize("fault", list(Fault))
def test_whatever_strikes_a_worker_that_gives_back_its_runs_others_go_on(
    fault: Fault, server: URL | None, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    with lanes(server, tmp_path, AT_ONCE[fault]) as places:
        scene = undisturbed(places[0], gives_back=True)
        names = {point.name for point in scene.points}
        assert names == {"claim fetch", "release fetch", "release beside"}
        _meet_all(scene, fault, places, subtests)


def test_a_worker_of_another_machine_takes_over_when_the_lease_is_over_and_no_sooner(
    server: URL | None, tmp_path: Path
) -> None:
    with lanes(server, tmp_path, 1) as (lane,):
        scene = undisturbed(lane)
        for name in ("claim left", "finish left"):
            lane.empty()
            killed = begin(lane, scene, Trap(scene.point(name), Moment.AFTER, Fault.KILL))
            assert killed.answer() is None
            rescue(lane, Elsewhere())
            judge(lane, TAKEOVER)
            losses = lost_after(lane)
            assert losses
            assert all(LEASE <= held < TAKEOVER for held in losses), losses


def test_a_worker_of_the_same_machine_does_not_wait_for_the_lease_of_a_process_that_is_gone(
    server: URL | None, tmp_path: Path
) -> None:
    assert LONG.total_seconds() > PATIENCE, "whoever waits for the lease gives up"
    with lanes(server, tmp_path, 1) as (lane,):
        scene = undisturbed(lane)
        lane.empty()
        trap = Trap(scene.point("claim left"), Moment.AFTER, Fault.KILL)
        assert begin(lane, scene, trap, LONG).answer() is None
        rescue(lane)
        judge(lane)
        assert outcome(lane) == scene.outcome


def test_who_hangs_in_its_last_transaction_keeps_nobody_from_taking_back_the_rest(
    postgres_server: URL, tmp_path: Path
) -> None:
    with lanes(postgres_server, tmp_path, 1) as (lane,):
        scene = undisturbed(lane)
        lane.empty()
        child = begin(lane, scene, Trap(scene.point("finish left"), Moment.BEFORE, Fault.HANG))
        child.await_stop()
        with lane.store.read() as unit:
            kept = [job.run for job in unit.queue.claimed()]
        assert len(kept) == 3, "the one that it finishes, and two more"
        release = threading.Timer(TAKEOVER.total_seconds(), child.go_on)
        release.start()

        def taken() -> bool:
            with lane.store.read() as unit:
                return len({job.run for job in unit.queue.claimed()}.intersection(kept)) < 2

        try:
            work_until(lane, taken)
        finally:
            release.cancel()
        assert child.stopped, "they waited until it had gone on"
        child.go_on()
        assert child.answer() is not None
        rescue(lane)
        judge(lane)
        assert outcome(lane) == scene.outcome


def _meet_all(
    scene: Scene, fault: Fault, places: Sequence[Lane], subtests: pytest.Subtests
) -> None:
    free: SimpleQueue[Lane] = SimpleQueue()
    for place in places:
        free.put(place)

    def meet(trap: Trap) -> None:
        lane = free.get()
        try:
            met(lane, scene, trap)
        except BaseException:
            lane.drop_child()
            raise
        finally:
            free.put(lane)

    traps = scene.traps(fault)
    with ThreadPoolExecutor(len(places)) as pool:
        for trap, done in [(trap, pool.submit(meet, trap)) for trap in traps]:
            with subtests.test(str(trap)):
                done.result()
