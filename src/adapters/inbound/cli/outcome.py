"""How the outcome of a run looks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ....domain.errors import SpineError
from . import output

if TYPE_CHECKING:
    from ....application.context import RunOutcome
    from ....domain.runs import Run

_ROW_COUNTS = ("rows_read", "rows_accepted", "rows_rejected")

_SHOWN = {
    "week_start": "week",
    "tier": "tier",
    "action": "action",
    "rows_read": "read",
    "rows_accepted": "accepted",
    "rows_rejected": "rejected",
    "rows_changed": "changed",
    "rows_appeared": "appeared",
    "rows_vanished": "vanished",
    "grade": "grade",
}

_PARTITION = {*_SHOWN, "datasets"}
_STEP = ("step", "runs", "state", "run")


def document(
    status: str,
    run_id: str | None,
    pipeline: str,
    metrics: Mapping[str, Any],
    error: SpineError | None,
    warnings: Iterable[str],
    returned: Any = None,
) -> dict[str, Any]:
    """The one JSON object that ``spine run --json`` prints."""
    return {
        "status": status,
        "run_id": run_id,
        "pipeline": pipeline,
        # These three are always there; null where nothing was counted.
        "metrics": {**dict.fromkeys(_ROW_COUNTS), **metrics},
        "error": error,
        "warnings": list(warnings),
        # What steps that come after it would get: null where nothing is kept of it.
        "output": returned,
    }


def of_run(run: Run) -> dict[str, Any]:
    """That object for a run as it is recorded."""
    return document(
        run.state.value, run.id, run.pipeline, run.metrics, run.error, run.warnings, run.output
    )


def show(outcome: RunOutcome) -> None:
    """Print what was done, its warnings and its error."""
    run, result = outcome.run, outcome.result
    files = _documents(result.value, "files", {"file", "error", "partitions"})
    partitions = _documents(result.value, "partitions", _PARTITION)
    for file in files:
        partitions.extend(_documents(file, "partitions", _PARTITION))
    steps = _documents(result.value, "steps", _STEP)
    if steps:
        _show_steps(steps)
    elif partitions:
        _show_partitions(partitions)
        _show_datasets(partitions)
    elif result.metrics:
        output.table("", ["metric", "value"], result.metrics.items())
    for file in files:
        if file["error"]:
            output.note(f"failed: {file['file']}: {file['error']}")
    for warning in result.warnings:
        output.say(f"note: {warning}")
    output.say(f"run {run.id} {run.state.value} in {result.duration:.2f} s")
    if result.error is not None:
        output.show_error(result.error)


def _documents(value: Any, name: str, fields: Collection[str]) -> list[Mapping[str, Any]]:
    """The items under ``name`` that have the fields: a pipeline may return whatever it likes."""
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, list | tuple):
        return []
    return [item for item in found if isinstance(item, Mapping) and item.keys() >= set(fields)]


def _show_steps(steps: list[Mapping[str, Any]]) -> None:
    from .run_ids import SHORT

    output.table(
        "Steps", _STEP, ([step[name] for name in _STEP] for step in steps), narrowing=(SHORT,)
    )


def _show_partitions(partitions: list[Mapping[str, Any]]) -> None:
    """Columns that say nothing for any partition are left out."""
    wanted = [name for name in _SHOWN if any(part[name] is not None for part in partitions)]
    output.table(
        "Partitions",
        [_SHOWN[name] for name in wanted],
        ([part[name] for name in wanted] for part in partitions),
        # What was accepted follows from the other two; changes are what a restatement is about.
        narrowing=("accepted", "read", "rejected"),
    )


def _show_datasets(partitions: list[Mapping[str, Any]]) -> None:
    totals: dict[str, int] = {}
    of_weeks: dict[tuple[str, str], int] = {}
    for part in partitions:
        for name, rows in part["datasets"].items():
            totals[name] = totals.get(name, 0) + rows
        # Rows that span the tiers of a week belong to all its partitions: the last one counts all.
        for name, rows in part.get("week_datasets", {}).items():
            of_weeks[name, part["week_start"]] = rows
    for (name, _), rows in of_weeks.items():
        totals[name] = totals.get(name, 0) + rows
    if totals:
        output.table("Published", ["dataset", "rows"], totals.items())
