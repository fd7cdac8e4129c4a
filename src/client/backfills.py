"""Backfills on a server: surveyed, made, controlled and read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypedDict, Unpack

from ..domain.backfills import Backfill, BackfillPart, BackfillState, BackfillSurvey, PartState
from ..domain.partitions import PartitionState, Surveyed
from ..v1 import backfill_pb2
from ..v1 import backfill_service_pb2 as pb
from .accepting import day_of, member_of, members_of
from .calls import LONG, Calls, Listing, Page, build
from .decoding_backfills import (
    BackfillStanding,
    backfill_of,
    backfill_standing_of,
    part_of,
    surveyed_of,
)
from .encoding import date_message, filter_of, resource, value_messages
from .runs import new_request_id
from .selections import check_words

_BACKFILLS: Listing[Backfill] = Listing(
    "BackfillService/ListBackfills", pb.ListBackfillsResponse, "backfills", backfill_of
)
_PARTS: Listing[BackfillPart] = Listing(
    "BackfillService/ListBackfillPartitions",
    pb.ListBackfillPartitionsResponse,
    "partitions",
    part_of,
)


def _judged(message: Any) -> tuple[bool, Surveyed]:
    return message.wanted, surveyed_of(message)


_SURVEYED: Listing[tuple[bool, Surveyed]] = Listing(
    "BackfillService/SurveyBackfill", pb.SurveyBackfillResponse, "partitions", _judged
)


class BackfillPlan(TypedDict, total=False):
    """What a backfill is to do, besides its pipeline and periods.

    ``parameters`` go to every run; those that name partitions narrow them. ``only`` keeps
    partitions in these states. At most ``max_active`` partitions run at once.
    """

    parameters: Mapping[str, Any] | None
    only: Sequence[PartitionState | str] | str
    max_active: int
    force: bool


class Backfills:
    """``client.backfills``. A backfill is named by its id; ``timeout`` is in seconds."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        pipeline: str,
        first: date | str,
        last: date | str,
        *,
        request_id: str | None = None,
        timeout: float | None = LONG,
        **plan: Unpack[BackfillPlan],
    ) -> Backfill:
        """Make a backfill over the partitions from ``first`` to ``last``, and queue its first runs.

        The same ``request_id`` gives the same backfill; by default each call has its own. Raises a
        ValidationError when no partition is wanted.
        """
        check_words(plan, BackfillPlan, "backfills.create")
        request = build(
            pb.CreateBackfillRequest,
            plan=_plan(pipeline, first, last, plan),
            request_id=request_id or new_request_id(),
        )
        method = "BackfillService/CreateBackfill"
        answer = self._calls.unary(method, request, pb.CreateBackfillResponse, timeout)
        return backfill_of(answer.backfill)

    def survey(
        self,
        pipeline: str,
        first: date | str,
        last: date | str,
        *,
        timeout: float | None = LONG,
        **plan: Unpack[BackfillPlan],
    ) -> BackfillSurvey:
        """Which partitions a backfill would run and which not, and why; changes nothing."""
        check_words(plan, BackfillPlan, "backfills.survey")
        request = build(pb.SurveyBackfillRequest, plan=_plan(pipeline, first, last, plan))
        found = list(self._calls.all(_SURVEYED, request, None, timeout))
        return BackfillSurvey(
            [item for wanted, item in found if wanted],
            [item for wanted, item in found if not wanted],
        )

    def get(self, backfill_id: str, *, timeout: float | None = None) -> Backfill:
        """The backfill of that id; raises a ValidationError when there is none."""
        return self.standing(backfill_id, timeout=timeout).backfill

    def standing(self, backfill_id: str, *, timeout: float | None = None) -> BackfillStanding:
        """A backfill, and how many of its partitions are in which state; raises as :meth:`get`."""
        request = build(pb.GetBackfillRequest, name=resource("backfills", backfill_id))
        method = "BackfillService/GetBackfill"
        answer = self._calls.unary(method, request, pb.GetBackfillResponse, timeout)
        return backfill_standing_of(answer.backfill)

    def list(
        self,
        *,
        pipeline: str | None = None,
        state: BackfillState | str | None = None,
        before: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Backfill]:
        """The backfills that pass, newest first, at most ``limit``; behind ``before`` if given."""
        return self._calls.all(_BACKFILLS, _list_request(pipeline, state, before), limit, timeout)

    def page(
        self,
        *,
        pipeline: str | None = None,
        state: BackfillState | str | None = None,
        before: str | None = None,
        size: int = 50,
        token: str = "",
        timeout: float | None = None,
    ) -> Page[Backfill]:
        """One page of the backfills that pass; ``token`` is that of the page before."""
        request = _list_request(pipeline, state, before)
        return self._calls.page(_BACKFILLS, request, size, token, timeout)

    def partitions(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState | str] | str = (),
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[BackfillPart]:
        """The partitions of a backfill by number, all of them or those in these states."""
        return self._calls.all(_PARTS, _parts_request(backfill_id, states), limit, timeout)

    def partition_page(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState | str] | str = (),
        size: int = 1000,
        token: str = "",
        timeout: float | None = None,
    ) -> Page[BackfillPart]:
        """One page of the partitions of a backfill; ``token`` is that of the page before."""
        request = _parts_request(backfill_id, states)
        return self._calls.page(_PARTS, request, size, token, timeout)

    def limit(self, backfill_id: str, max_active: int, *, timeout: float | None = None) -> Backfill:
        """Let so many partitions run at once from now on; those that are under way go on."""
        backfill = backfill_pb2.Backfill(
            name=resource("backfills", backfill_id), max_active=max_active
        )
        request = build(pb.UpdateBackfillRequest, backfill=backfill)
        request.update_mask.paths.append("max_active")
        method = "BackfillService/UpdateBackfill"
        answer = self._calls.unary(method, request, pb.UpdateBackfillResponse, timeout)
        return backfill_of(answer.backfill)

    def pause(self, backfill_id: str, *, timeout: float | None = None) -> Backfill:
        """Queue no further partitions; those that are under way go on to their end."""
        request = build(pb.PauseBackfillRequest, name=resource("backfills", backfill_id))
        method = "BackfillService/PauseBackfill"
        answer = self._calls.unary(method, request, pb.PauseBackfillResponse, timeout)
        return backfill_of(answer.backfill)

    def resume(self, backfill_id: str, *, timeout: float | None = None) -> Backfill:
        """Go on where it was paused."""
        request = build(pb.ResumeBackfillRequest, name=resource("backfills", backfill_id))
        method = "BackfillService/ResumeBackfill"
        answer = self._calls.unary(method, request, pb.ResumeBackfillResponse, timeout)
        return backfill_of(answer.backfill)

    def cancel(self, backfill_id: str, *, timeout: float | None = None) -> Backfill:
        """Cancel the partitions that are under way, and all that are still planned."""
        request = build(pb.CancelBackfillRequest, name=resource("backfills", backfill_id))
        method = "BackfillService/CancelBackfill"
        answer = self._calls.unary(method, request, pb.CancelBackfillResponse, timeout)
        return backfill_of(answer.backfill)


