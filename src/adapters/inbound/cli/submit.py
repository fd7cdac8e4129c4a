"""``spine submit``: queue a run for whichever worker is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import asking, documents, output
from .commands import command, start_worker
from .run import refuse

if TYPE_CHECKING:
    from ....domain.runs import Run
    from .services import CliServices

SETTINGS = {"allow_extra_args": True}


def submit(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Pipeline or workflow; see spine pipelines list.", metavar="NAME")
    ],
    parameter: asking.Parameters = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id",
            help="An id of yours: submitted again, it gives the same run.",
            metavar="ID",
        ),
    ] = None,
    priority: Annotated[
        int,
        typer.Option(
            help="A head start of so many minutes, -1000 to 1000.", min=-1000, max=1000, metavar="N"
        ),
    ] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Do the work although it was done before.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", "--follow", help="Follow it to its end; exit code 1 or 5 when it fails."
        ),
    ] = False,
    json: asking.Json = False,
) -> None:
    """Queue a run for the next free worker.

    Workers are started by spine worker and by spine serve. What is submitted with a request id is
    run once, however often it is submitted.

    For example:

      spine submit prices.refresh -p day=2026-01-05 --wait

      spine submit prices.refresh -p day=2026-01-05 --request-id night-0105
    """
    with output.errors_shown():
        from ....application.submissions import Submission

        refuse(context.args)
        asked = Submission(
            name,
            asking.parameters(parameter or []),
            force=force,
            request=request_id,
            priority=priority,
        )
        services = asking.services(context)
        run = services.submit_run()(asked)
        text = f"run {run.id} of {run.pipeline} is {run.state.value}"
        tell(services, run, text, wait=wait, json=json)


def tell(services: CliServices, run: Run, text: str, *, wait: bool, json: bool) -> None:
    """Say what was queued and what to do next, or follow it to its end."""
    if wait:
        from . import following

        following.wait(services, run, json=json)
    elif json:
        output.print_json(documents.executed(run))
    else:
        output.say(text)
        if not run.state.final:
            output.say(f"next: {command(f'runs show {run.id} --follow')}", whole=True)
            from .run_pools import pools_of

            pools = pools_of(services.read_runs(), run)
            output.say(f"a worker executes it; if none runs: {start_worker(pools)}")
    if run.state.final and not wait:
        # It ended before it was queued, or the same was asked for before.
        from . import following

        if run.error is not None and not json:
            output.show_error(run.error)
        following.leave(run)
