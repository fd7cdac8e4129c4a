"""What every Store has to keep where data is listed in pages: each item once, whatever is added."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import Any

import polars as pl
import pytest

from ..domain.captures import (
    Capture,
    CaptureFilter,
    ManifestEntry,
    Partition,
    PartitionFilter,
    Reject,
    RejectFilter,
    Stage,
)
from ..domain.errors import ValidationError
from ..domain.quality import QualityResult
from ..ports.storage import Store, UnitOfWork
from .store_suite_samples import (
    NOON,
    WEEK,
    a_capture,
    a_check,
    a_run,
    an_entry,
    some_rejects,
)

PAGE_SIZES = (1, 2, 3, 7)
ADDED_WHILE_PAGING = 6

MINUTE = timedelta(minutes=1)
WEEKS = [WEEK + timedelta(days=7 * number) for number in range(-1, 3)]
DOMAINS, SEGMENTS = ("a.domain", "b.domain"), ("A", "B", "B 1", "É")
RUNS = [f"run-{number}" for number in range(1, 5)]
AT_FIRST = [
    (domain, week, segment)
    for domain, week, segment in product(DOMAINS, WEEKS[1:3], SEGMENTS[1:3])
    for _ in range(2 if segment == "B" else 1)
]
"""Partitions of the captures that are there before anything is listed."""


@dataclass(slots=True)
class _Walk:
    """A list that is read page by page: the filter of its next one, and what was told so far."""

    page: Any
    existed: list[Hashable]
    told: list[Hashable] = field(default_factory=list)
    over: bool = False


def check_pages(
    store: Store,
    ask: Callable[[UnitOfWork, Any], Sequence[Any]],
    filters: Sequence[Any],
    add: Callable[[UnitOfWork], object],
    *,
    name: Callable[[Any], Hashable],
    go_on: Callable[[Any, Any], Any] = lambda wanted, last: replace(wanted, after=last.position),
    largest: int | None = None,
) -> None:
    """Read lists in pages of several sizes, while ``add`` adds something after each page.

    What was there all the time comes once, in its place; what was added comes in its place or not
    at all. ``largest`` is the limit that lists everything.
    """

    def names_of_all(unit: UnitOfWork, wanted: Any) -> list[Hashable]:
        return [name(item) for item in ask(unit, replace(wanted, limit=largest))]

    for size in PAGE_SIZES:
        with store.read() as unit:
            walks = [
                _Walk(replace(wanted, limit=size), names_of_all(unit, wanted)) for wanted in filters
            ]
        assert all(walk.existed for walk in walks), "a filter keeps nothing"
        rounds = 0
        while going := [walk for walk in walks if not walk.over]:
            with store.read() as unit:
                for walk in going:
                    page = ask(unit, walk.page)
                    assert len(page) <= size
                    names = [name(item) for item in page]
                    # Looked at now: a list that goes on where it was would never end.
                    assert not set(names) & set(walk.told), f"{walk.page}: something came twice"
                    walk.told += names
                    walk.over = not page
                    walk.page = go_on(walk.page, page[-1]) if page else walk.page
            rounds += 1
            if rounds <= ADDED_WHILE_PAGING:
                with store.write() as unit:
                    add(unit)
                    unit.commit()
        with store.read() as unit:
            for wanted, walk in zip(filters, walks, strict=True):
                assert len(walk.told) == len(set(walk.told)), f"{wanted}: twice in a page"
                assert [item for item in walk.told if item in walk.existed] == walk.existed
                now = names_of_all(unit, wanted)
                assert [item for item in now if item in walk.told] == walk.told


def check_filters(
    store: Store,
    ask: Callable[[UnitOfWork, Any], Sequence[Any]],
    filters: Iterable[Any],
    *,
    name: Callable[[Any], Hashable],
) -> None:
    """Go on after each item of the whole list, in lists of which not every item is a part."""
    with store.read() as unit:
        whole = list(ask(unit, replace(next(iter(filters)), limit=None)))
        places = {name(item): place for place, item in enumerate(whole)}
        assert len(places) == len(whole)
        kept = set()
        for wanted in filters:
            listed = list(ask(unit, replace(wanted, limit=None)))
            kept.add(len(listed))
            for last in whole:
                rest = [item for item in listed if places[name(item)] > places[name(last)]]
                for limit in (None, 2):
                    after = replace(wanted, after=last.position, limit=limit)
                    assert list(ask(unit, after)) == rest[:limit], after
        assert len(kept) > 3, "the filters keep the same"


def with_captures(store: Store) -> list[Capture]:
    """Commit four runs and captures of AT_FIRST, a minute apart; they come back as stored."""
    with store.write() as unit:
        unit.runs.add(*map(a_run, RUNS))
        captures = [
            _added(unit, number, Partition(*partition)) for number, partition in enumerate(AT_FIRST)
        ]
        unit.commit()
    return captures


class PageSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_captures_in_pages(self, store: Store) -> None:
        with_captures(store)
        filters = [
            CaptureFilter(),
            CaptureFilter(domain="a.domain", first_period=WEEKS[1]),
            CaptureFilter(segment="B", as_of=NOON + timedelta(days=1)),
        ]
        check_pages(store, _captures, filters, _Captures().add, name=lambda item: item.id)

    def test_the_newest_captures_in_pages(self, store: Store) -> None:
        # Which is the newest changes meanwhile: of each partition one is told.
        with_captures(store)
        filters = [CaptureFilter(latest_only=True), CaptureFilter(latest_only=True, segment="B")]
        check_pages(store, _captures, filters, _Captures().add, name=lambda item: item.partition)

    def test_a_partition_whose_newest_capture_is_taken_back_is_not_told_again(
        self, store: Store
    ) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for capture in captures:
                unit.manifest.record(an_entry(capture, Stage.MEASURED))
            wanted = CaptureFilter(stage=Stage.MEASURED, latest_only=True)
            told = unit.captures.list(wanted)
            first = next(item for item in told if item.sequence > 1)
            unit.manifest.withdraw(first.id, Stage.MEASURED)
            rest = unit.captures.list(replace(wanted, after=first.position))
            assert list(rest) == list(told[told.index(first) + 1 :])

    def test_captures_that_are_filtered_go_on_after_any(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for capture in captures[::2]:
                unit.manifest.record(an_entry(capture, Stage.NORMALIZED))
            unit.commit()
        filters = [
            CaptureFilter(),
            CaptureFilter(domain="b.domain"),
            CaptureFilter(first_period=WEEKS[2]),
            CaptureFilter(last_period=WEEKS[1], segment="B"),
            CaptureFilter(digest=captures[3].digest),
            CaptureFilter(as_of=NOON + 6 * MINUTE),
            CaptureFilter(stage=Stage.NORMALIZED),
        ]
        check_filters(store, _captures, filters, name=lambda item: item.id)

    def test_the_newest_that_are_filtered_go_on_with_the_next_partition(self, store: Store) -> None:
        captures = with_captures(store)
        newest = CaptureFilter(latest_only=True)
        with store.read() as unit:
            partitions = [item.partition for item in unit.captures.list(newest)]
            for wanted in (
                newest,
                replace(newest, domain="a.domain"),
                replace(newest, as_of=NOON + 7 * MINUTE),
                replace(newest, digest=captures[0].digest),
            ):
                listed = unit.captures.list(wanted)
                for last in captures:
                    passed = partitions[: partitions.index(last.partition) + 1]
                    after = replace(wanted, after=last.position)
                    assert list(unit.captures.list(after)) == [
                        item for item in listed if item.partition not in passed
                    ]

    def test_the_manifest_in_pages(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for capture in captures[1:]:
                unit.manifest.record(an_entry(capture, Stage.CAPTURED))
                unit.manifest.record(an_entry(capture, Stage.MEASURED))
            unit.commit()
        more = _Captures()

        def add(unit: UnitOfWork) -> None:
            unit.manifest.record(an_entry(captures[more.added % 5], Stage.NORMALIZED))
            unit.manifest.record(an_entry(captures[1 + more.added % 5], Stage.MEASURED, rows=9))
            unit.manifest.record(an_entry(more.add(unit), Stage.CAPTURED))

        filters = [PartitionFilter(), PartitionFilter(domain="b.domain")]
        check_pages(store, _entries, filters, add, name=_stage_of)

    def test_a_manifest_that_is_filtered_goes_on_after_any(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for number, capture in enumerate(captures):
                run, at = RUNS[number % 3], NOON + number * MINUTE
                for stage in list(Stage)[: number % 4]:
                    unit.manifest.record(an_entry(capture, stage, run=run, reached_at=at))
            unit.commit()
        check_filters(store, _entries, _partition_filters(captures[3]), name=_stage_of)

    def test_rejects_in_pages(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for number, capture in enumerate(captures):
                _reject(unit, capture, number % 4)
            unit.commit()
        more = _Captures()
        check_pages(
            store,
            _rejects,
            [RejectFilter(), RejectFilter(reason="first"), RejectFilter(segment="B")],
            lambda unit: _reject(unit, more.add(unit), 3),
            name=lambda item: item.raw,
        )

    def test_rejects_that_are_filtered_go_on_after_any(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for number, capture in enumerate(captures[:6]):
                _reject(unit, capture, number % 4)
            unit.commit()
        partition = captures[3].partition
        filters = [
            RejectFilter(),
            RejectFilter(domain="a.domain", reason="first"),
            RejectFilter(period=partition.period, segment=partition.segment),
            RejectFilter(run=captures[1].run),
            RejectFilter(capture=captures[3].id),
            RejectFilter(as_of=captures[2].captured_at),
        ]
        check_filters(store, _rejects, filters, name=lambda item: item.raw)

    def test_quality_results_in_pages(self, store: Store) -> None:
        captures = with_captures(store)
        numbers = iter(range(1000))

        def add(unit: UnitOfWork) -> None:
            number = next(numbers)
            checks = [a_check(captures[number % 7], f"check {number}", run) for run in RUNS[1:]]
            unit.quality.add(checks if number % 2 else checks[:1])

        with store.write() as unit:
            for _ in range(4):
                add(unit)
            unit.commit()
        filters = [PartitionFilter(), PartitionFilter(run="run-2")]
        check_pages(store, _results, filters, add, name=_check_of)

    def test_quality_results_that_are_filtered_go_on_after_any(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            for number, capture in enumerate([*captures, captures[3]]):
                check = a_check(capture, f"check {number}", RUNS[number % 3])
                unit.quality.add([replace(check, checked_at=NOON + number * MINUTE)])
            unit.commit()
        check_filters(store, _results, _partition_filters(captures[3]), name=_check_of)

    def test_a_list_does_not_go_on_after_an_item_of_another_one(self, store: Store) -> None:
        captures = with_captures(store)
        with store.write() as unit:
            unit.manifest.record(an_entry(captures[0]))
            unit.quality.add([a_check(captures[0], "check")])
            (entry,) = unit.manifest.list(PartitionFilter())
            (result,) = unit.quality.list(PartitionFilter())
            with pytest.raises(ValidationError, match="another one"):
                unit.manifest.list(PartitionFilter(after=result.position))
            with pytest.raises(ValidationError, match="another one"):
                unit.quality.list(PartitionFilter(after=entry.position))


class _Captures:
    """Adds captures one by one: of known partitions and of new ones, in no order."""

    def __init__(self) -> None:
        self.added = 0
        self._chance = random.Random(1)  # noqa: S311  # the same in every test

    def add(self, unit: UnitOfWork) -> Capture:
        choice = self._chance.choice
        partition = Partition(choice(DOMAINS), choice(WEEKS), choice(SEGMENTS))
        self.added += 1
        return _added(unit, 1000 + self.added, partition)


def _added(unit: UnitOfWork, number: int, partition: Partition) -> Capture:
    capture = a_capture(
        f"capture-{number}",
        partition=partition,
        captured_at=NOON + number * MINUTE,
        run=RUNS[number % len(RUNS)],
    )
    return unit.captures.add(capture)


def _reject(unit: UnitOfWork, capture: Capture, rows: int) -> None:
    """Rejects of which several are of one line."""
    numbers = range(rows)
    rejects = some_rejects(*(number // 2 for number in numbers)).with_columns(
        pl.Series("reason", ["other" if number else "first" for number in numbers], pl.String),
        pl.Series("raw", [f"{capture.id} {number}" for number in numbers], pl.String),
    )
    unit.rejects.replace(capture.key, rejects)


def _partition_filters(one: Capture) -> list[PartitionFilter]:
    """One for each condition, and two together."""
    partition = one.partition
    return [
        PartitionFilter(),
        PartitionFilter(domain="a.domain"),
        PartitionFilter(period=partition.period),
        PartitionFilter(segment=partition.segment, domain=partition.domain),
        PartitionFilter(run="run-2"),
        PartitionFilter(capture=one.id),
        PartitionFilter(as_of=NOON + 7 * MINUTE),
    ]


def _captures(unit: UnitOfWork, wanted: CaptureFilter) -> Sequence[Capture]:
    return unit.captures.list(wanted)


def _entries(unit: UnitOfWork, wanted: PartitionFilter) -> Sequence[ManifestEntry]:
    return unit.manifest.list(wanted)


def _rejects(unit: UnitOfWork, wanted: RejectFilter) -> Sequence[Reject]:
    return unit.rejects.list(wanted)


def _results(unit: UnitOfWork, wanted: PartitionFilter) -> Sequence[QualityResult]:
    return unit.quality.list(wanted)


def _stage_of(entry: ManifestEntry) -> Hashable:
    return entry.capture, entry.stage


def _check_of(result: QualityResult) -> Hashable:
    return result.run, result.result.check
