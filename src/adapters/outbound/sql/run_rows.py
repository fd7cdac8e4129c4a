"""A run as a row, and the row as a run."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ....domain.errors import SpineError
from ....domain.runs import Run, RunState, Trigger
from .json_text import from_text, to_text


def new_row(run: Run) -> dict[str, Any]:
    """All columns of a run."""
    return {
        "run_id": run.id,
        "pipeline": run.pipeline,
        "parameters_json": to_text(run.parameters, f"the parameters of run {run.id}"),
        "created_at": run.created_at,
        "parent_id": run.parent,
        "step_name": run.step,
        "trigger_kind": run.trigger.value,
        "item_no": run.item,
        "attempt_no": run.attempt,
        "forced": int(run.force),
        "plan_json": _optional(run.plan, f"the plan of run {run.id}"),
        "retry_of_id": run.retry_of,
        "backfill_id": run.backfill,
        "cancel_requested_at": run.cancel_requested_at,
        **outcome_row(run),
    }


def outcome_row(run: Run) -> dict[str, Any]:
    """The columns that the end of a run writes."""
    error = run.error
    return {
        "run_state": run.state.value,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "purgeable_at": run.finished_at if run.state.final else None,
        "owner_id": run.owner,
        "metrics_json": to_text(run.metrics, f"the metrics of run {run.id}"),
        "warnings_json": to_text(list(run.warnings), f"the warnings of run {run.id}"),
        "error_json": _optional(error and error.to_dict(), f"the error of run {run.id}"),
        "error_category": error and error.category.value,
        "output_json": _optional(run.output, f"the output of run {run.id}"),
        "partition_name": run.partition,
    }


def run_of(row: Any) -> Run:
    """The run in a row that has all columns."""
    return Run(
        id=row.run_id,
        pipeline=row.pipeline,
        parameters=from_text(row.parameters_json),
        state=RunState(row.run_state),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        parent=row.parent_id,
        step=row.step_name,
        owner=row.owner_id,
        metrics=from_text(row.metrics_json),
        warnings=tuple(from_text(row.warnings_json)),
        error=None if row.error_json is None else SpineError.from_dict(from_text(row.error_json)),
        trigger=Trigger.COMMAND if row.trigger_kind is None else Trigger(row.trigger_kind),
        partition=row.partition_name,
        item=row.item_no,
        attempt=row.attempt_no or 0,
        force=row.forced == 1,
        output=_restored(row.output_json),
        plan=None if row.plan_json is None else _plan(row.plan_json),
        retry_of=row.retry_of_id,
        backfill=row.backfill_id,
        cancel_requested_at=row.cancel_requested_at,
    )


def _optional(value: Any, what: str) -> str | None:
    return None if value is None else to_text(value, what)


def _restored(text: str | None) -> Any:
    return None if text is None else from_text(text)


@lru_cache(maxsize=64)
def _plan(text: str) -> Any:
    """Runs of one workflow have one plan; nobody changes it."""
    return from_text(text)
