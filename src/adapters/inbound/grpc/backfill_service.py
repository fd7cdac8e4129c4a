"""BackfillService: one pipeline over many partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ....application.backfills import (
    BackfillRequest,
    CreateBackfill,
    ReadBackfills,
)
from ....application.control_backfill import ControlBackfill
from ....application.opened_files import OpenedFiles
from ....domain.backfills import Backfill, BackfillState, PartState
from ....domain.partitions import PartitionState, Surveyed
from ....v1 import backfill_pb2, backfill_service_pb2, backfill_service_pb2_grpc
from .filters import read_filter
from .messages_backfills import backfill_message, part_message, surveyed_message
from .paging import Key, Pages, descending
from .resource_names import BACKFILLS, id_of, invalid_field, pipeline_id
from .values import date_of, values_of
from .work import Threads

_DEFAULT_ACTIVE = 4
_SURVEY_PAGE = 1_000
_CHANGEABLE = "max_active"


@dataclass(frozen=True, slots=True)
class BackfillUses:
    """The use cases behind the service."""

    create: CreateBackfill
    control: ControlBackfill
    read: ReadBackfills
    files: OpenedFiles


class BackfillService(backfill_service_pb2_grpc.BackfillServiceServicer):
    """Translates requests to use cases, which run on ``threads``, and their answers to messages."""

    def __init__(self, uses: BackfillUses, threads: Threads, page_key: bytes) -> None:
        self._uses = uses
        self._threads = threads
        self._surveys = Pages("SurveyBackfill", page_key)
        self._backfills = Pages("ListBackfills", page_key)
        self._parts = Pages("ListBackfillPartitions", page_key)

    async def CreateBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.CreateBackfillRequest, context: Any
    ) -> backfill_service_pb2.CreateBackfillResponse:
        del context
        return await self._threads.do(partial(self._create, request))

    async def SurveyBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.SurveyBackfillRequest, context: Any
    ) -> backfill_service_pb2.SurveyBackfillResponse:
        del context
        return await self._threads.do(partial(self._survey, request))

    async def GetBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.GetBackfillRequest, context: Any
    ) -> backfill_service_pb2.GetBackfillResponse:
        del context

        def get() -> backfill_service_pb2.GetBackfillResponse:
            found = self._uses.read.get(_backfill_id(request.name))
            return backfill_service_pb2.GetBackfillResponse(backfill=self._counted(found))

        return await self._threads.do(get)

    async def ListBackfills(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.ListBackfillsRequest, context: Any
    ) -> backfill_service_pb2.ListBackfillsResponse:
        del context
        return await self._threads.do(partial(self._list, request))

    async def ListBackfillPartitions(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.ListBackfillPartitionsRequest, context: Any
    ) -> backfill_service_pb2.ListBackfillPartitionsResponse:
        del context
        return await self._threads.do(partial(self._list_parts, request))

    async def UpdateBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.UpdateBackfillRequest, context: Any
    ) -> backfill_service_pb2.UpdateBackfillResponse:
        del context

        def update() -> backfill_service_pb2.UpdateBackfillResponse:
            backfill = id_of(BACKFILLS, request.backfill.name, field="backfill.name")
            _check_mask(request)
            found = self._uses.control.limit(backfill, request.backfill.max_active)
            return backfill_service_pb2.UpdateBackfillResponse(backfill=self._counted(found))

        return await self._threads.do(update)

    async def PauseBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.PauseBackfillRequest, context: Any
    ) -> backfill_service_pb2.PauseBackfillResponse:
        del context

        def pause() -> backfill_service_pb2.PauseBackfillResponse:
            found = self._uses.control.pause(_backfill_id(request.name))
            return backfill_service_pb2.PauseBackfillResponse(backfill=self._counted(found))

        return await self._threads.do(pause)

    async def ResumeBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.ResumeBackfillRequest, context: Any
    ) -> backfill_service_pb2.ResumeBackfillResponse:
        del context

        def resume() -> backfill_service_pb2.ResumeBackfillResponse:
            found = self._uses.control.resume(_backfill_id(request.name))
            return backfill_service_pb2.ResumeBackfillResponse(backfill=self._counted(found))

        return await self._threads.do(resume)

    async def CancelBackfill(  # noqa: N802  # named by the protocol
        self, request: backfill_service_pb2.CancelBackfillRequest, context: Any
    ) -> backfill_service_pb2.CancelBackfillResponse:
        del context

        def cancel() -> backfill_service_pb2.CancelBackfillResponse:
            found = self._uses.control.cancel(_backfill_id(request.name))
            return backfill_service_pb2.CancelBackfillResponse(backfill=self._counted(found))

        return await self._threads.do(cancel)

    def _create(
        self, request: backfill_service_pb2.CreateBackfillRequest
    ) -> backfill_service_pb2.CreateBackfillResponse:
        asked = self._asked(request, request.request_id or None)
        made, survey = self._uses.create(asked)
        message = self._counted(made)
        return backfill_service_pb2.CreateBackfillResponse(
            backfill=message,
            partitions=sum(item.partitions for item in message.counts),
            left_out=len(survey.others),
        )

    def _survey(
        self, request: backfill_service_pb2.SurveyBackfillRequest
    ) -> backfill_service_pb2.SurveyBackfillResponse:
        survey = self._uses.create.survey(self._asked(request, None))
        found = [(item, True) for item in survey.wanted]
        found += [(item, False) for item in survey.others]
        numbered = list(enumerate(found))

        def read(after: Key, limit: int) -> Sequence[tuple[int, tuple[Surveyed, bool]]]:
            first = 0 if after is None else int(after[0]) + 1
            return numbered[first : first + limit]

        page = self._surveys.page(
            request,
            (request.plan.SerializeToString(deterministic=True).hex(),),
            read,
            lambda item: surveyed_message(item[1][0], wanted=item[1][1]),
            lambda item: (item[0],),
            default=_SURVEY_PAGE,
        )
        return backfill_service_pb2.SurveyBackfillResponse(
            partitions=page.items,
            wanted=len(survey.wanted),
            others=len(survey.others),
            next_page_token=page.next_page_token,
        )

    def _list(
        self, request: backfill_service_pb2.ListBackfillsRequest
    ) -> backfill_service_pb2.ListBackfillsResponse:
        descending(request.order_by, "create_time", default=True, only=True)
        wanted = read_filter(request.filter, {"pipeline": "=", "state": "=", "name": "<"})
        pipeline, state = wanted.equal("pipeline"), wanted.one_of("state", BackfillState)
        name = wanted.below("name")
        bound = None if name is None else id_of(BACKFILLS, name, field="filter")
        page = self._backfills.page(
            request,
            (request.filter,),
            lambda after, limit: self._uses.read.list(
                pipeline=pipeline,
                state=state,
                before=bound if after is None else str(after[0]),
                limit=limit,
            ),
            backfill_message,
            lambda item: (item.id,),
        )
        return backfill_service_pb2.ListBackfillsResponse(
            backfills=page.items, next_page_token=page.next_page_token
        )

    def _list_parts(
        self, request: backfill_service_pb2.ListBackfillPartitionsRequest
    ) -> backfill_service_pb2.ListBackfillPartitionsResponse:
        backfill = id_of(BACKFILLS, request.parent, field="parent")
        self._uses.read.get(backfill)
        states = _part_states(request.states)
        page = self._parts.page(
            request,
            (request.parent, *sorted(states)),
            lambda after, limit: self._uses.read.parts(
                backfill, states=states, after=int(after[0]) if after else 0, limit=limit
            ),
            part_message,
            lambda item: (item.number,),
        )
        return backfill_service_pb2.ListBackfillPartitionsResponse(
            partitions=page.items, next_page_token=page.next_page_token
        )

    def _counted(self, backfill: Backfill) -> backfill_pb2.Backfill:
        return backfill_message(backfill, self._uses.read.counts(backfill.id))

    def _asked(
        self,
        request: backfill_service_pb2.CreateBackfillRequest
        | backfill_service_pb2.SurveyBackfillRequest,
        request_id: str | None,
    ) -> BackfillRequest:
        plan = request.plan
        first, last = date_of(plan, "first_period"), date_of(plan, "last_period")
        if first is None or last is None:
            field = "plan.first_period" if first is None else "plan.last_period"
            raise invalid_field(field, f"{field} is missing", hint="say which periods are meant")
        pipeline = pipeline_id(plan.pipeline, field="plan.pipeline")
        given = values_of(plan.parameters, field="plan.parameters")
        return BackfillRequest(
            pipeline=pipeline,
            first=first,
            last=last,
            parameters=self._uses.files.checked(pipeline, given, place="plan.parameters"),
            only=tuple(_partition_state(number) for number in plan.only),
            max_active=plan.max_active or _DEFAULT_ACTIVE,
            force=plan.force,
            request=request_id,
        )


def _check_mask(request: backfill_service_pb2.UpdateBackfillRequest) -> None:
    """Raise a ValidationError unless max_active is what is to be changed, and nothing else."""
    paths = list(request.update_mask.paths)
    if paths not in ([], [_CHANGEABLE]) or not (paths or request.backfill.max_active):
        raise invalid_field(
            "update_mask",
            f"update_mask is {', '.join(paths)[:100] or 'empty'}",
            hint=f'give "{_CHANGEABLE}", the one field that can be changed',
        )


def _backfill_id(name: str) -> str:
    return id_of(BACKFILLS, name, field="name")


def _partition_state(number: int) -> PartitionState:
    names = backfill_pb2.PartitionState.items()
    name = next((name for name, value in names if value == number and number), None)
    if name is None:
        raise _no_state("plan.only", number)
    return PartitionState(name.removeprefix("PARTITION_STATE_"))


def _part_states(numbers: Sequence[int]) -> list[PartState]:
    names = {number: name for name, number in backfill_pb2.BackfillPartition.State.items()}
    for number in numbers:
        if number not in names:
            raise _no_state("states", number)
    if 0 in numbers:
        return []  # which stands for all
    return [PartState(names[number].removeprefix("STATE_")) for number in set(numbers)]


def _no_state(field: str, number: int) -> Exception:
    return invalid_field(
        field, f"{field} holds {number}, which is no state", hint="give values of the enum"
    )
