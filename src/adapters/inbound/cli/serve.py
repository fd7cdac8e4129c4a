"""``spine serve``: the gRPC server."""

from __future__ import annotations

from typing import Annotated

import typer

from . import asking, output


def serve(
    context: typer.Context,
    listen: Annotated[
        str,
        typer.Option(help="Address to listen on; port 0 takes a free one.", metavar="HOST:PORT"),
    ] = "127.0.0.1:50051",
) -> None:
    """Serve run history, health and reflection over gRPC until SIGTERM or Ctrl-C."""
    with output.errors_shown():
        asking.services(context).serve(listen)
