"""``spine serve``: the gRPC server."""

from __future__ import annotations

from typing import Annotated

import typer

from ....domain.errors import Category, SpineError
from . import asking, output


def serve(
    context: typer.Context,
    listen: Annotated[
        str,
        typer.Option(help="Address to listen on; port 0 takes a free one.", metavar="HOST:PORT"),
    ] = "127.0.0.1:50051",
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Listen where others reach it, without TLS and authentication."
        ),
    ] = False,
) -> None:
    """Serve run history, health and reflection over gRPC until SIGTERM or Ctrl-C."""
    with output.errors_shown():
        asking.services(context).serve(listen, insecure=insecure)


def health(
    server: Annotated[
        str, typer.Option(help="Address of the server.", metavar="HOST:PORT")
    ] = "127.0.0.1:50051",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.1)] = 5.0,
) -> None:
    """Ask a server whether it takes calls. Exit code 1 when it does not.

    The database behind it is not asked: spine doctor does that.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with output.errors_shown():
        try:
            with grpc.insecure_channel(server) as channel:
                asked = health_pb2.HealthCheckRequest()
                answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=timeout)
        except grpc.RpcError as error:
            raise SpineError(
                f"{server} does not answer: {error.code().name}",
                category=Category.DEPENDENCY,
                hint="see that 'spine serve' runs there",
                cause=error,
            ) from None
        state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        output.facts([("server", server), ("state", state)])
        if state != "SERVING":
            raise typer.Exit(output.EXIT_FAILED)
