"""``spine run``: run a pipeline or workflow now, in this process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import SpineError, ValidationError
from . import asking, exits, output, stdout

if TYPE_CHECKING:
    from ....application.context import RunOutcome
    from .services import CliServices

# What stands behind the name without -p is told by us: the library would not say what to write.
SETTINGS = {"allow_extra_args": True}


def run(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Pipeline or workflow; see spine pipelines list.", metavar="NAME")
    ],
    parameter: asking.Parameters = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do the work although it was done before.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Run a pipeline or workflow and show what it did.

    Example: spine run finra.otc_transparency.refresh_week -p file=finra_otc_weekly_otc_20251215.csv
    """
    with output.errors_shown():
        began = datetime.now(UTC)
        services: CliServices | None = None
        try:
            refuse(context.args)
            parameters = asking.parameters(parameter or [])
            services = asking.services(context)
            outcome = _run(services, name, parameters, force, json)
        except SpineError as error:
            if not json:
                raise
            _print_refusal(name, error)
            raise typer.Exit(exits.of(error)) from error
        except KeyboardInterrupt as interrupt:
            from .interruption import tell

            tell(services, name, began, json)
            raise typer.Exit(exits.Exit.INTERRUPTED) from interrupt
        try:
            _show(outcome, name, json)
        except stdout.ReaderGone:  # how the run ended counts all the same
            if outcome.result.error is not None and not json:
                output.show_error(outcome.result.error)
        if not outcome.result.ok:
            raise typer.Exit(exits.of_run(outcome.result.error))


def refuse(words: list[str]) -> None:
    """Raise a ValidationError for words behind the name."""
    if words:
        wanted = next((word for word in words if "=" in word), "key=value")
        raise ValidationError(
            f"{words[0]!r} is an argument too many: parameters are given with -p",
            hint=f"write -p {wanted}",
        )


def _run(
    services: CliServices, name: str, parameters: Mapping[str, Any], force: bool, json: bool
) -> RunOutcome:
    # What a pipeline prints must not stand in the one document on stdout.
    with redirect_stdout(sys.stderr) if json else nullcontext():
        return services.run_pipeline()(name, parameters, force=force)


def _print_refusal(name: str, error: SpineError) -> None:
    from .outcome import document

    output.print_json(document("FAILED", None, name, {}, error, ()))


def _show(outcome: RunOutcome, name: str, json: bool) -> None:
    from .outcome import document, show

    run, result = outcome.run, outcome.result
    if json:
        told = (result.metrics, result.error, result.warnings, run.output)
        output.print_json(document(run.state.value, run.id, name, *told))
    else:
        show(outcome)
