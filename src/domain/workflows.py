"""A workflow is a named graph of steps; what is wrong with the graph shows when it is declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .errors import ConfigurationError
from .pipelines import checked_name


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the graph: runs a pipeline by name, or a function of the context.

    ``parameters`` are passed to the pipeline; a value of the form ``"${name}"`` is replaced by
    the workflow's own parameter of that name. ``after`` names the steps that must have
    succeeded first.
    """

    name: str
    run: str | Callable[..., Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def pipeline(self) -> str | None:
        return self.run if isinstance(self.run, str) else None


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
        found: dict[str, None] = {}
        for step in self.steps:
            for value in step.parameters.values():
                name = reference(value)
                if name:
                    found[name] = None
        return tuple(found)


def workflow(name: str, *steps: Step, description: str = "", origin: str = "user") -> Workflow:
    """Declare a workflow.

    Raises ConfigurationError when it has no step, when two steps share a name, when a step comes
    after one that does not exist, or when the steps form a cycle.
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
    return Workflow(name, description, _ordered(name, by_name), origin)


def reference(value: Any) -> str | None:
    """The parameter's name when ``value`` is written ``"${name}"``, else None."""
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return value[2:-1]
    return None


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
