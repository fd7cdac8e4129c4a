"""Whoever asks how the server is takes nothing from those who call it."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from market_spine.adapters.inbound.grpc.health import MOST_WATCHERS, HealthService


class Refused(Exception):  # noqa: N818  # as gRPC ends a call
    """What a context raises to end a call."""


class Context:
    """A call that tells how it was ended."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Refused(code)


def test_so_many_watch_and_the_next_is_refused_until_one_leaves() -> None:
    async def scene() -> None:
        health = HealthService(["a"])
        request = health_pb2.HealthCheckRequest()
        context: Any = Context()
        streams = [health.Watch(request, context) for _ in range(MOST_WATCHERS)]
        for stream in streams:
            assert (await anext(stream)).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(Refused) as caught:
            await anext(health.Watch(request, context))
        assert caught.value.args == (grpc.StatusCode.RESOURCE_EXHAUSTED,)
        assert (await health.Check(request, context)).status == 1
        await streams[0].aclose()
        assert (await anext(health.Watch(request, context))).status == 1
        health.drain()
        for stream in streams[1:]:
            assert [item.status for item in [reply async for reply in stream]] == [2]

    asyncio.run(scene())
