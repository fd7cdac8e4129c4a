"""A workflow is a named graph of steps; what is wrong with the graph shows when it is declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .errors import ConfigurationError
from .pipelines import checked_name
from .references import Condition, Origin, Reference, reference
from .retries import Retry


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the graph: runs a pipeline by name, or a function of the context.

    ``parameters`` are passed to the pipeline; a value of the form ``"${name}"`` is replaced by
    the workflow's own parameter of that name, ``"${steps.NAME}"`` by what an earlier step
    returned. ``after`` names the steps that must have succeeded first. The step is skipped unless
    ``when`` holds, and is done once for every item of the list that ``each`` refers to, which its
    parameters call ``"${item}"``. A step after one that was skipped for its condition is skipped
    as well, unless it is to run ``even_if_skipped``. ``retry``, ``timeout`` (seconds for each
    attempt) and ``pool`` default to those of the pipeline.
    """

    name: str
    run: str | Callable[..., Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    when: str | None = None
    each: str | None = None
    retry: Retry | None = None
    timeout: float | None = None
    pool: str | None = None
    even_if_skipped: bool = False

    @property
    def pipeline(self) -> str | None:
        return self.run if isinstance(self.run, str) else None

    def references(self) -> Iterator[tuple[str, Reference]]:
        """All references of the step, each with the place where it stands."""
        for name, value in self.parameters.items():
            if found := reference(value):
                yield f"parameter {name!r}", found
        if self.each is not None and (found := reference(self.each)):
            yield "each", found
        if self.when is not None and (found := reference(Condition.parse(self.when).asked)):
            yield "when", found


@dataclass(frozen=True, slots=True)
class Workflow:
    """Steps in an order that respects ``after``; independent steps keep their declared order."""

    name: str
    description: str
    steps: tuple[Step, ...]
    origin: str = "user"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the workflow's own parameters, as its steps refer to them."""
        found = (
            item.name
            for step in self.steps
            for _, item in step.references()
            if item.origin is Origin.INPUT
        )
        return tuple(dict.fromkeys(found))

    def function_name(self, step: Step) -> str:
        """The name under which a step that is a function is found and recorded."""
        return f"{self.name}.{step.name}"


def workflow(name: str, *steps: Step, description: str = "", origin: str = "user") -> Workflow:
    """Declare a workflow.

    Raises ConfigurationError when it has no step, when two steps share a name, when a step comes
    after one that does not exist or refers to one that does not come before it, when a condition
    cannot be read, or when the steps form a cycle.
    """
    checked_name(name, "workflow")
    if not steps:
        raise ConfigurationError(f"workflow {name} has no steps", hint="declare at least one Step")
    by_name: dict[str, Step] = {}
    for step in steps:
        if step.name in by_name:
            raise ConfigurationError(
                f"workflow {name} has two steps named {step.name!r}", hint="rename one of them"
            )
        by_name[step.name] = step
    for step in steps:
        for earlier in step.after:
            if earlier not in by_name:
                raise ConfigurationError(
                    f"step {step.name!r} of workflow {name} comes after {earlier!r}, "
                    "which is no step of it",
                    hint=f"steps are: {', '.join(by_name)}",
                )
    ordered = _ordered(name, by_name)
    for step in ordered:
        _check_step(name, step, _before(step, by_name))
    return Workflow(name, description, ordered, origin)


def _check_step(name: str, step: Step, before: frozenset[str]) -> None:
    where = f"step {step.name!r} of workflow {name}"
    if step.timeout is not None and step.timeout <= 0:
        raise ConfigurationError(
            f"{where} has a timeout of {step.timeout} s", hint="give more than 0 seconds"
        )
    if step.each is not None and reference(step.each) is None:
        raise ConfigurationError(
            f"each of {where} is {step.each!r}, which refers to no list",
            hint='write it as "${name}" or "${steps.NAME}"',
        )
    for place, found in step.references():
        if found.origin is Origin.STEP and found.name not in before:
            raise ConfigurationError(
                f"{place} of {where} refers to step {found.name!r}, which does not come before it",
                hint=f"it comes after {', '.join(sorted(before)) or 'no step'}; see after=",
            )
        if found.origin is Origin.ITEM and (step.each is None or place in ("each", "when")):
            raise ConfigurationError(
                f"{place} of {where} refers to an item where there is none",
                hint="items are for the parameters of a step with each=",
            )


def _before(step: Step, by_name: Mapping[str, Step]) -> frozenset[str]:
    found: set[str] = set()
    left = list(step.after)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(by_name[name].after)
    return frozenset(found)


def _ordered(name: str, by_name: Mapping[str, Step]) -> tuple[Step, ...]:
    sorter = TopologicalSorter({step.name: step.after for step in by_name.values()})
    try:
        return tuple(by_name[item] for item in sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ConfigurationError(
            f"the steps of workflow {name} form a cycle: {circle}",
            hint="remove one of the dependencies",
            cause=error,
        ) from error
