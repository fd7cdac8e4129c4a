"""The parts of a run as lines of a chart: in the order in which they began, items together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....application.watch_run import label
from ....domain.runs import Run, RunState
from .cells import visible
from .gantt import Bar
from .run_ids import short

if TYPE_CHECKING:
    from ....domain.queueing import Progress
    from .use_cases import RunReader

MOST_ITEMS = 20
"""So many items of one step are shown each; of more, those that failed or run, and their sum."""

_SHOWN = 5
_WORST = (
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.RUNNING,
    RunState.PENDING,
    RunState.SKIPPED,
    RunState.SUCCEEDED,
)


@dataclass(frozen=True, slots=True)
class StepTree:
    """Lines for all that is inside a run; asks for what is inside a workflow when it shows it."""

    reader: RunReader

    def bars(self, run: Run, parts: Sequence[Run], depth: int = 0) -> list[Bar]:
        live = [part.id for part in parts if part.state is RunState.RUNNING]
        progress = self.reader.progress(live) if live else {}
        bars: list[Bar] = []
        for group in _groups(parts):
            if group[0].item is None:
                bars.extend(self._with_inside(group[0], depth, progress))
            else:
                bars.append(_together(group, depth))
                for part in _shown(group):
                    bars.extend(self._with_inside(part, depth + 1, progress))
        bars.extend(_later(run, parts, depth))
        return bars

    def _with_inside(self, part: Run, depth: int, progress: Mapping[str, Progress]) -> list[Bar]:
        bars = [_bar(part, depth, progress.get(part.id))]
        if part.plan is not None:
            bars.extend(self.bars(part, list(self.reader.parts(part.id)), depth + 1))
        return bars


def reused(part: Run) -> bool:
    """Whether another run has done it, which this one goes on with."""
    return part.parent is not None and part.retry_of is not None


def collapsed(parts: Sequence[Run]) -> bool:
    """Whether a chart shows some of the items only by their sum."""
    return any(len(group) > MOST_ITEMS for group in _groups(parts))


def told(progress: Progress) -> str:
    """How far a run is, in words."""
    of = "" if progress.total is None else f" of {progress.total:,}"
    return f"{progress.label}: {progress.done:,}{of} {progress.unit}".rstrip()


def _groups(parts: Iterable[Run]) -> list[list[Run]]:
    """The runs of each step with items together, all others alone, by the time they began."""
    groups: dict[str, list[Run]] = {}
    for part in sorted(parts, key=_began):
        key = part.id if part.item is None else f"step {part.step}"
        groups.setdefault(key, []).append(part)
    for key, group in groups.items():
        if len(group) > 1:
            groups[key] = sorted(group, key=lambda part: part.item or 0)
    return list(groups.values())


def _began(part: Run) -> tuple[float, str]:
    at = part.created_at if reused(part) else part.started_at or part.created_at
    return at.timestamp(), part.id


def _bar(part: Run, depth: int, progress: Progress | None) -> Bar:
    state = part.state.value
    if progress is not None and progress.total:
        state += f" {min(100, 100 * progress.done // progress.total)}%"
    remark = None
    if reused(part):
        remark = f"done by run {short(part.retry_of or '')}"
    elif part.state is RunState.SKIPPED:
        remark = visible("; ".join(part.warnings))
    return Bar(
        label=visible(label(part)),
        state=state,
        run=short(part.id),
        depth=depth,
        created=part.created_at,
        started=part.started_at,
        # What was ended before it began has waited until then.
        finished=part.finished_at,
        tries=part.attempt,
        remark=remark,
    )


def _together(group: Sequence[Run], depth: int) -> Bar:
    """All items of one step as one line."""
    counts = {state: sum(part.state is state for part in group) for state in _WORST}
    worst = next(state for state in _WORST if counts[state])
    state = worst.value
    if counts[worst] < len(group):
        state = f"{counts[worst]:,} of {len(group):,} {state}"
    began = [part for part in group if part.started_at is not None and not reused(part)]
    ends = [part.finished_at for part in group if part.finished_at is not None]
    return Bar(
        label=visible(f"{group[0].step} ({len(group):,} items)"),
        state=state,
        depth=depth,
        created=min(part.created_at for part in group),
        started=min((part.started_at for part in began if part.started_at), default=None),
        finished=max(ends) if len(ends) == len(group) else None,
        tries=max(part.attempt for part in group),
        remark=None if began or not all(map(reused, group)) else "done by an earlier run",
    )


def _shown(group: Sequence[Run]) -> list[Run]:
    if len(group) <= MOST_ITEMS:
        return list(group)
    failed = [part for part in group if part.state is RunState.FAILED]
    running = [part for part in group if part.state is RunState.RUNNING]
    return [*failed[:_SHOWN], *running[:_SHOWN]]


def _later(run: Run, parts: Sequence[Run], depth: int) -> list[Bar]:
    """The steps of a live workflow that have not been begun."""
    if run.plan is None or run.state.final:
        return []
    from ....domain.plans import Plan

    begun = {part.step for part in parts}
    return [
        Bar(
            visible(step.name),
            "not yet",
            depth=depth,
            remark=visible(f"after {', '.join(step.after)}"),
        )
        for step in Plan.from_dict(run.plan).steps
        if step.name not in begun
    ]
