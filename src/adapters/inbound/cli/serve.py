"""``spine serve`` and ``spine worker``: the processes that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ....domain.errors import ValidationError
from . import asking, output
from .exits import Exit
from .services import ServeOptions

_MOST_JOBS = 1_000


def serve(
    context: typer.Context,
    listen: Annotated[
        str,
        typer.Option(help="Address to listen on; port 0 takes a free one.", metavar="HOST:PORT"),
    ] = "127.0.0.1:50051",
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="Certificate of the server, with its chain (PEM).", metavar="FILE"),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Key of that certificate (PEM).", metavar="FILE")
    ] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            help="Demand certificates of clients, signed by one of these (PEM).", metavar="FILE"
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Listen where others reach it, without TLS and authentication."
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Execute so many queued runs at once; 0: none, that is for spine worker.",
            min=0,
            max=_MOST_JOBS,
            metavar="N",
        ),
    ] = None,
) -> None:
    """Serve gRPC, and execute queued runs, until SIGTERM or Ctrl-C.

    For example:

      spine serve              all in one process

      spine serve --workers 0  the API alone, beside spine worker

      spine serve --listen 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key

    On this machine alone nobody needs credentials. Elsewhere it takes TLS, and a token of every
    caller: spine auth token create makes one.
    """
    options = ServeOptions(listen, insecure, workers, tls_cert, tls_key, client_ca)
    with output.errors_shown():
        asking.services(context).serve(options)


def worker(
    context: typer.Context,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency",
            "-c",
            help="Runs at once; else what the settings say.",
            min=1,
            max=_MOST_JOBS,
            metavar="N",
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            "--pool",
            "--pools",
            help="Take runs of this pool only; repeat it, or separate names with commas.",
            metavar="NAME",
        ),
    ] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when there is nothing left to do.")
    ] = False,
) -> None:
    """Execute what was submitted, until SIGTERM or Ctrl-C.

    Start as many workers as you like, on any machine that reaches the database; each also takes
    over what a worker that vanished has left.

    For example:

      spine worker                            for everything

      spine worker --concurrency 8 --pool io  eight at once, of one pool

      spine worker --until-idle               do what waits, then end
    """
    with output.errors_shown():
        asking.services(context).work(
            jobs=concurrency, pools=_names(pool or []), until_idle=until_idle
        )


def _names(texts: list[str]) -> list[str]:
    """Names of pools, each once, in the order in which they were given."""
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):
        raise ValidationError(
            f"--pool {','.join(texts)!r} has an empty name", hint="write it as --pool a,b"
        )
    return list(dict.fromkeys(names))


def health(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            help="Address of the server; else SPINE_SERVER, or this machine's.", metavar="HOST:PORT"
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.1)] = 5.0,
    json: asking.Json = False,
) -> None:
    """Ask a server whether it takes calls. Exit code 5 when it does not.

    The database behind it is not asked: spine doctor does that.
    """
    with output.errors_shown():
        address, state = asking.wiring(context).health(asking.server(server), timeout)
        if json:
            output.print_json({"server": address, "state": state})
        else:
            output.facts([("server", address), ("state", state)])
        if state != "SERVING":
            raise typer.Exit(Exit.AGAIN)