def _plan(
    pipeline: str, first: date | str, last: date | str, plan: BackfillPlan
) -> pb.BackfillPlan:
    return build(
        pb.BackfillPlan,
        pipeline=pipeline,
        first_period=date_message(day_of(first, "first")),
        last_period=date_message(day_of(last, "last")),
        parameters=value_messages(plan.get("parameters") or {}),
        only=[
            f"PARTITION_STATE_{state.value}"
            for state in members_of(plan.get("only"), PartitionState, "only")
        ],
        max_active=plan.get("max_active"),
        force=plan.get("force"),
    )


def _list_request(
    pipeline: str | None, state: BackfillState | str | None, before: str | None
) -> pb.ListBackfillsRequest:
    wanted = filter_of(
        ("pipeline", "=", pipeline),
        ("state", "=", member_of(state, BackfillState, "state")),
        ("name", "<", None if before is None else resource("backfills", before)),
    )
    return build(pb.ListBackfillsRequest, filter=wanted)


def _parts_request(
    backfill_id: str, states: Collection[PartState | str] | str
) -> pb.ListBackfillPartitionsRequest:
    return build(
        pb.ListBackfillPartitionsRequest,
        parent=resource("backfills", backfill_id),
        states=[f"STATE_{state.value}" for state in members_of(states, PartState, "states")],
    )
