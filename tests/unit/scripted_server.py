"""A real gRPC server that answers as a test says: for the client's side of what servers do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc_status import rpc_status

from market_spine.adapters.inbound.grpc.statuses import status_of
from market_spine.client.channel import SERVICES
from market_spine.domain.errors import SpineError

Answer = Callable[[Any, grpc.ServicerContext], Any]


@dataclass(slots=True)
class Received:
    """One call as it came: the request (all of them for a stream), metadata and seconds left."""

    method: str
    request: Any
    metadata: dict[str, str]
    remaining: float | None


@dataclass(slots=True)
class ScriptedServer:
    """``answers`` by method, as in ``RunService/GetRun``; a generator answers a stream."""

    answers: dict[str, Answer]
    received: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def calls(self, method: str) -> list[Received]:
        return [call for call in self.received if call.method == method]

    def serve(self, credentials: grpc.ServerCredentials | None = None) -> grpc.Server:
        server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service.full_name, handlers)]
            )
        where = f"127.0.0.1:{self.port}"
        self.port = (
            server.add_insecure_port(where)
            if credentials is None
            else server.add_secure_port(where, credentials)
        )
        server.start()
        return server

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        name = f"{method.containing_service.name}/{method.name}"
        read = message_factory.GetMessageClass(method.input_type).FromString

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            if method.client_streaming and name not in self.answers:
                request = list(request)
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            self.received.append(Received(name, request, metadata, context.time_remaining()))
            if name not in self.answers:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "not in this script")
            return self.answers[name](request, context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            yield from answer(request, context)

        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
        }
        make = kinds[method.client_streaming, method.server_streaming]
        behaviour = stream if method.server_streaming else answer
        handler: grpc.RpcMethodHandler[Any, Any] = make(
            behaviour, read, lambda message: message.SerializeToString()
        )
        return handler


@contextmanager
def scripted(
    answers: dict[str, Answer], credentials: grpc.ServerCredentials | None = None
) -> Iterator[ScriptedServer]:
    """A server that answers so, on a free port of this machine."""
    script = ScriptedServer(answers)
    server = script.serve(credentials)
    try:
        yield script
    finally:
        server.stop(None).wait()


def fail(context: grpc.ServicerContext, error: SpineError) -> Any:
    """End the call as the server of this software ends it for that error."""
    context.abort_with_status(rpc_status.to_status(status_of(error)))


def in_turn(*answers: Any) -> Answer:
    """Each call gets the next answer, which is a message, an Answer or an error; the last stays."""
    left = list(answers)

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, SpineError):
            return fail(context, now)
        return now(request, context) if callable(now) else now

    return answer
