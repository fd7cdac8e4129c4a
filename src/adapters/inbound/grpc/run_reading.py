"""The reading side of RunService."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ....application.read_runs import ReadRuns, Standing
from ....domain.captures import LineageEdge
from ....domain.errors import Category
from ....domain.run_statistics import StatisticsFilter
from ....domain.runs import Run, RunFilter, RunState, Trigger
from ....v1 import run_pb2, run_service_pb2
from .filters import read_filter
from .messages_runs import (
    event_message,
    line_message,
    lineage_message,
    progress_message,
    run_message,
    statistics_message,
)
from .paging import Key, Pages, descending
from .resource_names import BACKFILLS, RUNS, id_of, invalid_field, run_id
from .values import moment_of

_FIELDS = {
    "name": "<",
    "pipeline": "=",
    "state": "=",
    "parent_run": "=",
    "step": "=",
    "partition": "=",
    "trigger": "=",
    "category": "=",
    "retry_of": "=",
    "backfill": "=",
    "create_time": ">= <",
}
_LONGEST_PIPELINE_NAME = 200


class RunReading:
    """Translates requests to :class:`ReadRuns`, and its answers to messages."""

    def __init__(self, read_runs: ReadRuns, page_key: bytes) -> None:
        self._read_runs = read_runs
        self._runs = Pages("ListRuns", page_key)
        self._steps = Pages("ListRunSteps", page_key)
        self._events = Pages("ListRunEvents", page_key)
        self._lines = Pages("ListRunLogLines", page_key)

    def responses(self, run_ids: Collection[str]) -> Mapping[str, run_service_pb2.GetRunResponse]:
        """What GetRun answers for those of the runs that are there."""
        return {
            found: run_service_pb2.GetRunResponse(run=_message(standing))
            for found, standing in self._read_runs.standing(run_ids).items()
        }

    def message(self, run: Run) -> run_pb2.Run:
        """A run as GetRun answers it: as it stands now."""
        if run.state.final:
            return run_message(run)
        standing = self._read_runs.standing([run.id]).get(run.id)
        return run_message(run) if standing is None else _message(standing)

    def list(self, request: run_service_pb2.ListRunsRequest) -> run_service_pb2.ListRunsResponse:
        """A page of runs."""
        newest_first = descending(request.order_by, "create_time", default=True)
        wanted = replace(_wanted(request.filter), oldest_first=not newest_first)
        page = self._runs.page(
            request,
            (request.filter, newest_first),
            lambda after, limit: self._page(wanted, after, limit),
            run_message,
            lambda item: (item.id,),
        )
        return run_service_pb2.ListRunsResponse(
            runs=page.items, next_page_token=page.next_page_token
        )

    def steps(
        self, request: run_service_pb2.ListRunStepsRequest
    ) -> run_service_pb2.ListRunStepsResponse:
        """A page of the parts of a run."""
        wanted = RunFilter(parent=run_id(request.parent, field="parent"), oldest_first=True)
        page = self._steps.page(
            request,
            (request.parent,),
            lambda after, limit: self._page(wanted, after, limit),
            run_message,
            lambda item: (item.id,),
        )
        self._tell_progress(page.items)
        return run_service_pb2.ListRunStepsResponse(
            steps=page.items, next_page_token=page.next_page_token
        )

    def events(
        self, request: run_service_pb2.ListRunEventsRequest
    ) -> run_service_pb2.ListRunEventsResponse:
        """A page of what happened to a run."""
        run, first = run_id(request.parent, field="parent"), number(request, "after_event")
        page = self._events.page(
            request,
            (request.parent, first),
            lambda after, limit: self._read_runs.events(
                run, after=int(after[0]) if after else first, limit=limit
            ),
            event_message,
            lambda item: (item.key,),
        )
        return run_service_pb2.ListRunEventsResponse(
            events=page.items, next_page_token=page.next_page_token
        )

    def lines(
        self, request: run_service_pb2.ListRunLogLinesRequest
    ) -> run_service_pb2.ListRunLogLinesResponse:
        """A page of what a run has logged."""
        run, first = run_id(request.parent, field="parent"), number(request, "after_line")
        page = self._lines.page(
            request,
            (request.parent, first),
            lambda after, limit: self._read_runs.lines(
                run, after=int(after[0]) if after else first, limit=limit
            ),
            line_message,
            lambda item: (item.number,),
        )
        return run_service_pb2.ListRunLogLinesResponse(
            lines=page.items, next_page_token=page.next_page_token
        )

    def lineage(
        self, request: run_service_pb2.ListRunLineageRequest
    ) -> run_service_pb2.ListRunLineageResponse:
        """What a run has read and written."""
        edges: Sequence[LineageEdge] = self._read_runs.lineage(
            run_id(request.parent, field="parent")
        )
        return run_service_pb2.ListRunLineageResponse(edges=map(lineage_message, edges))

    def statistics(
        self, request: run_service_pb2.GetRunStatisticsRequest
    ) -> run_service_pb2.GetRunStatisticsResponse:
        """How runs went."""
        wanted = StatisticsFilter(
            since=moment_of(request, "start_time"),
            until=moment_of(request, "end_time"),
            pipeline=_pipeline(request.pipeline, "pipeline") or None,
            parts=request.include_parts,
        )
        report = self._read_runs.statistics(wanted)
        return run_service_pb2.GetRunStatisticsResponse(
            by_pipeline=map(statistics_message, report.by_pipeline),
            by_day=map(statistics_message, report.by_day),
            total=statistics_message(report.total),
        )

    def _page(self, wanted: RunFilter, after: Key, limit: int) -> Sequence[Run]:
        place = None if after is None else str(after[0])
        if wanted.oldest_first:
            return self._read_runs.list(replace(wanted, after=place, limit=limit))
        return self._read_runs.list(replace(wanted, before=place or wanted.before, limit=limit))

    def _tell_progress(self, messages: Sequence[run_pb2.Run]) -> None:
        running = {
            run_id(item.name, field="name"): item
            for item in messages
            if item.state == run_pb2.Run.STATE_RUNNING
        }
        for found, progress in (self._read_runs.progress(running) if running else {}).items():
            running[found].progress.CopyFrom(progress_message(progress))


def _message(standing: Standing) -> run_pb2.Run:
    return run_message(standing.run, progress=standing.progress, job=standing.job)


def number(request: object, field: str) -> int:
    """A number of a request that cannot be negative."""
    value: int = getattr(request, field)
    if value < 0:
        raise invalid_field(field, f"{field} is {value}", hint="give 0 or more")
    return value


def _wanted(text: str) -> RunFilter:
    found = read_filter(text, _FIELDS)
    parent = found.equal("parent_run")
    retry_of, backfill = found.equal("retry_of"), found.equal("backfill")
    return RunFilter(
        pipeline=_pipeline(found.equal("pipeline"), "filter"),
        state=found.one_of("state", RunState),
        parent=_named(RUNS, parent or None),
        top_level_only=parent == "",
        step=found.equal("step"),
        partition=found.equal("partition"),
        trigger=found.one_of("trigger", Trigger),
        category=found.one_of("category", Category),
        retry_of=_named(RUNS, retry_of),
        backfill=_named(BACKFILLS, backfill),
        before=_named(RUNS, found.below("name")),
        since=found.moment("create_time", ">="),
        until=found.moment("create_time", "<"),
    )


def _named(kind: str, name: str | None) -> str | None:
    return None if name is None else id_of(kind, name, field="filter")


def _pipeline(name: str | None, field: str) -> str | None:
    if name is not None and (len(name) > _LONGEST_PIPELINE_NAME or not name.isprintable()):
        raise invalid_field(
            field,
            "the name of the pipeline is too long or has characters that cannot be printed",
            hint=f"give the exact name of a pipeline, at most {_LONGEST_PIPELINE_NAME} characters",
        )
    return None if name is None else name.removeprefix("pipelines/").removeprefix("workflows/")
