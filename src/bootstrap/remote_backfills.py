"""Backfills of a server, asked for and answered as those of a store."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..client.backfills import BackfillPlan, Backfills
from ..domain.backfills import Backfill, BackfillPart, BackfillSurvey, PartState
from ..domain.errors import ValidationError
from .bookmarks import Bookmarks

if TYPE_CHECKING:
    from ..application.backfills import BackfillRequest


@dataclass(slots=True)
class RemoteBackfills:
    """What a backfill brings with it is not asked for again: the numbers of its partitions."""

    backfills: Backfills
    _counts: dict[str, Mapping[PartState, int]] = field(default_factory=dict)
    _parts: dict[tuple[str, frozenset[PartState]], Bookmarks[BackfillPart, int]] = field(
        default_factory=dict
    )

    def get(self, backfill_id: str) -> Backfill:
        try:
            standing = self.backfills.standing(backfill_id)
        except ValidationError as error:
            # An id that no backfill can have is to a store one that none has.
            if error.context.metadata.get("field") == "name":
                from ..application.backfills import backfill_not_found

                raise backfill_not_found(backfill_id) from error
            raise
        self._counts[backfill_id] = standing.counts
        return standing.backfill

    def list(self, *, before: str | None = None, limit: int = 50) -> Sequence[Backfill]:
        return [*self.backfills.list(before=before, limit=limit)]

    def counts(self, backfill_id: str) -> Mapping[PartState, int]:
        if backfill_id in self._counts:
            return self._counts.pop(backfill_id)
        return self.backfills.standing(backfill_id).counts

    def parts(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[BackfillPart]:
        wanted = (backfill_id, frozenset(states))
        if wanted not in self._parts:
            self._parts[wanted] = Bookmarks(
                lambda size, token: self.backfills.partition_page(
                    backfill_id, states=states, size=size, token=token
                ),
                lambda part: part.number,
                operator.gt,
            )
        return self._parts[wanted].after(after, limit)


@dataclass(frozen=True, slots=True)
class RemoteBackfillMaker:
    """Plans and makes backfills on a server."""

    backfills: Backfills

    def survey(self, request: BackfillRequest) -> BackfillSurvey:
        return self.backfills.survey(
            request.pipeline, request.first, request.last, **_plan(request)
        )

    def __call__(self, request: BackfillRequest) -> tuple[Backfill, BackfillSurvey]:
        # Before it is made: afterwards its own runs count.
        survey = self.survey(request)
        made = self.backfills.create(
            request.pipeline,
            request.first,
            request.last,
            request_id=request.request,
            **_plan(request),
        )
        return made, survey


@dataclass(frozen=True, slots=True)
class RemoteBackfillControl:
    """Limits, pauses, resumes and cancels backfills of a server."""

    backfills: Backfills

    def limit(self, backfill_id: str, max_active: int) -> Backfill:
        return self.backfills.limit(backfill_id, max_active)

    def pause(self, backfill_id: str) -> Backfill:
        return self.backfills.pause(backfill_id)

    def resume(self, backfill_id: str) -> Backfill:
        return self.backfills.resume(backfill_id)

    def cancel(self, backfill_id: str) -> Backfill:
        return self.backfills.cancel(backfill_id)


def _plan(request: BackfillRequest) -> BackfillPlan:
    return {
        "parameters": request.parameters,
        "only": request.only,
        "max_active": request.max_active,
        "force": request.force,
    }
