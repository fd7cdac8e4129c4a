"""The ``spine`` command: one sub-command per question. Heavy imports wait until one is asked."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ....domain.errors import ValidationError
from . import (
    asking,
    auth,
    backfill,
    data,
    database,
    evidence,
    output,
    pipelines,
    run,
    runs,
    serve,
    submit,
    upload,
)
from .services import HealthCheck, ServicesFactory, Wiring

_HELP = """Market-data pipelines: capture, validate, measure and publish.

Start with:

  spine pipelines list                       what can be run

  spine run NAME -p key=value                run it here, and wait for it

  spine data show DATASET --week 2025-11-10  look at what came out

Let workers do it:

  spine worker                               execute what is submitted

  spine submit NAME -p key=value             queue a run

  spine runs show last --follow              watch it, to its end

  spine backfill create --help               run it for many partitions

State lives in the folder SPINE_HOME (default .spine); SPINE_DATABASE_URL names another store.
With --server, or SPINE_SERVER, a server is asked instead: SPINE_TOKEN or SPINE_TOKEN_FILE is how it
knows you, SPINE_SERVER_CA how you know it.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not there, 4 not permitted, 5 away or busy (try again
later), 6 wrong settings, 70 a defect, 130 interrupted.
"""


class _Root(TyperGroup):
    """Help and version that cannot be written are told as every other answer."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with output.errors_shown():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        with output.errors_shown():
            try:
                return super().invoke(*args, **kwargs)
            except Exception as error:
                # Only what says which option is unknown; the library's class has no public name.
                if getattr(error, "option_name", None) != _SERVER:
                    raise
                raise ValidationError(
                    "--server is an option of spine itself: it goes before the command",
                    hint="write spine --server HOST:PORT COMMAND, or set SPINE_SERVER",
                ) from error


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"market-spine {version('market-spine')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
]
_SERVER = "--server"
Server = Annotated[
    str | None,
    typer.Option(
        _SERVER,
        help="Ask this server, instead of a store of our own; else SPINE_SERVER.",
        metavar="HOST:PORT",
    ),
]


def build(services: ServicesFactory, health: HealthCheck) -> typer.Typer:
    """The command tree over the given services and health check."""
    app = typer.Typer(
        name="spine",
        cls=_Root,
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        context: typer.Context,
        server: Server = None,
        _version: Version = False,
    ) -> None:
        context.obj = Wiring(services, health, asking.server(server))

    app.command("run", context_settings=run.SETTINGS)(run.run)
    app.command("submit", context_settings=submit.SETTINGS)(submit.submit)
    app.command("upload", context_settings=upload.SETTINGS)(upload.upload)
    app.command("worker")(serve.worker)
    app.add_typer(pipelines.app, name="pipelines")
    app.add_typer(runs.app, name="runs")
    app.add_typer(backfill.app, name="backfill")
    for name, group in evidence.groups().items():
        app.add_typer(group, name=name)
    app.add_typer(data.app, name="data")
    app.add_typer(database.app, name="db")
    app.command("doctor")(database.doctor)
    app.add_typer(auth.app, name="auth")
    app.command("serve")(serve.serve)
    app.command("health")(serve.health)
    return app
