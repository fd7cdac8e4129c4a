"""``spine db`` and ``spine doctor``: the store's schema, and the state of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from . import asking, output
from .exits import Exit

if TYPE_CHECKING:
    from ....application.copy_store import CopyReport
    from ....ports.storage import StoreStatus

_UPGRADE = "run 'spine db upgrade'"

app = typer.Typer(
    help="The store: its schema, and copies of it.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("upgrade")
def upgrade(context: typer.Context, json: asking.Json = False) -> None:
    """Create the schema, or bring it up to date. Safe to repeat."""
    with output.errors_shown():
        _show(asking.services(context).admin().upgrade(), json)


@app.command("current")
def current(context: typer.Context, json: asking.Json = False) -> None:
    """Show the schema's revision. Exit code 1 when it is not the one this version needs."""
    with output.errors_shown():
        status = asking.services(context).admin().status()
        _show(status, json)
        if not status.current:
            raise typer.Exit(Exit.FAILED)


@app.command("copy")
def copy(
    context: typer.Context,
    target: Annotated[
        str, typer.Option("--to", help="Database to copy into, empty or new.", metavar="URL")
    ],
    source: Annotated[
        str | None,
        typer.Option("--from", help="Database to copy; else the configured one.", metavar="URL"),
    ] = None,
    batch_rows: Annotated[
        int, typer.Option(min=1, help="Rows in one transaction.", metavar="N")
    ] = 50_000,
    json: asking.Json = False,
) -> None:
    """Copy the whole store into another database, and compare both in the end.

    A copy that was cut short goes on where it stopped when the same command is run again; until
    it is done, its target cannot be used. A target with other rows is left as it is. The raw
    files in the archive folder are not in the database: copy that folder as well.

    URL may be env:NAME or file:PATH, so that a password does not stand in the list of processes;
    the configured store keeps its password file.

    Example: spine db copy --to env:TARGET_URL
    """
    with output.errors_shown():
        try:
            with asking.services(context).copy_store(source, target) as copied:
                report = copied(batch_rows=batch_rows)
        except KeyboardInterrupt as interrupt:
            output.note("interrupted: run the same command again, it goes on where it stopped")
            raise typer.Exit(Exit.INTERRUPTED) from interrupt
        _show_copy(report, json)


def doctor(context: typer.Context, json: asking.Json = False) -> None:
    """Check that everything is in order. Exit code 1 when something is not."""
    with output.errors_shown():
        findings = asking.services(context).diagnose()()
        if json:
            output.print_json(findings)
        else:
            output.table(
                "",
                ["what", "", "detail"],
                (
                    (
                        item.name,
                        "ok" if item.ok else "PROBLEM",
                        item.detail + (f"; next: {item.hint}" if item.hint else ""),
                    )
                    for item in findings
                ),
            )
        if not all(item.ok for item in findings):
            raise typer.Exit(Exit.FAILED)


def _show_copy(report: CopyReport, json: bool) -> None:
    if json:
        totals = {"rows": report.rows, "written": report.written}
        output.print_json({**output.plain(report), **totals})
        return
    output.table(
        "Tables",
        ["table", "rows", "written", "digest", "seconds"],
        (
            (table.name, table.rows, table.written, table.digest, round(table.seconds, 2))
            for table in report.tables
        ),
        narrowing=("seconds", "written"),
    )
    copied = f"{report.target} is a copy of {report.source}: {report.rows:,} rows"
    seconds = f"in {report.seconds:.1f} s"
    if report.found.value == "occupied":
        output.say(
            f"{copied}, all compared {seconds}; the copy was made before, nothing is written"
        )
    else:
        output.say(f"{copied}, {report.written:,} of them written now, {seconds}")
    output.say("note: raw files are not in the database: copy the folder archive of its home too")


def _show(status: StoreStatus, json: bool) -> None:
    if json:
        output.print_json({**output.plain(status), "current": status.current})
        return
    output.facts(
        [
            ("backend", f"{status.backend} {status.server_version}"),
            ("location", status.location),
            ("revision", status.revision or "none"),
            ("expected", status.expected_revision),
            ("current", "yes" if status.current else f"no: {status.advice or _UPGRADE}"),
        ]
    )
