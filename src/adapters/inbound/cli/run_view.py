"""One run: what is known of it, what is inside it, and what it read and wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ....application.watch_run import label
from ....domain.runs import RunState
from . import documents, gantt, output, stdout
from .cells import seconds
from .commands import command
from .run_ids import SHORT
from .run_words import happened, process, standing
from .step_tree import StepTree, collapsed, told

if TYPE_CHECKING:
    from ....domain.queueing import Job, Progress
    from ....domain.runs import Run
    from .use_cases import RunReader

_ERRORS = 10
_RETURNED = 200  # characters
_WAITED = 1.0  # seconds in the queue that are worth a line


def document(reader: RunReader, run: Run) -> dict[str, Any]:
    """Everything that is known of a run, as one JSON object."""
    parts = list(reader.parts(run.id))
    live = [item.id for item in (run, *parts) if item.state is RunState.RUNNING]
    progress = reader.progress(live) if live else {}
    return {
        **documents.executed(run),
        "plan": documents.planned(run.plan),
        "job": documents.queued(reader.job(run.id)),
        "progress": progress.get(run.id),
        "parts": [
            {**documents.executed(part), "progress": progress.get(part.id)} for part in parts
        ],
        "lineage": [documents.recorded(edge) for edge in reader.lineage(run.id)],
        "events": [documents.happened(event) for event in reader.events(run.id)],
        "log": list(reader.lines(run.id)),
    }


def show(reader: RunReader, run: Run, *, events: bool, logs: bool) -> None:
    """Print a run for people."""
    live = [] if run.state.final else [run.id]
    progress = reader.progress(live).get(run.id) if live else None
    job = None if run.state.final else reader.job(run.id)
    output.say(f"run {run.id}: {run.pipeline} {run.state.value}")
    output.facts(
        (name, value) for name, value in _facts(run, job, progress) if value not in (None, "")
    )
    parts = list(reader.parts(run.id))
    if parts or run.plan is not None:
        _show_parts(reader, run, parts)
    lineage = reader.lineage(run.id)
    if lineage:
        output.table(
            "Lineage",
            ["role", "capture", "partition"],
            ((edge.role, edge.capture, edge.partition) for edge in lineage),
        )
    if events:
        _show_events(reader, run)
    if logs:
        _show_lines(reader, run)
    if run.error is not None:
        output.show_error(run.error)


def _facts(run: Run, job: Job | None, progress: Progress | None) -> Iterator[tuple[str, Any]]:
    yield "trigger", run.trigger
    yield "partition", run.partition
    yield "part of", run.parent
    yield "step", run.step and label(run)
    yield "backfill", run.backfill
    yield "goes on with", run.retry_of
    yield "queue", None if job is None else standing(job)
    yield "progress", None if progress is None else told(progress)
    yield "to end since", None if run.state.final else run.cancel_requested_at
    yield "attempt", run.attempt if run.attempt > 1 else None
    yield "process", None if job is not None and job.owner == run.owner else process(run.owner)
    yield "submitted", run.created_at
    yield "waited", _waited(run)
    yield "started", run.started_at
    yield "finished", run.finished_at
    yield "seconds", seconds(run.duration)
    yield "force", run.force or None
    for name, value in sorted(run.parameters.items()):
        yield f"parameter {name}", value
    for name, value in sorted(run.metrics.items()):
        yield f"metric {name}", value
    # A pipeline that returns nothing else passes its metrics on.
    if run.output is not None and run.output != run.metrics:
        yield "returned", _short(run.output)
    for text in run.warnings:
        yield "warning", text


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(text) <= _RETURNED:
        return text
    return f"{text[:_RETURNED]}... ({len(text):,} characters, --json shows all)"


def _waited(run: Run) -> float | None:
    """Seconds in the queue, where they are worth a line."""
    if run.started_at is None:
        return None
    waited = (run.started_at - run.created_at).total_seconds()
    return seconds(waited) if waited >= _WAITED else None


def _show_parts(reader: RunReader, run: Run, parts: Sequence[Run]) -> None:
    strokes = gantt.Strokes()
    if not stdout.shows(strokes.all):
        strokes = gantt.PLAIN
    bars = StepTree(reader).bars(run, parts)
    if not bars:  # what another run has done has its steps there
        return
    now = datetime.now(UTC)
    output.block("Parts", gantt.chart(bars, now, stdout.width(), strokes))
    if collapsed(parts):
        output.say(
            f"all of them: {command(f'runs list --parent {run.id} -n {len(parts)}')}", whole=True
        )
    failed = [part for part in parts if part.error is not None]
    if failed:
        output.table(
            "Errors",
            ["step", "run", "error"],
            ((label(part), part.id, _error(part)) for part in failed[:_ERRORS]),
            narrowing=(SHORT,),
        )
    if len(failed) > _ERRORS:
        output.say(
            f"{len(failed) - _ERRORS:,} more: "
            + command(f"runs list --parent {run.id} --state failed"),
            whole=True,
        )


def _show_events(reader: RunReader, run: Run) -> None:
    output.table(
        "Events",
        ["time", "event", "attempt", "process", "detail"],
        (
            (
                *(event.at, event.kind, event.attempt or None),
                *(process(event.owner), happened(event) or None),
            )
            for event in reader.events(run.id)
        ),
        narrowing=("process", "attempt"),
    )


def _show_lines(reader: RunReader, run: Run) -> None:
    lines = [(line.at, line.level, line.text) for line in reader.lines(run.id)]
    if lines:
        output.table("Log", ["time", "level", "text"], lines)
    elif run.plan is None:
        output.say("it has logged nothing")
    else:
        output.say("a workflow logs nothing itself, its steps do; to see all of them:")
        output.say(command(f"runs show {run.id} --follow"), whole=True)


def _error(run: Run) -> str | None:
    return f"{run.error.category.value}: {run.error.message}" if run.error else None
