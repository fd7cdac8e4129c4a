"""The standard health service: serving until the server drains, then not serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_Response = health_pb2.HealthCheckResponse
MOST_WATCHERS = 100
"""Streams of all clients together that watch the health."""


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # generated, untyped
    """grpc.health.v1.Health for a server whose services are up together.

    Unlike the library's, its watch streams end once they have said NOT_SERVING: an open one would
    otherwise hold up every shutdown for the whole grace period.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(services) | {""}
        self._draining = asyncio.Event()
        self._watchers = 0

    def drain(self) -> None:
        """Say NOT_SERVING from now on."""
        self._draining.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  # named by the protocol
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "the server has no such service")
        return _Response(status=self._status())

    async def Watch(  # noqa: N802  # named by the protocol
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        if self._watchers >= MOST_WATCHERS:
            # It is open to everybody, and would take the place of calls that are not.
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{MOST_WATCHERS} streams watch the health already; ask by Check",
            )
        self._watchers += 1
        try:
            if request.service not in self._services:
                yield _Response(status=_Response.SERVICE_UNKNOWN)
                await self._draining.wait()
                return
            if not self._draining.is_set():
                yield _Response(status=_Response.SERVING)
                await self._draining.wait()
            yield _Response(status=_Response.NOT_SERVING)
        finally:
            self._watchers -= 1

    def _status(self) -> Any:
        return _Response.NOT_SERVING if self._draining.is_set() else _Response.SERVING
