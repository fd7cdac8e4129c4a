"""``spine backfill``: one pipeline over many partitions, each in a run of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from . import asking, output, times

if TYPE_CHECKING:
    from ....application.backfills import BackfillRequest
    from ....domain.backfills import Backfill
    from ....domain.partitions import PartitionState
    from .use_cases import BackfillControl

app = typer.Typer(
    help="One pipeline over many partitions, each in a run of its own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BackfillId = Annotated[
    str,
    typer.Argument(
        help="Id of the backfill, its beginning or end (6 characters at least), or last.",
        metavar="BACKFILL",
    ),
]


@app.command("create")
def create(
    context: typer.Context,
    pipeline: Annotated[
        str, typer.Argument(help="A pipeline that declares its partitions.", metavar="PIPELINE")
    ],
    first: Annotated[str, typer.Option("--from", help="First day or Monday.", metavar="DATE")],
    last: Annotated[str, typer.Option("--to", help="Last day or Monday.", metavar="DATE")],
    parameter: asking.Parameters = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only partitions in these states: missing, failed, stale, revised, current.",
            metavar="STATES",
        ),
    ] = None,
    max_active: Annotated[
        int, typer.Option("--max-active", help="Partitions at once.", min=1, metavar="N")
    ] = 4,
    force: Annotated[
        bool, typer.Option("--force", help="Do the work although it was done before.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which partitions would run, and why.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Show each partition that would not run, too.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end; exit code 1 when one fails.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Run a pipeline for all partitions from one date to another.

    Parameters that name partitions narrow them, several values separated by commas; all others go
    to every run. Partitions that the source does not have are left out.

    For example:

      spine backfill create prices.refresh --from 2026-01-01 --to 2026-03-31

      ... --dry-run                           which would run, and why

      ... -p symbol=AAPL,MSFT                 these symbols

      ... --only missing,failed               what is missing or has failed

      ... --max-active 8                      eight at once
    """
    with output.errors_shown():
        from ....application.backfills import BackfillRequest
        from . import backfill_view

        request = BackfillRequest(
            pipeline=pipeline,
            first=times.day(first, "--from"),
            last=times.day(last, "--to"),
            parameters=asking.parameters(parameter or []),
            only=_states(only or []),
            max_active=max_active,
            force=force,
        )
        services = asking.services(context)
        if dry_run:
            _show_plan(context, request, every=every, json=json)
            return
        made, survey = services.create_backfill()(request)
        if wait:
            from . import backfill_following

            backfill_following.wait(services, made, json=json)
        elif json:
            output.print_json(backfill_view.document(services, made))
        else:
            backfill_view.tell_made(made, survey)


def _show_plan(
    context: typer.Context, request: BackfillRequest, *, every: bool, json: bool
) -> None:
    from . import backfill_view

    survey = asking.services(context).create_backfill().survey(request)
    if json:
        output.print_json(backfill_view.survey_document(survey))
    else:
        backfill_view.show_survey(survey, every=every)


def _states(texts: list[str]) -> tuple[PartitionState, ...]:
    """The states of --only, which may be repeated or separated by commas."""
    from ....domain.partitions import PartitionState

    named = [name for text in texts for name in text.split(",")]
    found = (
        asking.one_of(name, PartitionState, "--only", "state of a partition") for name in named
    )
    return tuple(dict.fromkeys(state for state in found if state is not None))


@app.command("list")
def list_backfills(
    context: typer.Context,
    before: Annotated[
        str | None,
        typer.Option(help="Only backfills before this one: the next page.", metavar="BACKFILL"),
    ] = None,
    limit: asking.Limit = 20,
    json: asking.Json = False,
) -> None:
    """List backfills, newest first."""
    with output.errors_shown():
        from . import backfill_view
        from .run_ids import find_backfill

        services = asking.services(context)
        reader = services.read_backfills()
        start = None if before is None else find_backfill(reader, before).id
        listed = reader.list(before=start, limit=limit) if limit else []
        if json:
            output.print_json([backfill_view.document(services, item) for item in listed])
            return
        backfill_view.show_list(reader, listed)
        if limit and len(listed) == limit:
            output.say(f"next page: the same with --before {listed[-1].id}", whole=True)


@app.command("show")
def show(
    context: typer.Context,
    backfill_id: BackfillId,
    parts: Annotated[bool, typer.Option("--parts", help="Show every partition.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what happens as it happens, to the end.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Show one backfill: how far it is, what is left, and which partitions failed.

    For example:

      spine backfill show last --parts
    """
    with output.errors_shown():
        from . import backfill_following, backfill_view
        from .run_ids import find_backfill

        services = asking.services(context)
        found = find_backfill(services.read_backfills(), backfill_id)
        if follow:
            backfill_following.wait(services, found, json=json)
        elif json:
            output.print_json(backfill_view.whole_document(services, found))
        else:
            backfill_view.show(services, found, every=parts)


@app.command("update")
def update(
    context: typer.Context,
    backfill_id: BackfillId,
    max_active: Annotated[
        int,
        typer.Option("--max-active", help="Let so many partitions run at once.", metavar="N"),
    ],
    json: asking.Json = False,
) -> None:
    """Change how many partitions of a backfill run at once; those under way go on."""
    _control(
        context, backfill_id, lambda control: partial(control.limit, max_active=max_active), json
    )


@app.command("pause")
def pause(context: typer.Context, backfill_id: BackfillId, json: asking.Json = False) -> None:
    """Begin no further partitions; those that are under way go on to their end."""
    _control(context, backfill_id, lambda control: control.pause, json)


@app.command("resume")
def resume(context: typer.Context, backfill_id: BackfillId, json: asking.Json = False) -> None:
    """Go on with a backfill that was paused."""
    _control(context, backfill_id, lambda control: control.resume, json)


@app.command("cancel")
def cancel(context: typer.Context, backfill_id: BackfillId, json: asking.Json = False) -> None:
    """Cancel a backfill: what is planned at once, what is executed within seconds."""
    _control(context, backfill_id, lambda control: control.cancel, json)


def _control(
    context: typer.Context,
    backfill_id: str,
    change: Callable[[BackfillControl], Callable[[str], Backfill]],
    json: bool,
) -> None:
    with output.errors_shown():
        from . import backfill_view
        from .run_ids import find_backfill

        services = asking.services(context)
        found = find_backfill(services.read_backfills(), backfill_id)
        changed = change(services.control_backfill())(found.id)
        if json:
            output.print_json(backfill_view.document(services, changed))
        else:
            backfill_view.tell_changed(services.read_backfills(), changed)
