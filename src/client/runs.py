"""Runs on a server: submitted, read, followed, ended and repeated."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypedDict, Unpack

from ..domain.captures import LineageEdge
from ..domain.errors import Category
from ..domain.run_statistics import Purged, StatisticsReport
from ..domain.runs import LogLine, Run, RunEvent, RunState, Trigger
from ..v1 import run_service_pb2 as pb
from .accepting import member_of, moment_of
from .calls import LONG, Calls, Listing, Page, build
from .decoding_runs import (
    RunStanding,
    edge_of,
    event_of,
    line_of,
    purged_of,
    report_of,
    run_of,
    standing_of,
)
from .encoding import (
    duration_message,
    filter_of,
    resource,
    timestamp_message,
    value_messages,
)
from .run_watch import RunNews, RunWatch
from .selections import check_words

_RUNS: Listing[Run] = Listing("RunService/ListRuns", pb.ListRunsResponse, "runs", run_of)
_STEPS: Listing[RunStanding] = Listing(
    "RunService/ListRunSteps", pb.ListRunStepsResponse, "steps", standing_of
)
_EVENTS: Listing[RunEvent] = Listing(
    "RunService/ListRunEvents", pb.ListRunEventsResponse, "events", event_of
)
_LINES: Listing[LogLine] = Listing(
    "RunService/ListRunLogLines", pb.ListRunLogLinesResponse, "lines", line_of
)


class RunSelection(TypedDict, total=False):
    """Which runs are wanted; what is left out, or None, keeps all.

    ``parent``, ``retry_of`` and ``backfill`` are ids; ``top_level`` keeps runs that are part of no
    other, ``before`` those with a lower id, which stand behind that run in a list that is newest
    first. ``since`` (inclusive) and ``until`` (exclusive) bound the time of creation. Runs come
    newest first unless ``oldest_first``. Times may be ISO text; a day alone is meant as a whole.
    """

    pipeline: str | None
    state: RunState | str | None
    trigger: Trigger | str | None
    category: Category | str | None
    partition: str | None
    parent: str | None
    top_level: bool
    step: str | None
    retry_of: str | None
    backfill: str | None
    before: str | None
    since: datetime | date | str | None
    until: datetime | date | str | None
    oldest_first: bool


class Runs:
    """``client.runs``. A run is named by its id; every method takes ``timeout`` in seconds."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def submit(
        self,
        pipeline: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        request_id: str | None = None,
        priority: int = 0,
        force: bool = False,
        partition: str | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Queue a pipeline or workflow; the run as it was queued.

        The same ``request_id`` gives the same run, however often it is submitted; by default each
        call has an id of its own, so that it can be repeated when the connection breaks.
        """
        request = build(
            pb.SubmitRunRequest,
            pipeline=pipeline,
            parameters=value_messages(parameters or {}),
            request_id=request_id or new_request_id(),
            priority=priority,
            force=force,
            partition=partition,
        )
        method = "RunService/SubmitRun"
        return run_of(self._calls.unary(method, request, pb.SubmitRunResponse, timeout).run)

    def get(self, run_id: str, *, timeout: float | None = None) -> Run:
        """The run of that id; raises a ValidationError when there is none."""
        return self.standing(run_id, timeout=timeout).run

    def standing(self, run_id: str, *, timeout: float | None = None) -> RunStanding:
        """A run with its progress and its place in the queue; raises as :meth:`get`."""
        request = build(pb.GetRunRequest, name=resource("runs", run_id))
        answer = self._calls.unary("RunService/GetRun", request, pb.GetRunResponse, timeout)
        return standing_of(answer.run)

    def list(
        self,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        **wanted: Unpack[RunSelection],
    ) -> Iterator[Run]:
        """The runs that pass, at most ``limit``; pages are asked for as they are reached."""
        return self._calls.all(_RUNS, _list_request(wanted, "runs.list"), limit, timeout)

    def page(
        self,
        *,
        size: int = 50,
        token: str = "",
        timeout: float | None = None,
        **wanted: Unpack[RunSelection],
    ) -> Page[Run]:
        """One page of the runs that pass; ``token`` is that of the page before."""
        request = _list_request(wanted, "runs.page")
        return self._calls.page(_RUNS, request, size, token, timeout)

    def watch(
        self,
        run_id: str,
        *,
        after_event: int = 0,
        after_line: int = 0,
        lines: bool = True,
    ) -> Iterator[RunNews]:
        """What happens to a run and its steps, as it happens, until it has ended.

        The last item is the run in its final state. A connection that breaks is made again, and
        what was told is not told twice; the error is raised after a minute without a server.
        ``after_event`` and ``after_line`` are numbers of the run itself to go on after.
        """
        return iter(RunWatch(self._calls, run_id, after_event, after_line, lines))

    def watching(self, run_id: str) -> RunWatch:
        """The same as :meth:`watch`, for who opens the streams himself."""
        return RunWatch(self._calls, run_id)

    def cancel(self, run_id: str, *, timeout: float | None = None) -> Run:
        """Ask for the end of a run with all that is inside it; the run as it stands then."""
        request = build(pb.CancelRunRequest, name=resource("runs", run_id))
        method = "RunService/CancelRun"
        return run_of(self._calls.unary(method, request, pb.CancelRunResponse, timeout).run)

    def retry(
        self,
        run_id: str,
        *,
        everything: bool = False,
        from_step: str | None = None,
        timeout: float | None = None,
    ) -> Run:
        """Go on with a run that has ended; the new run.

        ``everything`` does again what has succeeded too, ``from_step`` that step and all after it.
        Not repeated by itself: the server refuses a second one while the first is live.
        """
        request = build(
            pb.RetryRunRequest,
            name=resource("runs", run_id),
            all=everything,
            from_step=from_step,
        )
        method = "RunService/RetryRun"
        return run_of(self._calls.unary(method, request, pb.RetryRunResponse, timeout).run)

    def steps(self, run_id: str, *, timeout: float | None = None) -> Iterator[Run]:
        """The parts of a run, in the order in which they were made."""
        return (item.run for item in self.step_standings(run_id, timeout=timeout))

    def step_standings(self, run_id: str, *, timeout: float | None = None) -> Iterator[RunStanding]:
        """The parts of a run with their progress; without their places in the queue."""
        request = build(pb.ListRunStepsRequest, parent=resource("runs", run_id))
        return self._calls.all(_STEPS, request, None, timeout)

    def events(
        self,
        run_id: str,
        *,
        after: int = 0,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[RunEvent]:
        """What happened to a run, from the event after the one with the number ``after``."""
        request = build(pb.ListRunEventsRequest, parent=resource("runs", run_id), after_event=after)
        return self._calls.all(_EVENTS, request, limit, timeout)

    def lines(
        self,
        run_id: str,
        *,
        after: int = 0,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[LogLine]:
        """What a run has logged, from the line after number ``after``."""
        request = build(
            pb.ListRunLogLinesRequest, parent=resource("runs", run_id), after_line=after
        )
        return self._calls.all(_LINES, request, limit, timeout)

    def lineage(self, run_id: str, *, timeout: float | None = None) -> Sequence[LineageEdge]:
        """The captures that a run has read and written; raises as :meth:`get`."""
        request = build(pb.ListRunLineageRequest, parent=resource("runs", run_id))
        method = "RunService/ListRunLineage"
        answer = self._calls.unary(method, request, pb.ListRunLineageResponse, timeout)
        return [edge_of(edge) for edge in answer.edges]

    def statistics(
        self,
        *,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        pipeline: str | None = None,
        parts: bool = False,
        timeout: float | None = LONG,
    ) -> StatisticsReport:
        """How runs went that were created from ``since`` to ``until``; with ``parts``, those too
        that are part of another one.
        """
        request = build(
            pb.GetRunStatisticsRequest,
            start_time=timestamp_message(moment_of(since, "since", time.min)),
            end_time=timestamp_message(moment_of(until, "until")),
            pipeline=pipeline,
            include_parts=parts,
        )
        method = "RunService/GetRunStatistics"
        answer = self._calls.unary(method, request, pb.GetRunStatisticsResponse, timeout)
        return report_of(answer)

    def purge(self, older_than: timedelta, *, timeout: float | None = LONG) -> Purged:
        """Delete the history of runs that ended longer ago; for administrators.

        What is deleted when the time is over stays deleted: the same call goes on.
        """
        request = build(pb.PurgeRunsRequest, older_than=duration_message(older_than))
        method = "RunService/PurgeRuns"
        return purged_of(self._calls.unary(method, request, pb.PurgeRunsResponse, timeout))


def new_request_id() -> str:
    """An id for a request that nobody else has."""
    return str(uuid.uuid4())


def _list_request(wanted: RunSelection, caller: str) -> pb.ListRunsRequest:
    check_words(wanted, RunSelection, caller)
    parent = _name("runs", wanted.get("parent"))
    if parent is None and wanted.get("top_level"):
        parent = ""
    return build(
        pb.ListRunsRequest,
        filter=filter_of(
            ("pipeline", "=", wanted.get("pipeline")),
            ("state", "=", member_of(wanted.get("state"), RunState, "state")),
            ("trigger", "=", member_of(wanted.get("trigger"), Trigger, "trigger")),
            ("category", "=", member_of(wanted.get("category"), Category, "category")),
            ("partition", "=", wanted.get("partition")),
            ("parent_run", "=", parent),
            ("step", "=", wanted.get("step")),
            ("retry_of", "=", _name("runs", wanted.get("retry_of"))),
            ("backfill", "=", _name("backfills", wanted.get("backfill"))),
            ("name", "<", _name("runs", wanted.get("before"))),
            ("create_time", ">=", moment_of(wanted.get("since"), "since", time.min)),
            ("create_time", "<", moment_of(wanted.get("until"), "until")),
        ),
        order_by="create_time" if wanted.get("oldest_first") else "",
    )


def _name(collection: str, given: str | None) -> str | None:
    return None if given is None else resource(collection, given)
