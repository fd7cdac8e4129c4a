"""The plan of a workflow's run: its graph as it was when the run was submitted.

It is kept with the run. Whoever finishes a step goes on by the plan, and needs none of the code;
a workflow that is changed meanwhile changes no run that is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .errors import ValidationError
from .queueing import DEFAULT_POOL
from .references import Condition
from .retries import NO_RETRY, Retry
from .runs import RunState
from .secret_places import Place


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step with all that is needed to queue its runs; ``plan`` for a workflow in a workflow.

    ``key`` and ``partition`` are templates over its parameters, see :func:`filled`. ``secrets`` are
    the places in its parameters where secrets stand.
    """

    name: str
    pipeline: str
    parameters: Mapping[str, Any]
    after: tuple[str, ...] = ()
    when: str | None = None
    each: str | None = None
    retry: Retry = NO_RETRY
    timeout: float | None = None
    pool: str = DEFAULT_POOL
    even_if_skipped: bool = False
    key: str | None = None
    partition: str | None = None
    plan: Plan | None = None
    secrets: tuple[Place, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        places = [[name, None if within is None else [*within]] for name, within in self.secrets]
        return {
            "name": self.name,
            "pipeline": self.pipeline,
            "parameters": dict(self.parameters),
            "after": list(self.after),
            "when": self.when,
            "each": self.each,
            "retry": self.retry.to_dict(),
            "timeout": self.timeout,
            "pool": self.pool,
            "even_if_skipped": self.even_if_skipped,
            "key": self.key,
            "partition": self.partition,
            "plan": None if self.plan is None else self.plan.to_dict(),
            **({"secrets": places} if places else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PlannedStep:
        return cls(
            **{
                **data,
                "after": tuple(data["after"]),
                "retry": Retry.from_dict(data["retry"]),
                "plan": None if data["plan"] is None else Plan.from_dict(data["plan"]),
                "secrets": tuple(
                    (name, None if within is None else tuple(within))
                    for name, within in data.get("secrets", ())
                ),
            }
        )


@dataclass(frozen=True)
class Plan:
    """Steps in an order that respects ``after``.

    ``attached_to`` is the run whose process alone executes them; without it any worker does.
    ``priority`` is that of all steps.
    """

    steps: tuple[PlannedStep, ...]
    attached_to: str | None = None
    priority: int = 0

    @property
    def side_by_side(self) -> bool:
        """Whether steps may run at the same time, or have to be ended from outside."""
        before: dict[str, set[str]] = {}
        for step in self.steps:
            if step.timeout is not None or step.each is not None:
                return True
            if step.plan is not None and step.plan.side_by_side:
                return True
            mine = set(step.after).union(*(before[name] for name in step.after))
            if len(mine) < len(before):
                return True  # something stands before it in the order only
            before[step.name] = mine
        return False

    def step(self, name: str | None) -> PlannedStep | None:
        return next((step for step in self.steps if step.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "steps": [step.to_dict() for step in self.steps],
            "attached_to": self.attached_to,
            "priority": self.priority,
        }

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """As :meth:`to_dict` gives it, once for all runs that have it; nobody changes it."""
        return self.to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        steps = tuple(PlannedStep.from_dict(step) for step in data["steps"])
        return cls(steps, data["attached_to"], data["priority"])


_LONGEST_NAME = 200  # bytes

Counts = Mapping[str, Mapping[RunState, int]]
"""Per step, how many of its runs are in which state."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be done next: steps to start, steps to skip with the reason, or the end."""

    start: tuple[PlannedStep, ...]
    skip: tuple[tuple[PlannedStep, str], ...]
    ended: RunState | None


def next_moves(plan: Plan, counts: Counts) -> Moves:
    """What follows from the states of the steps that were begun.

    Conditions are not judged here: a step to be started may still be skipped for its own. The end
    is told only when there is nothing to start and nothing to skip.
    """
    standing = {step.name: _state(counts.get(step.name)) for step in plan.steps}
    soft: dict[str, bool] = {}
    start: list[PlannedStep] = []
    skip: list[tuple[PlannedStep, str]] = []
    for step in plan.steps:
        state = standing[step.name]
        soft[step.name] = state is RunState.SKIPPED and all(
            standing[name] is RunState.SUCCEEDED or soft[name] for name in step.after
        )
        if state is not None or not all(_final(standing[name]) for name in step.after):
            continue
        failed = [
            name
            for name in step.after
            if standing[name] is not RunState.SUCCEEDED and not soft[name]
        ]
        skipped = [name for name in step.after if soft[name]]
        if failed:
            skip.append((step, f"skipped, because {', '.join(failed)} did not succeed"))
        elif skipped and not step.even_if_skipped:
            skip.append((step, f"skipped, because {', '.join(skipped)} was skipped"))
        else:
            start.append(step)
    ended = None
    if not start and not skip and all(_final(state) for state in standing.values()):
        ended = _end(standing, soft)
    return Moves(tuple(start), tuple(skip), ended)


def condition(step: PlannedStep) -> Condition | None:
    """What decides whether the step is skipped, once it could start."""
    return None if step.when is None else Condition.parse(step.when)


def filled(template: str | None, parameters: Mapping[str, Any]) -> str | None:
    """``"{week}/{tier}"`` with its parameters in place; None where one of them is not given.

    Raises a ValidationError where the parameters do not fit the template, or fill it with more
    than 200 bytes.
    """
    if template is None:
        return None
    given = {name: value for name, value in parameters.items() if value is not None}
    try:
        text = template.format_map(given)
        size = len(text.encode())
    except KeyError:
        return None
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise ValidationError(
            f"the parameters do not fit {template!r}: {error}",
            hint="give values that it can show, or declare another key or partition",
            cause=error,
        ) from error
    if size > _LONGEST_NAME:
        raise ValidationError(
            f"{template!r} becomes a name of {size} bytes: {text[:40]}...",
            hint=f"names of keys and partitions have at most {_LONGEST_NAME}",
        )
    if "\0" in text:
        raise ValidationError(
            f"{template!r} becomes a name that holds a NUL character: {text[:40]!r}",
            hint="names of keys and partitions have none",
        )
    return text


def _state(counts: Mapping[RunState, int] | None) -> RunState | None:
    """The state of a step from those of its runs; None when it was not begun."""
    if not counts:
        return None
    for state in (
        RunState.RUNNING,
        RunState.PENDING,
        RunState.FAILED,
        RunState.CANCELLED,
        RunState.SKIPPED,
    ):
        if counts.get(state):
            return state
    return RunState.SUCCEEDED


def _end(standing: Mapping[str, RunState | None], soft: Mapping[str, bool]) -> RunState:
    """FAILED where a step has failed, CANCELLED where one was cancelled and none has failed."""
    if all(state is RunState.SUCCEEDED or soft[name] for name, state in standing.items()):
        return RunState.SUCCEEDED
    cancelled = RunState.CANCELLED in standing.values()
    failed = RunState.FAILED in standing.values()
    return RunState.CANCELLED if cancelled and not failed else RunState.FAILED


def _final(state: RunState | None) -> bool:
    return state is not None and state.final
