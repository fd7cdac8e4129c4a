"""``spine runs cancel`` and ``retry``: what becomes of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import asking, documents, output
from .commands import command

if TYPE_CHECKING:
    from ....domain.runs import Run
    from .use_cases import RunReader


def cancel(context: typer.Context, run_id: asking.RunId, json: asking.Json = False) -> None:
    """Cancel a run, with all that is inside it. Safe to repeat.

    What waits is cancelled at once; what is executed is told, and ends within seconds. A run that
    has ended already stays as it is.

    Example: spine runs cancel last
    """
    with output.errors_shown():
        from .run_ids import find

        services = asking.services(context)
        reader = services.read_runs()
        before = find(reader, run_id)
        run = services.cancel_run()(before.id)
        if json:
            output.print_json(documents.executed(run))
        elif before.state.final:
            output.say(f"run {run.id} is {run.state.value} already: nothing is cancelled")
        elif run.state.final:
            output.say(f"run {run.id} of {run.pipeline} is {run.state.value}")
        else:
            _tell_live(reader, run)


def _tell_live(reader: RunReader, run: Run) -> None:
    """What was cancelled at once, and what is told to end."""
    from ....domain.runs import RunState

    parts = list(reader.parts(run.id))
    told = [part for part in parts if not part.state.final]
    at_once = sum(part.state is RunState.CANCELLED for part in parts)
    output.say(f"run {run.id} of {run.pipeline} is told to end")
    if parts:
        output.say(f"parts: {at_once:,} are CANCELLED, {len(told):,} are told to end")
    output.say(f"next: {command(f'runs show {run.id} --follow')}", whole=True)


def retry(
    context: typer.Context,
    run_id: asking.RunId,
    from_step: Annotated[
        str | None,
        typer.Option(
            "--from-step", help="Do this step again, with all that comes after it.", metavar="NAME"
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Do all of it again, also what succeeded.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the new run; exit code 1 or 5 when it fails.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Go on with a run that has ended: a new run takes over what is done, and does the rest.

    For example:

      spine runs retry last                       what did not succeed

      spine runs retry 5f3a9c1e --from-step load  this and what follows

      spine runs retry 5f3a9c1e --all --wait      all of it, and watch
    """
    with output.errors_shown():
        from ....application.retry_run import Extent
        from ....domain.errors import ValidationError
        from .run_ids import find
        from .submit import tell

        if everything and from_step is not None:
            raise ValidationError(
                "--all does every step again, --from-step some", hint="give one of them"
            )
        services = asking.services(context)
        old = find(services.read_runs(), run_id)
        extent = Extent.ALL if everything else Extent.FAILED
        run = services.retry_run()(old.id, extent=extent, from_step=from_step)
        tell(services, run, f"run {run.id} goes on with run {old.id}", wait=wait, json=json)
