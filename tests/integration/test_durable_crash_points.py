"""Whatever dies or fails, and when: others go on, nothing is done twice, and nothing gets stuck.

The points are counted, not listed: an undisturbed run tells which commits there are. Each of them
is met by each fault in a real process; then others go on, and the one judge looks at what is
recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest
from durable_points import Fault, Trap
from durable_scene import Lane, Scene, lanes, met, undisturbed
from sqlalchemy import URL

AT_ONCE = {Fault.KILL: 2, Fault.TERM: 2, Fault.ERROR: 2, Fault.HANG: 4}
"""How many cases go on side by side: those that hang spend their time waiting."""

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
def server(request: pytest.FixtureRequest) -> Iterator[URL | None]:
    """The PostgreSQL, or None for files."""
    yield None if request.param == "sqlite" else request.getfixturevalue("postgres_server")


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


def _meet_all(
    scene: Scene, fault: Fault, places: list[Lane], subtests: pytest.Subtests
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
