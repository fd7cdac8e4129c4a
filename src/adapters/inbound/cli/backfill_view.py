"""How backfills look: what would run, how far they are, and what failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Any

from ....domain.backfills import BackfillState, PartState
from ....domain.runs import Run, RunFilter, RunState
from . import output
from .commands import command, start_worker
from .run_ids import SHORT, SHORT_BACKFILL
from .times import spoken

if TYPE_CHECKING:
    from ....domain.backfills import Backfill, BackfillPart, BackfillSurvey
    from ....domain.partitions import Surveyed
    from .services import CliServices
    from .use_cases import BackfillReader

_PAGE = 1000
_FAILED = 20
_RECENT = 50
_DONE = (PartState.SUCCEEDED, PartState.FAILED)


def document(services: CliServices, backfill: Backfill) -> dict[str, Any]:
    """A backfill, with how many of its partitions are in which state."""
    plainly: dict[str, Any] = output.plain(backfill)
    plainly.pop("step")  # how its runs are queued
    counts = services.read_backfills().counts(backfill.id)
    return {**plainly, "counts": {state.value: counts.get(state, 0) for state in PartState}}


def whole_document(services: CliServices, backfill: Backfill) -> dict[str, Any]:
    """A backfill with all its partitions, and about how many seconds are left."""
    counts = services.read_backfills().counts(backfill.id)
    parts = [output.plain(part) for part in all_parts(services.read_backfills(), backfill.id)]
    for part in parts:
        part.pop("backfill")
    return {
        **document(services, backfill),
        "seconds_left": _left(services, backfill, counts),
        "parts": parts,
    }


def survey_document(survey: BackfillSurvey) -> dict[str, Any]:
    """What would run, and what would not."""

    def told(item: Surveyed) -> dict[str, Any]:
        named = dict(item.key.parameters)
        return {"partition": str(item.key), **_stated(item), "parameters": named}

    return {
        "wanted": [told(item) for item in survey.wanted],
        "others": [told(item) for item in survey.others],
    }


def show_survey(survey: BackfillSurvey, *, every: bool) -> None:
    """Print which partitions would run, and why; of the others how many, or each."""
    if survey.wanted:
        _show_surveyed(f"{len(survey.wanted):,} partitions would run", survey.wanted)
    else:
        output.say("no partition would run")
    if survey.others and every:
        _show_surveyed(f"{len(survey.others):,} partitions would not run", survey.others)
    elif survey.others:
        output.say(f"would not run: {_summed(survey.others)}; --all shows each")


def tell_made(made: Backfill, survey: BackfillSurvey) -> None:
    """Say what was made, and what to do next."""
    output.say(
        f"backfill {made.id} of {made.pipeline}: {len(survey.wanted):,} partitions, "
        f"{made.max_active:,} at once"
    )
    if survey.others:
        output.say(f"left out: {_summed(survey.others)}")
    output.say(f"next: {command(f'backfill show {made.id} --follow')}", whole=True)
    output.say(f"workers execute it; if none runs: {start_worker()}")


def tell_changed(reader: BackfillReader, changed: Backfill) -> None:
    """Say how a backfill stands after it was paused, resumed or cancelled."""
    counts = reader.counts(changed.id)
    output.say(f"backfill {changed.id} of {changed.pipeline} is {changed.state.value}")
    output.say(_counted(counts))
    active = counts.get(PartState.ACTIVE, 0)
    if active and changed.state is BackfillState.PAUSED:
        output.say(f"{active:,} partitions that are under way go on to their end")
        output.say(f"next: {command(f'backfill resume {changed.id}')}", whole=True)
    elif active and changed.state is BackfillState.CANCELLED:
        output.say(f"{active:,} partitions that are under way are told to end")


def show_list(reader: BackfillReader, listed: Sequence[Backfill]) -> None:
    """Print backfills, a line for each."""

    def line(item: Backfill) -> tuple[Any, ...]:
        counts = reader.counts(item.id)
        done, total = sum(counts.get(state, 0) for state in _DONE), sum(counts.values())
        return (
            *(item.id, item.pipeline, item.first, item.last, item.state),
            *(f"{done:,}/{total:,}", counts.get(PartState.FAILED, 0), item.created_at),
        )

    output.table(
        "",
        ["backfill", "pipeline", "from", "to", "state", "done", "failed", "created"],
        map(line, listed),
        narrowing=("created", SHORT_BACKFILL, "to", "failed", "from"),
    )


def show(services: CliServices, backfill: Backfill, *, every: bool) -> None:
    """Print one backfill: its facts, its failures, and with ``every`` all its partitions."""
    reader = services.read_backfills()
    counts = reader.counts(backfill.id)
    output.say(f"backfill {backfill.id}: {backfill.pipeline} {backfill.state.value}")
    left = _left(services, backfill, counts)
    output.facts((n, v) for n, v in _facts(backfill, counts, left) if v not in (None, ""))
    errors = _errors(services, backfill, every=every) if counts.get(PartState.FAILED) else {}
    if every:
        _show_parts(list(all_parts(reader, backfill.id)), errors)
    elif errors:
        failed = reader.parts(backfill.id, states=[PartState.FAILED], limit=_FAILED)
        output.table(
            "Failed",
            ["partition", "run", "error"],
            ((part.partition, part.run, errors.get(part.run or "")) for part in failed),
            narrowing=(SHORT,),
        )
    _tell_failed(backfill, counts, every=every)


def all_parts(reader: BackfillReader, backfill_id: str) -> Iterator[BackfillPart]:
    """All partitions of a backfill, by number."""
    after = 0
    while page := reader.parts(backfill_id, after=after, limit=_PAGE):
        yield from page
        after = page[-1].number


def finished_parts(counts: Mapping[PartState, int]) -> str:
    """How many partitions are over, of how many."""
    done = sum(counts.get(state, 0) for state in _DONE)
    cancelled = counts.get(PartState.CANCELLED, 0)
    beside = f", {cancelled:,} cancelled" if cancelled else ""
    return f"{done:,} of {sum(counts.values()):,}{beside}"


def throughput(runs: Sequence[Run]) -> float | None:
    """Seconds between the ends of runs that ended one after the other; None for less than two."""
    ends = sorted(run.finished_at for run in runs if run.finished_at is not None)[-_RECENT:]
    if len(ends) < 2:  # noqa: PLR2004  # a time in between takes two
        return None
    return _between(ends[0], ends[-1]) / (len(ends) - 1)


def _facts(
    backfill: Backfill, counts: Mapping[PartState, int], left: float | None
) -> Iterator[tuple[str, Any]]:
    yield "from", backfill.first
    yield "to", backfill.last
    yield "only", ", ".join(backfill.only)
    yield "done", finished_parts(counts)
    yield "partitions", _counted(counts)
    yield "about left", None if left is None else spoken(left)
    yield "at once", backfill.max_active
    yield "force", backfill.force or None
    yield "created", backfill.created_at
    yield "finished", backfill.finished_at
    if backfill.finished_at is not None:
        yield "took", spoken(_between(backfill.created_at, backfill.finished_at))
    for name, value in sorted(backfill.parameters.items()):
        yield f"parameter {name}", value


def _left(
    services: CliServices, backfill: Backfill, counts: Mapping[PartState, int]
) -> float | None:
    """About how many seconds are left, from how fast the last partitions were done."""
    live = counts.get(PartState.PLANNED, 0) + counts.get(PartState.ACTIVE, 0)
    if backfill.state is not BackfillState.RUNNING or not live:
        return None
    asked = RunFilter(backfill=backfill.id, limit=backfill.max_active + _RECENT)
    recent = services.read_runs().list(asked)
    pace = throughput(recent)
    if pace is not None:
        return live * pace
    took = [run.duration for run in recent if run.duration is not None]
    return live * took[0] / backfill.max_active if took else None


def _errors(services: CliServices, backfill: Backfill, *, every: bool) -> dict[str, str]:
    """What the runs that failed say, by their ids."""
    reader, found = services.read_runs(), dict[str, str]()
    before = None
    while runs := reader.list(
        RunFilter(backfill=backfill.id, state=RunState.FAILED, before=before, limit=_PAGE)
    ):
        found.update(
            {r.id: f"{r.error.category.value}: {r.error.message}" for r in runs if r.error}
        )
        before = runs[-1].id
        if not every and len(runs) < _PAGE:
            break
    return found


def _show_parts(parts: Sequence[BackfillPart], errors: Mapping[str, str]) -> None:
    columns = ["partition", "state", "run", "reason", *(["error"] if errors else [])]
    output.table(
        "Partitions",
        columns,
        (
            (part.partition, part.state, part.run, part.reason, errors.get(part.run or ""))[
                : len(columns)
            ]
            for part in parts
        ),
        narrowing=(SHORT, "reason"),
        cut=("error", "reason"),
    )


def _tell_failed(backfill: Backfill, counts: Mapping[PartState, int], *, every: bool) -> None:
    failed = counts.get(PartState.FAILED, 0)
    if failed > _FAILED and not every:
        output.say(f"{failed - _FAILED:,} more have failed; --parts shows all")
    # What was cancelled was not done, and is missing.
    left = {"failed": failed, "missing": counts.get(PartState.CANCELLED, 0)}
    if any(left.values()) and backfill.state.final:
        words = (
            f"backfill create {backfill.pipeline} --from {backfill.first} "
            f"--to {backfill.last}{_given(backfill.parameters)} "
            f"--only {','.join(name for name, count in left.items() if count)}"
        )
        output.say(f"next: {command(words)}", whole=True)


def _given(parameters: Mapping[str, Any]) -> str:
    """Parameters as a command line gives them."""
    written = (
        f"{name}={value}" if isinstance(value, str) else f"{name}:={json.dumps(value)}"
        for name, value in sorted(parameters.items())
    )
    return "".join(f" -p {quote(text)}" for text in written)


def _show_surveyed(title: str, items: Sequence[Surveyed]) -> None:
    output.table(
        title,
        ["partition", "state", "reason"],
        ((str(item.key), item.state, item.reason) for item in items),
    )


def _stated(item: Surveyed) -> dict[str, str]:
    return {"state": item.state.value, "reason": item.reason}


def _summed(items: Sequence[Surveyed]) -> str:
    counts = Counter(item.state.value for item in items)
    return ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()))


def _counted(counts: Mapping[PartState, int]) -> str:
    return ", ".join(f"{counts[state]:,} {state.value}" for state in PartState if counts.get(state))


def _between(first: datetime, last: datetime) -> float:
    return (last - first).total_seconds()
