"""Backfills: made from what is known of each partition, then paused, resumed, cancelled, read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from ..domain.backfills import (
    MOST_ACTIVE,
    Backfill,
    BackfillPart,
    BackfillState,
    BackfillSurvey,
    PartState,
)
from ..domain.errors import SpineError, ValidationError
from ..domain.partitions import PartitionKey, PartitionSpace, PartitionState, Surveyed
from ..domain.runs import RunFilter, RunState
from ..ports.runtime import Clock, Ids
from ..ports.storage import Store, UnitOfWork
from .catalog import Catalog
from .lifecycle import Lifecycle
from .submissions import Submission, check_request_id, prepared
from .unit_attempts import typed_errors, undisturbed

Survey = Callable[[UnitOfWork, Sequence[PartitionKey], Mapping[str, Any]], Sequence[Surveyed]]
"""What is known of partitions, in their order, given the parameters of the backfill."""


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """One pipeline over the partitions from ``first`` to ``last``.

    ``parameters`` go to every run; those that name partitions narrow them. ``only`` keeps
    partitions in these states, all that the source has when it is empty. ``request`` is an id of
    the caller's: the same id gives the same backfill, however often it is asked for.
    """

    pipeline: str
    first: date
    last: date
    parameters: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[PartitionState, ...] = ()
    max_active: int = 4
    force: bool = False
    request: str | None = None

    def __post_init__(self) -> None:
        check_request_id(self.request)

    @property
    def told(self) -> dict[str, str]:
        """The parameters as a backfill keeps them."""
        return {name: str(value) for name, value in self.parameters.items()}


@dataclass(frozen=True, slots=True)
class CreateBackfill:
    """Plans backfills, and makes them: all partitions in one transaction, or none.

    ``surveys`` tells more of the partitions of some pipelines than run history does.
    """

    store: Store
    clock: Clock
    ids: Ids
    catalog: Catalog
    lifecycle: Lifecycle
    surveys: Mapping[str, Survey] = field(default_factory=dict)

    def survey(self, request: BackfillRequest) -> BackfillSurvey:
        """What would be run, without running it.

        Raises a ValidationError for a pipeline without partitions and for wrong parameters.
        """
        with typed_errors(f"surveying {request.pipeline}"):
            return self._survey(request)

    def _survey(self, request: BackfillRequest) -> BackfillSurvey:
        space = self._space(request.pipeline)
        check_active(request.max_active)
        chosen, given = _chosen(space, request.parameters)
        if request.pipeline not in self.surveys:
            self._refuse_unknown(request.pipeline, given)
        keys = list(space.between(request.first, request.last, chosen))
        with self.store.read() as unit:
            survey = self.surveys.get(request.pipeline) or self._history(request.pipeline)
            found = survey(unit, keys, given)
        wanted = [item for item in found if _is_wanted(item, request.only)]
        others = [item for item in found if not _is_wanted(item, request.only)]
        return BackfillSurvey(wanted, others)

    def __call__(self, request: BackfillRequest) -> tuple[Backfill, BackfillSurvey]:
        """The backfill, its first partitions queued; raises as :meth:`survey` does.

        An earlier one with the same request id is answered as it stands, with an empty survey.
        Raises a ValidationError as well when no partition is wanted, and for a request id under
        which something else was asked for.
        """
        with typed_errors(f"making a backfill of {request.pipeline}"):
            known = self._known(request)
            if known is None:
                try:
                    survey = self._survey_wanted(request)
                    return self._made(request, survey), survey
                except SpineError:
                    # Another process may have been first with the same request: then its runs
                    # may be why no partition is wanted any more.
                    known = self._known(request)
                    if known is None:
                        raise
        return known, BackfillSurvey((), ())

    def _survey_wanted(self, request: BackfillRequest) -> BackfillSurvey:
        survey = self.survey(request)
        if not survey.wanted:
            raise ValidationError(
                f"none of the {len(survey.others)} partitions is wanted: {_summed(survey.others)}",
                hint="--dry-run --all tells why of each; widen --only, or the time",
            )
        return survey

    def _known(self, request: BackfillRequest) -> Backfill | None:
        """The backfill that was made under the request id."""
        if request.request is None:
            return None
        with self.store.read() as unit:
            found = unit.backfills.find_request(request.request)
        if found is not None:
            _require_same(found, request)
        return found

    def _made(self, request: BackfillRequest, survey: BackfillSurvey) -> Backfill:
        backfill_id = self.ids.new()
        parts = [
            BackfillPart(
                backfill=backfill_id,
                number=number,
                partition=str(item.key),
                parameters=self._stored(request, item),
                reason=f"{item.state.value}: {item.reason}",
            )
            for number, item in enumerate(survey.wanted, 1)
        ]
        return undisturbed(lambda: self._add(request, backfill_id, parts))

    def _add(
        self, request: BackfillRequest, backfill_id: str, parts: Sequence[BackfillPart]
    ) -> Backfill:
        with self.store.write() as unit:
            backfill = Backfill(
                id=backfill_id,
                pipeline=request.pipeline,
                state=BackfillState.RUNNING,
                first=request.first,
                last=request.last,
                only=request.only,
                parameters=request.told,
                max_active=request.max_active,
                force=request.force,
                created_at=unit.queue.now(),
                step=self.catalog.planned_pipeline(request.pipeline).to_dict(),
            )
            unit.backfills.add(backfill, parts, request=request.request)
            self.lifecycle.progression.fill(unit, backfill)
            unit.commit()
        return backfill

    def _space(self, name: str) -> PartitionSpace:
        space = None
        if self.catalog.workflows.find(name) is None:
            space = self.catalog.pipeline(name).partitions
        if space is None:
            known = [item.name for item in self.catalog.pipelines if item.partitions is not None]
            raise ValidationError(
                f"{name} has no partitions to go over",
                hint=f"these have: {', '.join(known) or 'none'}; declare a pipeline with "
                "partitions=",
            )
        return space

    def _refuse_unknown(self, pipeline: str, given: Mapping[str, Any]) -> None:
        """A misspelled parameter is named as such, before anything is said to be missing."""
        known = [spec.name for spec in self.catalog.pipeline(pipeline).parameters]
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                raise ValidationError(
                    f"{name} is no parameter of {pipeline}"
                    + (f"; did you mean {close[0]!r}?" if close else ""),
                    hint=f"it takes {', '.join(known)}",
                    metadata={"parameters": {name: "is no parameter"}},
                )

    def _stored(self, request: BackfillRequest, item: Surveyed) -> Mapping[str, Any]:
        """The parameters of one partition's run; raises for those that are wrong, or secret."""
        submission = Submission(request.pipeline, item.parameters)
        return prepared(self.catalog, self.ids, submission, self.clock.now()).run.parameters

    def _history(self, pipeline: str) -> Survey:
        """Tells from run history alone."""

        def survey(
            unit: UnitOfWork, keys: Sequence[PartitionKey], given: Mapping[str, Any]
        ) -> list[Surveyed]:
            return [
                Surveyed(key, *_from_history(unit, pipeline, key), {**given, **key.parameters})
                for key in keys
            ]

        return survey


