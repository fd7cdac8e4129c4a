"""Judges what a store has recorded of runs: what must hold whatever was killed, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from ..domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ..domain.queueing import QueueState
from ..domain.runs import Run, RunState, Trigger
from ..ports.storage import Store, UnitOfWork
from .run_judge_record import Record, Told, read_record
from .run_judge_rules import RUN_RULES, steps_make_workflow

Also = Callable[[UnitOfWork, Run], Iterable[str]]
"""What else is wrong with a run, in words that go on from its name."""

_PARTS = {
    RunState.SUCCEEDED: PartState.SUCCEEDED,
    RunState.FAILED: PartState.FAILED,
    RunState.CANCELLED: PartState.CANCELLED,
}
_BEGUN_CLAIMED = (Trigger.COMMAND, Trigger.PART)
"""Who asks for these executes them, whatever else has their key."""


def judge_runs(
    store: Store,
    *,
    takeover: timedelta | None = None,
    all_final: bool = True,
    keys: Callable[[Run], str | None] = lambda _: None,
    limits: Mapping[str, int] | None = None,
    also: Also = lambda _unit, _run: (),
) -> None:
    """Raise an AssertionError that lists all that is wrong with what the store has of runs.

    ``takeover`` is the longest time from the last sign of a process to the next claim of what it
    had. Without ``all_final`` runs may be live. ``keys`` gives the keys of final runs that were
    submitted by themselves, which the store does not know any more. ``limits`` are the most runs
    of a pipeline at once. ``also`` finds further faults of a run.
    """
    faults: dict[str, list[str]] = defaultdict(list)
    with store.read() as unit:
        record = read_record(unit)
        for name, told in record.runs.items():
            faults[name] += also(unit, told.run)
    for name, told in record.runs.items():
        if all_final and not told.run.state.final:
            faults[name].append("is not final")
        for rule in RUN_RULES:
            faults[name] += rule(told)
        faults[name] += steps_make_workflow(record, told)
        if takeover is not None:
            faults[name] += _taken_over(record, told, takeover)
    for name, fault in (*_keys(record, keys), *_limits(record, limits or {})):
        faults[name].append(fault)
    _report(record, faults, list(_backfills(record, all_final=all_final)))


def _report(
    record: Record, faults: Mapping[str, Sequence[str]], of_backfills: Sequence[str]
) -> None:
    told: list[str] = []
    for name, found in faults.items():
        told += [f"{record.runs[name]}: {fault}" for fault in found]
        if found:
            told += [f"    {line}" for line in record.runs[name].course()]
    told += of_backfills
    if told:
        count = sum(len(found) for found in faults.values()) + len(of_backfills)
        raise AssertionError("\n".join([f"{count} faults in run history", *told]))


def _taken_over(record: Record, told: Told, longest: timedelta) -> Iterator[str]:
    """What a process lost was claimed by another one soon enough."""
    claims = told.claims
    for claim, following in pairwise(claims):
        if not claim.lost or claim.end is None:
            continue
        sign = record.last_sign(claim.event.owner, claim.end.at) or claim.event.at
        taken = following.event.at - sign
        if taken > longest:
            yield (
                f"was taken over {taken.total_seconds():.1f} s after the last sign of "
                f"{claim.event.owner}, not within {longest.total_seconds():.1f} s"
            )


def _keys(record: Record, keys: Callable[[Run], str | None]) -> Iterator[tuple[str, str]]:
    """Of the jobs of a key one is free to go on, and no two were executed at once."""
    sharing: dict[str, list[Told]] = defaultdict(list)
    for told in record.runs.values():
        key = record.key_of(told) or keys(told.run)
        if key is not None and told.leaf and told.run.trigger not in _BEGUN_CLAIMED:
            sharing[key].append(told)
    for key, group in sharing.items():
        jobs = [told.job for told in group if told.job is not None]
        if jobs and all(job.state is QueueState.HELD for job in jobs):
            yield jobs[0].run, f"waits for the key {key!r}, which no other job has"
        spans = [(told, *span) for told in group if (span := _span(told))]
        spans.sort(key=lambda item: item[1])
        for (first, _, end), (second, begin, _) in pairwise(spans):
            if end is None or begin < end:
                yield second.run.id, f"was claimed while run {first.run.id} had the key {key!r}"


def _span(told: Told) -> tuple[datetime, datetime | None] | None:
    """From its first claim to its end: in between it keeps its key, also where it waits."""
    claims = told.claims
    if not claims:
        return None
    return claims[0].event.at, told.events[-1].at if told.run.state.final else None


def _limits(record: Record, limits: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """No more claims of a pipeline at once than there may be; a lost one ended unseen."""
    for pipeline, most in limits.items():
        changes: list[tuple[datetime, int, str]] = []
        for told in record.runs.values():
            for claim in told.claims if told.run.pipeline == pipeline else ():
                if claim.lost:
                    continue
                changes.append((claim.event.at, 1, told.run.id))
                if claim.end is not None:
                    changes.append((claim.end.at, -1, told.run.id))
        running = 0
        for _, change, name in sorted(changes):
            running += change
            if change > 0 and running > most:
                yield name, f"was the {running}. of {pipeline} at once, of which {most} may be"


def _backfills(record: Record, *, all_final: bool) -> Iterator[str]:
    """Partitions stand as their runs do, and a backfill ends with its last one."""
    for backfill, parts in record.backfills:
        name = f"backfill {backfill.id} of {backfill.pipeline}, {backfill.state.value}"
        if all_final and not backfill.state.final:
            yield f"{name}: is not final"
        for part in parts:
            for fault in _part(record, part):
                yield f"{name}: partition {part.partition}, {part.state.value}, {fault}"
        for fault in _whole(backfill, parts):
            yield f"{name}: {fault}"
        known = {part.run for part in parts}
        for told in record.runs.values():
            if told.run.backfill == backfill.id and told.run.id not in known:
                yield f"{name}: run {told.run.id} belongs to none of its partitions"


def _part(record: Record, part: BackfillPart) -> Iterator[str]:
    told = None if part.run is None else record.runs.get(part.run)
    if part.state is PartState.PLANNED:
        if part.run is not None:
            yield f"has run {part.run} already"
    elif told is None:
        if part.run is not None or part.state is not PartState.CANCELLED:
            yield f"has no run {part.run or ''}".rstrip()
    elif _PARTS.get(told.run.state, PartState.ACTIVE) is not part.state:
        yield f"but run {told.run.id} is {told.run.state.value}"


def _whole(backfill: Backfill, parts: Sequence[BackfillPart]) -> Iterator[str]:
    states = [part.state for part in parts]
    active, planned = states.count(PartState.ACTIVE), states.count(PartState.PLANNED)
    if active > backfill.max_active:
        yield f"{active} partitions are active, of which {backfill.max_active} may be"
    if backfill.state is BackfillState.CANCELLED:
        if planned:
            yield f"{planned} partitions are still planned"
    elif backfill.state.final:
        failed = PartState.FAILED in states
        cancelled = PartState.CANCELLED in states
        expected = BackfillState.FAILED if failed else BackfillState.SUCCEEDED
        if active or planned:
            yield f"{active + planned} partitions are not over"
        elif backfill.state is not expected or (cancelled and not failed):
            yield f"does not follow from its partitions: {', '.join(sorted(set(states)))}"
    elif not active and not planned:
        yield "all its partitions are over: it would never end"
    elif backfill.state is BackfillState.RUNNING and planned and active < backfill.max_active:
        yield f"{planned} partitions are planned, and there is room for them"
