"""``spine db`` and ``spine doctor``: the store's schema, and the state of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from . import asking, output

if TYPE_CHECKING:
    from ....ports.storage import StoreStatus

app = typer.Typer(help="The store's schema.", no_args_is_help=True, rich_markup_mode=None)


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
            raise typer.Exit(output.EXIT_FAILED)


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
            raise typer.Exit(output.EXIT_FAILED)


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
            ("current", "yes" if status.current else "no: run spine db upgrade"),
        ]
    )
