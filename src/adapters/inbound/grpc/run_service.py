"""RunService: submitting, following and controlling runs, and reading their history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from ....application.cancel_run import CancelRun
from ....application.opened_files import OpenedFiles
from ....application.purge_runs import PurgeRuns
from ....application.read_runs import ReadRuns, run_not_found
from ....application.retry_run import Extent, RetryRun
from ....application.submissions import Submission
from ....application.submit_run import SubmitRun
from ....v1 import run_service_pb2, run_service_pb2_grpc
from .gathering import Gathering, SameQuestions
from .resource_names import invalid_field, pipeline_id, run_id
from .run_reading import RunReading
from .run_watching import RunWatching
from .sending import send_all
from .values import values_of
from .work import Threads


@dataclass(frozen=True, slots=True)
class RunUses:
    """The use cases behind the service."""

    read: ReadRuns
    submit: SubmitRun
    cancel: CancelRun
    retry: RetryRun
    purge: PurgeRuns
    files: OpenedFiles


class RunService(run_service_pb2_grpc.RunServiceServicer):
    """Translates requests to use cases, which run on ``threads``, and their answers to messages."""

    def __init__(
        self, uses: RunUses, threads: Threads, page_key: bytes, watching: RunWatching
    ) -> None:
        self._uses = uses
        self._threads = threads
        self._reading = RunReading(uses.read, page_key)
        self._gathering = Gathering(self._reading.responses, threads)
        self._lists: SameQuestions[run_service_pb2.ListRunsResponse] = SameQuestions(threads)
        self._watching = watching

    async def SubmitRun(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.SubmitRunRequest, context: Any
    ) -> run_service_pb2.SubmitRunResponse:
        del context
        return await self._threads.do(partial(self._submit, request))

    async def GetRun(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.GetRunRequest, context: Any
    ) -> run_service_pb2.GetRunResponse:
        del context
        run = run_id(request.name, field="name")
        found = await self._gathering.get(run)
        if found is None:
            raise run_not_found(run)
        return found

    async def ListRuns(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.ListRunsRequest, context: Any
    ) -> run_service_pb2.ListRunsResponse:
        del context
        question = request.SerializeToString(deterministic=True)
        return await self._lists.ask(question, partial(self._reading.list, request))

    async def WatchRun(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.WatchRunRequest, context: Any
    ) -> None:
        await send_all(self._watching.watch(request), context)

    async def CancelRun(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.CancelRunRequest, context: Any
    ) -> run_service_pb2.CancelRunResponse:
        del context
        return await self._threads.do(partial(self._cancel, request))

    async def RetryRun(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.RetryRunRequest, context: Any
    ) -> run_service_pb2.RetryRunResponse:
        del context
        return await self._threads.do(partial(self._retry, request))

    async def ListRunSteps(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.ListRunStepsRequest, context: Any
    ) -> run_service_pb2.ListRunStepsResponse:
        del context
        return await self._threads.do(partial(self._reading.steps, request))

    async def ListRunEvents(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.ListRunEventsRequest, context: Any
    ) -> run_service_pb2.ListRunEventsResponse:
        del context
        return await self._threads.do(partial(self._reading.events, request))

    async def ListRunLogLines(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.ListRunLogLinesRequest, context: Any
    ) -> run_service_pb2.ListRunLogLinesResponse:
        del context
        return await self._threads.do(partial(self._reading.lines, request))

    async def ListRunLineage(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.ListRunLineageRequest, context: Any
    ) -> run_service_pb2.ListRunLineageResponse:
        del context
        return await self._threads.do(partial(self._reading.lineage, request))

    async def GetRunStatistics(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.GetRunStatisticsRequest, context: Any
    ) -> run_service_pb2.GetRunStatisticsResponse:
        del context
        return await self._threads.do(partial(self._reading.statistics, request))

    async def PurgeRuns(  # noqa: N802  # named by the protocol
        self, request: run_service_pb2.PurgeRunsRequest, context: Any
    ) -> run_service_pb2.PurgeRunsResponse:
        del context
        return await self._threads.do(partial(self._purge, request))

    def _submit(
        self, request: run_service_pb2.SubmitRunRequest
    ) -> run_service_pb2.SubmitRunResponse:
        pipeline = pipeline_id(request.pipeline, field="pipeline")
        given = values_of(request.parameters, field="parameters")
        run = self._uses.submit(
            Submission(
                pipeline,
                self._uses.files.checked(pipeline, given, place="parameters"),
                force=request.force,
                request=request.request_id or None,
                priority=request.priority,
                partition=request.partition or None,
            )
        )
        return run_service_pb2.SubmitRunResponse(run=self._reading.message(run))

    def _cancel(
        self, request: run_service_pb2.CancelRunRequest
    ) -> run_service_pb2.CancelRunResponse:
        run = self._uses.cancel(run_id(request.name, field="name"))
        return run_service_pb2.CancelRunResponse(run=self._reading.message(run))

    def _retry(self, request: run_service_pb2.RetryRunRequest) -> run_service_pb2.RetryRunResponse:
        if request.all and request.from_step:
            raise invalid_field(
                "from_step", "all does from_step again as well", hint="give one of the two"
            )
        name = run_id(request.name, field="name")
        earlier = self._uses.read.get(name)
        # It may have been made by somebody who may name more, or when more was opened.
        self._uses.files.still_opened(earlier.pipeline, earlier.parameters, field="name")
        run = self._uses.retry(
            name,
            extent=Extent.ALL if request.all else Extent.FAILED,
            from_step=request.from_step or None,
        )
        return run_service_pb2.RetryRunResponse(run=self._reading.message(run))

    def _purge(
        self, request: run_service_pb2.PurgeRunsRequest
    ) -> run_service_pb2.PurgeRunsResponse:
        purged = self._uses.purge(_age(request))
        return run_service_pb2.PurgeRunsResponse(
            runs=purged.runs, kept=purged.kept, events=purged.events, lines=purged.lines
        )


def _age(request: run_service_pb2.PurgeRunsRequest) -> timedelta:
    """Raises a ValidationError for an age that is not given, or that cannot be."""
    asked = request.older_than
    if not request.HasField("older_than") or asked.seconds < 1:
        raise invalid_field(
            "older_than",
            "older_than is less than a second, or missing",
            hint="say how old runs must be",
        )
    try:
        return timedelta(seconds=asked.seconds, microseconds=asked.nanos // 1000)
    except OverflowError:
        raise invalid_field(
            "older_than", f"{asked.seconds} seconds are too many", hint="give fewer"
        ) from None