@dataclass(frozen=True, slots=True)
class ReadBackfills:
    """Answers questions about backfills."""

    store: Store

    def get(self, backfill_id: str) -> Backfill:
        """Raises a ValidationError when there is none."""
        with self.store.read() as unit:
            found = unit.backfills.get(backfill_id)
        if found is None:
            raise backfill_not_found(backfill_id)
        return found

    def list(
        self,
        *,
        pipeline: str | None = None,
        state: BackfillState | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[Backfill]:
        """Newest first, from the one after ``before`` on."""
        with self.store.read() as unit:
            return unit.backfills.list(pipeline=pipeline, state=state, before=before, limit=limit)

    def counts(self, backfill_id: str) -> Mapping[PartState, int]:
        """How many partitions are in which state."""
        with self.store.read() as unit:
            return unit.backfills.counts(backfill_id)

    def parts(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[BackfillPart]:
        """Partitions by number, from the one after ``after``."""
        with self.store.read() as unit:
            return unit.backfills.parts(backfill_id, states=states, after=after, limit=limit)


def check_active(number: int) -> None:
    """Raise a ValidationError for a number of partitions at once that cannot be."""
    if not 1 <= number <= MOST_ACTIVE:
        raise ValidationError(f"{number} partitions at once", hint=f"give 1 to {MOST_ACTIVE}")


def backfill_not_found(backfill_id: str) -> ValidationError:
    """The error for a backfill that does not exist; its metadata names the ``resource``."""
    return ValidationError(
        f"there is no backfill {backfill_id}",
        hint="spine backfill list shows which there are",
        metadata={"resource": f"backfills/{backfill_id}"},
    )


def _chosen(
    space: PartitionSpace, parameters: Mapping[str, Any]
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Values that narrow the partitions, and the parameters that go to every run."""
    chosen: dict[str, list[str]] = {}
    given: dict[str, Any] = {}
    for name, value in parameters.items():
        if name == space.period:
            raise ValidationError(
                f"{name} is given for each partition", hint="give --from and --to instead"
            )
        if name in space.values:
            chosen[name] = _values(name, value)
        else:
            given[name] = value
    return chosen, given


def _values(name: str, value: Any) -> list[str]:
    """The values of a parameter that names partitions; none for one that is not given."""
    if value is None:
        return []
    if isinstance(value, str):
        return [item.strip() for item in value.split(",")]
    items = value if isinstance(value, list | tuple) else [value]
    for item in items:
        if item is None or isinstance(item, Mapping | list | tuple):
            raise ValidationError(
                f"{name} is given as {type(item).__name__}, which names no partition",
                hint=f"give -p {name}=A,B,...",
                metadata={"parameters": {name: "names no partition"}},
            )
    return [str(item).strip() for item in items]


def _require_same(found: Backfill, request: BackfillRequest) -> None:
    """Raise a ValidationError when the backfill is another than the one that is asked for."""
    # How many partitions run at once is no part of that: it may have been changed since.
    asked = replace(
        found,
        pipeline=request.pipeline,
        first=request.first,
        last=request.last,
        only=tuple(request.only),
        parameters=request.told,
        force=request.force,
    )
    if found != asked:
        raise ValidationError(
            f"request {request.request!r} was made before, for something else: {found.pipeline} "
            f"from {found.first} to {found.last} as backfill {found.id}",
            hint="a new request needs an id of its own",
            metadata={"already_exists": f"backfills/{found.id}"},
        )


def _is_wanted(item: Surveyed, only: Collection[PartitionState]) -> bool:
    return item.state is not PartitionState.UNAVAILABLE and (not only or item.state in only)


def _summed(items: Sequence[Surveyed]) -> str:
    counts: dict[str, int] = {}
    for item in items:
        counts[item.state.value] = counts.get(item.state.value, 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _from_history(unit: UnitOfWork, pipeline: str, key: PartitionKey) -> tuple[PartitionState, str]:
    asked = RunFilter(pipeline=pipeline, partition=str(key), limit=20)
    runs = unit.runs.list(asked)
    ended = next((run for run in runs if run.state in (RunState.SUCCEEDED, RunState.FAILED)), None)
    if ended is None:
        live = next((run for run in runs if not run.state.final), None)
        if live is not None:
            return PartitionState.CURRENT, f"run {live.id} is {live.state.value}"
        return PartitionState.MISSING, "no run of it has ended"
    if ended.state is RunState.FAILED:
        return PartitionState.FAILED, f"run {ended.id} failed: {ended.error or 'unknown'}"
    return PartitionState.CURRENT, f"done by run {ended.id}"
