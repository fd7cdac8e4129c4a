"""RunService: the history of runs over the same use cases as the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from ....application.read_runs import ReadRuns
from ....domain.runs import RunFilter, RunState
from ....v1 import run_pb2, run_service_pb2, run_service_pb2_grpc
from .messages import run_message
from .page_tokens import PageTokens
from .resource_names import invalid_field, run_id

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1_000
_PAGE_BYTES = 3 * 1024 * 1024  # clients refuse messages over 4 MiB unless told otherwise
_LONGEST_PIPELINE_NAME = 200

T = TypeVar("T")


class RunService(run_service_pb2_grpc.RunServiceServicer):
    """Translates requests to use cases, which run on ``threads``, and their answers to messages."""

    def __init__(self, read_runs: ReadRuns, threads: Executor, page_key: bytes) -> None:
        self._read_runs = read_runs
        self._threads = threads
        self._tokens = PageTokens("ListRuns", page_key)

    async def GetRun(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.GetRunRequest, context: Any
    ) -> run_service_pb2.GetRunResponse:
        del context
        return await self._in_thread(partial(self._get, request))

    async def ListRuns(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.ListRunsRequest, context: Any
    ) -> run_service_pb2.ListRunsResponse:
        del context
        return await self._in_thread(partial(self._list, request))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _get(self, request: run_service_pb2.GetRunRequest) -> run_service_pb2.GetRunResponse:
        run = self._read_runs.get(run_id(request.name, field="name"))
        return run_service_pb2.GetRunResponse(run=run_message(run))

    def _list(self, request: run_service_pb2.ListRunsRequest) -> run_service_pb2.ListRunsResponse:
        size = _page_size(request.page_size)
        wanted = _wanted(request)
        filters = (wanted.pipeline, wanted.state, wanted.parent, wanted.top_level_only)
        before = self._tokens.open(request.page_token, filters)
        # One more than asked for shows whether another page follows.
        runs = self._read_runs.list(replace(wanted, before=before, limit=size + 1))
        response = run_service_pb2.ListRunsResponse()
        room = _PAGE_BYTES
        for run in runs[:size]:
            message = run_message(run)
            room -= message.ByteSize()
            if room < 0 and response.runs:
                break
            response.runs.append(message)
        if len(response.runs) < len(runs):
            last = runs[len(response.runs) - 1]
            response.next_page_token = self._tokens.issue(last.id, filters)
        return response


def _page_size(asked: int) -> int:
    if asked < 0:
        raise invalid_field(
            "page_size",
            f"page_size is {asked}, but a page cannot hold fewer than 0 runs",
            hint=f"give 1 to {LARGEST_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}",
        )
    return min(asked or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def _wanted(request: run_service_pb2.ListRunsRequest) -> RunFilter:
    if request.parent_run and request.top_level_only:
        raise invalid_field(
            "top_level_only",
            "top_level_only excludes every part of parent_run",
            hint="give one of the two",
        )
    return RunFilter(
        pipeline=_pipeline(request.pipeline),
        state=_state(request.state),
        parent=run_id(request.parent_run, field="parent_run") if request.parent_run else None,
        top_level_only=request.top_level_only,
    )


def _pipeline(name: str) -> str | None:
    if len(name) > _LONGEST_PIPELINE_NAME or not name.isprintable():
        raise invalid_field(
            "pipeline",
            "pipeline is too long or has characters that cannot be printed",
            hint=f"give the exact name of a pipeline, at most {_LONGEST_PIPELINE_NAME} characters",
        )
    return name or None


def _state(number: int) -> RunState | None:
    if number == run_pb2.Run.STATE_UNSPECIFIED:
        return None
    if number not in run_pb2.Run.State.values():
        raise invalid_field(
            "state",
            f"state is {number}, which is not a state of a run",
            hint="give one of the values of Run.State, or none for all of them",
        )
    return RunState(run_pb2.Run.State.Name(number).removeprefix("STATE_"))
