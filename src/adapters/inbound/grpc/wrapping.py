"""Handlers of calls, wrapped: the same four kinds for every interceptor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

Handler = Any  # grpc.RpcMethodHandler: its fields are undeclared in the library
Behaviour = Callable[..., Any]

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def kind_of(handler: Handler) -> str:
    """Which of the four kinds of calls it answers."""
    return next(name for name in _KINDS if getattr(handler, name) is not None)


def rewrapped(handler: Handler, behaviour: Behaviour, read: Callable[[bytes], Any] | None) -> Any:
    """The same handler with another behaviour, and another way to read requests."""
    make = getattr(grpc, f"{kind_of(handler)}_rpc_method_handler")
    return make(behaviour, read, handler.response_serializer)
