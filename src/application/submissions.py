"""What is asked for becomes a run that can be stored, and a job that can be queued."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite
from typing import Any

from ..domain.errors import ValidationError
from ..domain.parameters import Param, ParameterSpec, plain, refers_to_secret, stored_parameters
from ..domain.plans import Plan, filled
from ..domain.queueing import HEAD_START, MOST_PRIORITY, Job, private_pool
from ..domain.redaction import MASK, redact_mapping
from ..domain.retries import NO_RETRY
from ..domain.runs import Run, RunState, Trigger
from ..domain.secret_places import Within, holds_secret, with_references
from ..ports.runtime import Ids
from .catalog import Catalog

_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Submission:
    """A pipeline or workflow by name, and how it is to be run.

    ``request`` is an id of the caller's: the same id gives the same run, however often it is
    submitted. ``partition`` defaults to what the pipeline declares.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False
    trigger: Trigger = Trigger.REQUEST
    request: str | None = None
    priority: int = 0
    partition: str | None = None
    parent: str | None = None
    step: str | None = None
    backfill: str | None = None
    retry_of: str | None = None

    def __post_init__(self) -> None:
        if not -MOST_PRIORITY <= self.priority <= MOST_PRIORITY:
            raise ValidationError(
                f"priority {self.priority} is out of range",
                hint=f"give one from {-MOST_PRIORITY} to {MOST_PRIORITY}",
            )
        check_request_id(self.request)


def check_request_id(request: str | None) -> None:
    """Raise a ValidationError for an id that a store does not take."""
    if request is None:
        return
    try:
        size = len(request.encode())
    except UnicodeEncodeError as error:
        raise ValidationError(
            "the request id is no text in UTF-8", hint="give another one", cause=error
        ) from error
    if not 0 < size <= _LONGEST_ID:
        raise ValidationError(f"the request id has {size} bytes", hint=f"give 1 to {_LONGEST_ID}")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is not stored yet.

    ``secrets`` are the values that were masked in its parameters, by name. ``plan`` is that of a
    workflow, which is no job itself.
    """

    run: Run
    job: Job
    plan: Plan | None
    secrets: Mapping[str, Any]


def prepared(
    catalog: Catalog, ids: Ids, submission: Submission, at: datetime, *, attached: bool = False
) -> Prepared:
    """The run for a submission. ``attached`` runs belong to the process that asks.

    Raises a ValidationError when there is no such pipeline or workflow, or when its parameters are
    wrong; for a run that is not attached also when one of them is a secret, because it would have
    to be stored. Items of lists are never secrets themselves, because what each step gets is
    stored.
    """
    run_id = ids.new()
    graph = catalog.workflows.find(submission.name)
    given = dict(submission.parameters)
    plan = None
    hidden: Mapping[str, Collection[Within]] = {}
    if graph is not None:
        catalog.check_inputs(graph, given)
        plan = catalog.plan(graph, run_id if attached else None, submission.priority)
        hidden = catalog.secret_inputs(submission.name)
        _refuse_secrets_within(submission.name, given, hidden)
        specs = tuple(
            ParameterSpec(n, Any, doc=Param(secret=None in hidden.get(n, ()))) for n in given
        )
        values = given
    else:
        found = catalog.pipeline(submission.name)
        specs = found.parameters
        values = parse(catalog, submission.name, given)
    _refuse_no_numbers(submission.name, values)
    stored, secrets = _hidden_away(specs, values, hidden)
    if secrets and not attached:
        raise _secret_given(submission.name, secrets)
    run = Run(
        id=run_id,
        pipeline=submission.name,
        parameters=stored,
        state=RunState.PENDING,
        created_at=at,
        parent=submission.parent,
        step=submission.step,
        trigger=submission.trigger,
        partition=submission.partition,
        force=submission.force,
        plan=None if plan is None else plan.to_dict(),
        retry_of=submission.retry_of,
        backfill=submission.backfill,
    )
    return _queued(catalog, Prepared(run, _job(run, submission, at), plan, secrets), attached)


def parse(catalog: Catalog, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values for the parameters of a pipeline or of a step's function."""
    return catalog.runnable(name).values(given)


def _refuse_no_numbers(name: str, values: Mapping[str, Any]) -> None:
    found = [parameter for parameter, value in values.items() if _has_no_number(value)]
    if found:
        raise ValidationError(
            f"{', '.join(found)} of {name} is or holds NaN or an infinite number, which cannot be "
            "stored",
            hint="give a finite number, or leave it out",
            metadata={"parameters": dict.fromkeys(found, "is or holds no finite number")},
        )


def _has_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not isfinite(value)
    if isinstance(value, Mapping):
        return any(map(_has_no_number, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_no_number, value))


def _refuse_secrets_within(
    name: str, values: Mapping[str, Any], places: Mapping[str, Collection[Within]]
) -> None:
    found = [
        parameter
        for parameter, value in values.items()
        for within in places.get(parameter, ())
        if within is not None and holds_secret(value, within)
    ]
    if found:
        raise ValidationError(
            f"{', '.join(dict.fromkeys(found))} of {name} has secrets in its items, which are "
            "never stored",
            hint="say in each item where its secret is kept, env:NAME or file:PATH, which is read "
            "by the process that executes the step",
            metadata={"parameters": dict.fromkeys(found, "has secrets in its items")},
        )


def _hidden_away(
    specs: tuple[ParameterSpec, ...],
    values: Mapping[str, Any],
    places: Mapping[str, Collection[Within]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters fit to be stored, and the values that are masked in them.

    References to secrets are stored, at ``places`` inside of values as well.
    """
    open_values = stored_parameters(specs, values)
    stored = redact_mapping(open_values)
    secret = {spec.name for spec in specs if spec.doc.secret}
    secrets: dict[str, Any] = {}
    for name, value in values.items():
        if name in secret and refers_to_secret(value):
            stored[name] = value
        elif value is not None:
            for within in places.get(name, ()):
                if within is not None:
                    stored[name] = with_references(stored[name], plain(value), within)
            if stored[name] != plain(value):
                secrets[name] = plain(value)
    return stored, secrets


def _job(run: Run, submission: Submission, at: datetime) -> Job:
    return Job(
        run=run.id,
        pipeline=run.pipeline,
        ranked_at=at - submission.priority * HEAD_START,
        priority=submission.priority,
    )


def _queued(catalog: Catalog, item: Prepared, attached: bool) -> Prepared:
    """With what the pipeline declares about its execution."""
    run, job = item.run, item.job
    found = catalog.pipelines.find(run.pipeline)
    if found is not None:
        partition = run.partition or filled(found.partition, run.parameters)
        run = replace(run, partition=partition)
        job = replace(
            job,
            pool=found.pool,
            key=filled(found.key, run.parameters),
            # Whoever asked for it and waits decides about a repeat.
            retry=NO_RETRY if attached else found.retry,
            timeout=found.timeout,
        )
    if attached:
        job = replace(job, attached=True, pool=private_pool(run.id))
    return replace(item, run=run, job=job)


def _secret_given(name: str, secrets: Mapping[str, Any]) -> ValidationError:
    return ValidationError(
        f"{', '.join(secrets)} of {name} is a secret, which is never stored; so it would be lost "
        f"({MASK}) until a worker takes the run",
        hint="say where the secret is kept: env:NAME or file:PATH as the value of a parameter that "
        "is declared secret, read by the worker; or run it here with spine run",
        metadata={"parameters": dict.fromkeys(secrets, "is a secret")},
    )
