"""What every BackfillStore has to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from ..domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ..domain.errors import LoadError
from ..domain.partitions import PartitionState
from ..ports.storage import Store
from .store_suite_run_samples import in_threads, with_runs
from .store_suite_samples import NOON, TEXTS, a_run

RUNNING, PAUSED = BackfillState.RUNNING, BackfillState.PAUSED


def a_backfill(backfill_id: str = "fill-1", **changes: Any) -> Backfill:
    """A backfill that is RUNNING since noon."""
    values: dict[str, Any] = {
        "pipeline": "finra.refresh",
        "state": RUNNING,
        "first": date(2025, 11, 3),
        "last": date(2025, 11, 10),
        "only": (),
        "parameters": {},
        "max_active": 2,
        "force": False,
        "created_at": NOON,
    }
    return Backfill(id=backfill_id, **{**values, **changes})


def a_part(number: int, backfill: str = "fill-1", **changes: Any) -> BackfillPart:
    """A partition that is PLANNED."""
    values: dict[str, Any] = {
        "partition": f"part-{number}",
        "parameters": {"n": number},
        "reason": "nothing was captured",
    }
    return BackfillPart(backfill, number, **{**values, **changes})


class BackfillStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_a_backfill_comes_back_as_it_was_written(self, store: Store) -> None:
        backfill = a_backfill(
            state=BackfillState.FAILED,
            only=(PartitionState.REVISED, PartitionState.MISSING),
            parameters={"symbols": ["ü", "AAPL"], "deep": {"n": 1.5, "none": None}},
            max_active=7,
            force=True,
            created_at=NOON - timedelta(microseconds=1),
            finished_at=NOON + timedelta(microseconds=1),
            step={"name": "é", "retry": {"attempts": 3}, "none": None},
        )
        self._add(store, backfill)
        self._add(store, a_backfill("fill-2"))
        with store.read() as unit:
            assert unit.backfills.get("fill-1") == backfill
            assert unit.backfills.get("fill-2") == a_backfill("fill-2")
            assert unit.backfills.get("unknown") is None

    def test_partitions_come_back_as_they_were_written(self, store: Store) -> None:
        parts = [
            a_part(number, reason=text, parameters={"text": text})
            for number, text in enumerate(TEXTS, start=1)
        ]
        with_runs(store, a_run())
        parts[1] = replace(
            parts[1], state=PartState.ACTIVE, run="run-1", partition="2025-11-10/é/AAPL"
        )
        self._add(store, a_backfill(), *reversed(parts))
        with store.read() as unit:
            assert list(unit.backfills.parts("fill-1")) == parts
            assert list(unit.backfills.parts("unknown")) == []

    def test_two_backfills_cannot_share_an_id(self, store: Store) -> None:
        self._add(store, a_backfill())
        with store.write() as unit, pytest.raises(LoadError):
            unit.backfills.add(a_backfill(pipeline="other"), [])

    def test_two_partitions_cannot_share_a_number(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.backfills.add(a_backfill(), [a_part(1), a_part(1)])

    def test_a_parameter_that_is_no_json_is_refused(self, store: Store) -> None:
        for backfill, part in (
            (a_backfill(parameters={"when": NOON}), a_part(1)),
            (a_backfill(), a_part(1, parameters={"when": NOON})),
        ):
            with store.write() as unit, pytest.raises(LoadError, match="fill-1"):
                unit.backfills.add(backfill, [part])

    def test_a_backfill_is_found_by_its_request(self, store: Store) -> None:
        with store.write() as unit:
            unit.backfills.add(a_backfill(), [a_part(1)], request="É 1")
            unit.backfills.add(a_backfill("fill-2"), [], request="other")
            unit.backfills.add(a_backfill("fill-3"), [])
            assert unit.backfills.find_request("É 1") == a_backfill()
            unit.backfills.change("fill-2", expected=[RUNNING], state=PAUSED)
            unit.commit()
        with store.write() as unit, pytest.raises(LoadError):
            unit.backfills.add(a_backfill("fill-4"), [a_part(1, "fill-4")], request="É 1")
        with store.read() as unit:
            assert unit.backfills.find_request("É 1") == a_backfill()
            assert unit.backfills.find_request("other") == a_backfill("fill-2", state=PAUSED)
            assert unit.backfills.find_request("É") is None
            assert unit.backfills.get("fill-4") is None

    def test_the_request_of_a_backfill_that_was_rolled_back_is_free(self, store: Store) -> None:
        with store.write() as unit:
            unit.backfills.add(a_backfill(), [], request="request")
        with store.write() as unit:
            assert unit.backfills.find_request("request") is None
            unit.backfills.add(a_backfill("fill-2"), [], request="request")
            unit.commit()

    def test_of_one_request_sent_many_times_at_once_one_makes_a_backfill(
        self, store: Store
    ) -> None:
        refused: list[LoadError] = []

        def create(name: str) -> None:
            try:
                with store.write() as unit:
                    unit.backfills.add(a_backfill(name), [a_part(1, name)], request="request")
                    unit.commit()
            except LoadError as error:
                refused.append(error)

        in_threads(*(partial(create, f"fill-{number}") for number in range(6)))
        assert len(refused) == 5
        with store.read() as unit:
            (made,) = unit.backfills.list()
            assert unit.backfills.find_request("request") == made

    def test_what_is_not_committed_is_not_there(self, store: Store) -> None:
        with store.write() as unit:
            unit.backfills.add(a_backfill(), [a_part(1)])
        with store.read() as unit:
            assert unit.backfills.get("fill-1") is None
            assert list(unit.backfills.parts("fill-1")) == []

    def test_backfills_are_listed_newest_first(self, store: Store) -> None:
        for name in ("b", "d", "a", "c", "e"):
            self._add(store, a_backfill(name))
        with store.read() as unit:
            pages = [
                [item.id for item in unit.backfills.list(before=before, limit=2)]
                for before in (None, "d", "b", "a")
            ]
            assert len(unit.backfills.list()) == 5
        assert pages == [["e", "d"], ["c", "b"], ["a"], []]

    def test_the_state_changes_from_what_was_expected(self, store: Store) -> None:
        self._add(store, a_backfill())
        self._add(store, a_backfill("fill-2"))
        with store.write() as unit:
            change = unit.backfills.change
            assert change("fill-1", expected=[PAUSED], state=BackfillState.CANCELLED) is False
            assert change("fill-1", expected=[], state=BackfillState.CANCELLED) is False
            assert change("unknown", expected=[RUNNING], state=PAUSED) is False
            assert change("fill-1", expected=[RUNNING], state=PAUSED) is True
            assert change("fill-1", expected=[RUNNING], state=PAUSED) is False
            assert change(
                "fill-1",
                expected=(RUNNING, PAUSED),
                state=BackfillState.CANCELLED,
                finished_at=NOON,
            )
            unit.commit()
        with store.read() as unit:
            assert unit.backfills.get("fill-1") == a_backfill(
                state=BackfillState.CANCELLED, finished_at=NOON
            )
            assert unit.backfills.get("fill-2") == a_backfill("fill-2")

    def test_a_backfill_is_held(self, store: Store) -> None:
        self._add(store, a_backfill())
        with store.write() as unit:
            assert unit.backfills.hold("fill-1") == a_backfill()
            assert unit.backfills.hold("unknown") is None
            assert unit.backfills.change("fill-1", expected=[RUNNING], state=PAUSED)
            assert unit.backfills.hold("fill-1") == a_backfill(state=PAUSED)

    def test_the_limit_of_a_backfill_changes_with_its_state_or_without(self, store: Store) -> None:
        self._add(store, a_backfill(max_active=4))
        with store.write() as unit:
            change = unit.backfills.change
            assert change("fill-1", expected=[RUNNING], state=RUNNING, max_active=9)
            assert change("fill-1", expected=[PAUSED], state=PAUSED, max_active=1) is False
            unit.commit()
        with store.read() as unit:
            assert unit.backfills.get("fill-1") == a_backfill(max_active=9)
        with store.write() as unit:
            assert unit.backfills.change("fill-1", expected=[RUNNING], state=PAUSED)
            unit.commit()
        with store.read() as unit:
            assert unit.backfills.get("fill-1") == a_backfill(state=PAUSED, max_active=9)

    def test_who_holds_a_backfill_decides_alone(self, store: Store) -> None:
        self._add(store, a_backfill(max_active=3), *(a_part(number) for number in range(1, 9)))

        def start_some() -> None:
            with store.write() as unit:
                held = unit.backfills.hold("fill-1")
                assert held is not None
                active = unit.backfills.counts("fill-1").get(PartState.ACTIVE, 0)
                planned = unit.backfills.parts(
                    "fill-1", states=[PartState.PLANNED], limit=max(0, held.max_active - active)
                )
                active_now = [replace(part, state=PartState.ACTIVE) for part in planned]
                changed = unit.backfills.change_parts(*active_now, expected=PartState.PLANNED)
                assert changed == len(planned)
                unit.commit()

        in_threads(*[start_some] * 6)
        with store.read() as unit:
            counts = dict(unit.backfills.counts("fill-1"))
        assert counts == {PartState.ACTIVE: 3, PartState.PLANNED: 5}

    def test_partitions_are_counted_by_state(self, store: Store) -> None:
        states = [PartState.PLANNED, PartState.FAILED, PartState.PLANNED, PartState.SUCCEEDED]
        parts = [a_part(number, state=state) for number, state in enumerate(states, start=1)]
        self._add(store, a_backfill(), *parts)
        self._add(store, a_backfill("fill-2"), a_part(1, "fill-2"))
        with store.read() as unit:
            assert dict(unit.backfills.counts("fill-1")) == {
                PartState.PLANNED: 2,
                PartState.FAILED: 1,
                PartState.SUCCEEDED: 1,
            }
            assert dict(unit.backfills.counts("unknown")) == {}

    def test_partitions_are_read_on_and_by_state(self, store: Store) -> None:
        parts = [
            a_part(number, state=PartState.FAILED if number % 3 == 0 else PartState.PLANNED)
            for number in range(1, 12)
        ]
        self._add(store, a_backfill(), *parts)
        with store.read() as unit:
            read = unit.backfills.parts
            assert [part.number for part in read("fill-1", after=9)] == [10, 11]
            assert [part.number for part in read("fill-1", after=2, limit=3)] == [3, 4, 5]
            assert [part.number for part in read("fill-1", limit=0)] == []
            failed = read("fill-1", states=[PartState.FAILED], after=3, limit=1)
            assert [part.number for part in failed] == [6]
            both = read("fill-1", states=(PartState.FAILED, PartState.PLANNED))
            assert list(both) == parts
            assert list(read("fill-1", states={PartState.CANCELLED})) == []

    def test_partitions_change_from_what_was_expected(self, store: Store) -> None:
        with_runs(store, a_run("run-1"), a_run("run-2"))
        self._add(store, a_backfill(), a_part(1), a_part(2), a_part(3))
        self._add(store, a_backfill("fill-2"), a_part(1, "fill-2"))
        planned, active, failed = PartState.PLANNED, PartState.ACTIVE, PartState.FAILED
        with store.write() as unit:
            change = unit.backfills.change_parts
            assert change(expected=active) == 0
            assert change(a_part(1, state=failed), expected=active) == 0
            nowhere = (a_part(4, state=failed), a_part(1, "unknown", state=failed))
            assert change(*nowhere, expected=planned) == 0
            begun = (a_part(3, state=active, run="run-2"), a_part(1, state=active, run="run-1"))
            assert change(*begun, a_part(5, state=active), expected=planned) == 2
            assert change(a_part(1, state=active, run="run-2"), expected=planned) == 0
            assert change(a_part(1, state=failed, run="run-1"), expected=active) == 1
            unit.commit()
        with store.read() as unit:
            assert list(unit.backfills.parts("fill-1")) == [
                a_part(1, state=failed, run="run-1"),
                a_part(2),
                a_part(3, state=active, run="run-2"),
            ]
            assert list(unit.backfills.parts("fill-2")) == [a_part(1, "fill-2")]
        with store.write() as unit:
            assert unit.backfills.change_parts(a_part(1), expected=failed) == 1
            assert unit.backfills.parts("fill-1", limit=1)[0] == a_part(1)

    def test_many_partitions_are_added_at_once(self, store: Store) -> None:
        with store.write() as unit:
            unit.backfills.add(a_backfill(), (a_part(number) for number in range(1, 2501)))
            unit.commit()
        with store.read() as unit:
            assert dict(unit.backfills.counts("fill-1")) == {PartState.PLANNED: 2500}
            assert len(unit.backfills.parts("fill-1")) == 1000
            assert list(unit.backfills.parts("fill-1", after=2499)) == [a_part(2500)]

    def _add(self, store: Store, backfill: Backfill, *parts: BackfillPart) -> None:
        with store.write() as unit:
            unit.backfills.add(backfill, parts)
            unit.commit()
