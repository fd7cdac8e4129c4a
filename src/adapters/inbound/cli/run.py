"""``spine run``: run a pipeline or workflow now, in this process."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import SpineError
from . import asking, output

if TYPE_CHECKING:
    from ....application.context import RunOutcome


def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Pipeline or workflow; see spine pipelines list.")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="A parameter; repeat it for more.", metavar="KEY=VALUE"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do the work although it was done before.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Run a pipeline or workflow and show what it did.

    Example: spine run finra.otc_transparency.refresh_week -p file=finra_otc_weekly_otc_20251215.csv
    """
    try:
        parameters = asking.pairs(parameter or [], "-p")
        # What a pipeline prints must not stand in the one document on stdout.
        with redirect_stdout(sys.stderr) if json else nullcontext():
            outcome = asking.services(context).run_pipeline()(name, parameters, force=force)
    except SpineError as error:
        if json:
            output.print_json(_document("FAILED", None, name, {}, error, ()))
        else:
            output.show_error(error)
        raise typer.Exit(output.exit_code(error)) from error
    result = outcome.result
    if json:
        output.print_json(
            _document(
                outcome.run.state.value,
                outcome.run.id,
                name,
                result.metrics,
                result.error,
                result.warnings,
            )
        )
    else:
        _show(outcome)
    if not result.ok:
        raise typer.Exit(output.EXIT_FAILED)


def _document(
    status: str,
    run_id: str | None,
    pipeline: str,
    metrics: Mapping[str, Any],
    error: SpineError | None,
    warnings: Iterable[str],
) -> dict[str, Any]:
    return {
        "status": status,
        "run_id": run_id,
        "pipeline": pipeline,
        # These three are always there; null where nothing was counted.
        "metrics": {**dict.fromkeys(_ROW_COUNTS), **metrics},
        "error": error,
        "warnings": list(warnings),
    }


def _show(outcome: RunOutcome) -> None:
    run, result = outcome.run, outcome.result
    files = _documents(result.value, "files", {"file", "error", "partitions"})
    partitions = _documents(result.value, "partitions", _PARTITION)
    for file in files:
        partitions.extend(_documents(file, "partitions", _PARTITION))
    steps = _documents(result.value, "steps", _STEP)
    if steps:
        output.table("Steps", _STEP, ([step[name] for name in _STEP] for step in steps))
    elif partitions:
        _show_partitions(partitions)
        _show_datasets(partitions)
    elif result.metrics:
        output.table("", ["metric", "value"], result.metrics.items())
    for file in files:
        if file["error"]:
            print(f"failed: {file['file']}: {file['error']}", file=sys.stderr)
    for warning in result.warnings:
        output.say(f"note: {warning}")
    output.say(f"run {run.id} {run.state.value} in {result.duration:.2f} s")
    if result.error is not None:
        output.show_error(result.error)


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


def _documents(value: Any, name: str, fields: Collection[str]) -> list[Mapping[str, Any]]:
    """The items under ``name`` that have the fields: a pipeline may return whatever it likes."""
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, list | tuple):
        return []
    return [item for item in found if isinstance(item, Mapping) and item.keys() >= set(fields)]


def _show_partitions(partitions: list[Mapping[str, Any]]) -> None:
    """Columns that say nothing for any partition are left out."""
    wanted = [name for name in _SHOWN if any(part[name] is not None for part in partitions)]
    output.table(
        "Partitions",
        [_SHOWN[name] for name in wanted],
        ([part[name] for name in wanted] for part in partitions),
    )


def _show_datasets(partitions: list[Mapping[str, Any]]) -> None:
    totals: dict[str, int] = {}
    for part in partitions:
        for name, rows in part["datasets"].items():
            totals[name] = totals.get(name, 0) + rows
    if totals:
        output.table("Published", ["dataset", "rows"], totals.items())
