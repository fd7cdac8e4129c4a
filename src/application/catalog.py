"""All that can be run, by name: pipelines, workflows, and the functions that are steps of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, get_type_hints

from ..domain.errors import ConfigurationError, ValidationError
from ..domain.parameters import Param, ParameterSpec, parse_parameters
from ..domain.pipelines import Pipeline
from ..domain.plans import Plan, PlannedStep
from ..domain.queueing import DEFAULT_POOL
from ..domain.references import Origin, reference
from ..domain.registry import Registry
from ..domain.retries import NO_RETRY
from ..domain.secret_places import Place, Within, holds_secret
from ..domain.workflows import Step, Workflow


@dataclass(frozen=True, slots=True)
class Runnable:
    """The code behind a name.

    ``specs`` are its declared parameters; those of a step's function are what the step gives it,
    and converted only as far as its annotations say.
    """

    name: str
    function: Callable[..., Any]
    specs: tuple[ParameterSpec, ...]
    typed: bool = True

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``given`` as what the function takes; raises a ValidationError for what is wrong."""
        if self.typed:
            return parse_parameters(self.specs, given, pipeline=self.name)
        known = tuple(spec for spec in self.specs if spec.name in given)
        return {**given, **parse_parameters(known, _only(given, known), pipeline=self.name)}


@dataclass(frozen=True)
class Catalog:
    """What this process knows. Others may know more, and run it.

    Raises a ConfigurationError for a workflow that runs itself, by way of others too.
    """

    pipelines: Registry[Pipeline]
    workflows: Registry[Workflow]
    _functions: dict[str, tuple[Workflow, Step]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._refuse_cycles()
        functions = {
            graph.function_name(step): (graph, step)
            for graph in self.workflows
            for step in graph.steps
            if step.pipeline is None
        }
        object.__setattr__(self, "_functions", functions)

    def _refuse_cycles(self) -> None:
        runs = {
            graph.name: [step.pipeline for step in graph.steps if step.pipeline]
            for graph in self.workflows
        }
        try:
            TopologicalSorter(runs).prepare()
        except CycleError as error:
            way = list(reversed(error.args[1]))
            raise ConfigurationError(
                f"workflow {way[0]} runs itself: {' -> '.join(way)}",
                hint="remove the step that leads back to it",
                cause=error,
            ) from error

    @cached_property
    def lanes(self) -> Mapping[str, int | None]:
        """Names of all code that a worker can run, with the most runs of it at once."""
        return {
            **{item.name: item.max_active for item in self.pipelines},
            **dict.fromkeys(self._functions),
        }

    def pipeline(self, name: str) -> Pipeline:
        """Raises a ValidationError that suggests the nearest name for an unknown one."""
        try:
            return self.pipelines.get(name)
        except ValidationError as error:
            raise ValidationError(
                f"there is no pipeline or workflow named {name!r}",
                hint=f"{error.hint}; spine pipelines list shows all",
                metadata=error.context.metadata,
            ) from None

    def runnable(self, name: str) -> Runnable:
        """The code of a pipeline or of a step; raises a ValidationError for an unknown name."""
        if name in self._functions:
            graph, step = self._functions[name]
            function = step.run
            assert callable(function)  # noqa: S101  # a Step runs a name or a function, by its type
            hidden = self._inputs(graph, _is_secret)
            secret = {n for n, v in step.parameters.items() if _reached(step, v, None) in hidden}
            return Runnable(name, function, _function_specs(function, step, secret), typed=False)
        found = self.pipeline(name)
        return Runnable(name, found.function, found.parameters)

    def plan(self, graph: Workflow, attached_to: str | None = None, priority: int = 0) -> Plan:
        """The graph with all that its runs need, workflows inside it included."""
        steps = tuple(self._planned(graph, step, attached_to, priority) for step in graph.steps)
        return Plan(steps, attached_to, priority)

    def planned_pipeline(self, name: str) -> PlannedStep:
        """A pipeline or workflow as the only step of something; its parameters come later."""
        graph = self.workflows.find(name)
        if graph is None:
            self.pipeline(name)
        step = Step(name, name)
        return self._planned(graph or Workflow(name, "", (step,)), step, None, 0)

    def _planned(
        self, graph: Workflow, step: Step, attached_to: str | None, priority: int
    ) -> PlannedStep:
        found = self.pipelines.find(step.pipeline) if step.pipeline else None
        nested = self.workflows.find(step.pipeline) if step.pipeline else None
        pool = step.pool or (found.pool if found else DEFAULT_POOL)
        return PlannedStep(
            name=step.name,
            pipeline=step.pipeline or graph.function_name(step),
            parameters=dict(step.parameters),
            after=step.after,
            when=step.when,
            each=step.each,
            retry=step.retry or (found.retry if found else NO_RETRY),
            timeout=step.timeout or (found.timeout if found else None),
            pool=pool,
            even_if_skipped=step.even_if_skipped,
            key=found.key if found else None,
            partition=found.partition if found else None,
            plan=None if nested is None else self.plan(nested, attached_to, priority),
            secrets=self._secrets_of(step),
        )

    def check_inputs(
        self,
        graph: Workflow,
        given: Mapping[str, Any],
        later: Collection[str] = (),
    ) -> None:
        """All parameters of all steps that are known beforehand are right before the first runs.

        ``later`` are parameters whose values are not known yet.
        """
        _check_names(graph, [*given, *later])
        for step in graph.steps:
            _check_list(graph, step, given)
            if step.pipeline is None:
                continue
            _refuse_secrets(graph, step, self._secrets_of(step))
            nested = self.workflows.find(step.pipeline)
            known = _known(step, given)
            if nested is not None:
                self.check_inputs(nested, known, step.parameters.keys() - known.keys())
            else:
                _check_step(self.pipeline(step.pipeline), step, known)

    def secret_inputs(self, name: str) -> Mapping[str, frozenset[Within]]:
        """The parameters of a pipeline or workflow that are secrets, or have some in their items.

        With where the secrets are in their values; none for an unknown name.
        """
        return _by_parameter(self._inputs_of(name, _is_secret))

    def file_inputs(self, name: str) -> Mapping[str, frozenset[Within]]:
        """The parameters of a pipeline or workflow that are paths; none for an unknown name.

        With where the paths are in their values: None for the value itself or each of a list, for
        the items of a list that has objects the names that lead into them.
        """
        return _by_parameter(self._inputs_of(name, lambda spec: spec.is_file))

    def _secrets_of(self, step: Step) -> tuple[Place, ...]:
        """The places in a step's parameters where secrets stand.

        A function has none that do not come from the workflow's own parameters.
        """
        found = self._inputs_of(step.pipeline, _is_secret) if step.pipeline else frozenset()
        given = (place for place in found if place[0] in step.parameters)
        return tuple(sorted(given, key=lambda place: (place[0], place[1] or (), place[1] is None)))

    def _inputs_of(self, name: str, wanted: Callable[[ParameterSpec], bool]) -> frozenset[Place]:
        graph = self.workflows.find(name)
        if graph is not None:
            return self._inputs(graph, wanted)
        found = self.pipelines.find(name)
        specs = found.parameters if found is not None else ()
        return frozenset((spec.name, None) for spec in specs if wanted(spec))

    def _inputs(self, graph: Workflow, wanted: Callable[[ParameterSpec], bool]) -> frozenset[Place]:
        """The workflow's own parameters that reach a wanted parameter of one of its steps.

        What comes from what another step has returned is not followed: code has made it.
        """
        found: set[Place] = set()
        for step in graph.steps:
            if step.pipeline is not None:
                inner = self._inputs_of(step.pipeline, wanted)
            else:
                assert callable(step.run)  # noqa: S101  # a Step runs a name or a function
                specs = _function_specs(step.run, step, set())
                inner = frozenset((spec.name, None) for spec in specs if wanted(spec))
            for name, within in inner:
                if (reached := _reached(step, step.parameters.get(name), within)) is not None:
                    found.add(reached)
        return frozenset(found)


def _is_secret(spec: ParameterSpec) -> bool:
    return spec.doc.secret


def _by_parameter(places: Iterable[Place]) -> Mapping[str, frozenset[Within]]:
    found: dict[str, set[Within]] = {}
    for parameter, within in places:
        found.setdefault(parameter, set()).add(within)
    return {parameter: frozenset(some) for parameter, some in found.items()}


def _reached(step: Step, value: Any, within: Within) -> Place | None:
    """The workflow's parameter that a step's parameter comes from, by itself or as an item."""
    found = reference(value)
    if found is not None and found.origin is Origin.ITEM:
        listed = _input(step.each)
        return None if listed is None else (listed, (*found.path, *(within or ())))
    name = _input(value)
    return None if name is None else (name, within)


def _input(value: Any) -> str | None:
    """The workflow's parameter that a step's parameter refers to."""
    found = reference(value)
    return found.name if found is not None and found.origin is Origin.INPUT else None


def _known(step: Step, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a step that do not wait for an item, or for what other steps return."""
    known: dict[str, Any] = {}
    for name, value in step.parameters.items():
        found = reference(value)
        if found is None:
            known[name] = value
        elif found.origin is Origin.INPUT and found.name in given:
            known[name] = given[found.name]
    return known


def _check_step(found: Pipeline, step: Step, known: Mapping[str, Any]) -> None:
    """Names of all parameters, and the values of those that are known."""
    later = step.parameters.keys() - known.keys()
    specs = tuple(
        spec if spec.name not in later else ParameterSpec(spec.name, spec.annotation, None)
        for spec in found.parameters
    )
    unknown = dict.fromkeys(later - {spec.name for spec in specs})
    parse_parameters(specs, {**known, **unknown}, pipeline=found.name)


def _refuse_secrets(graph: Workflow, step: Step, places: Iterable[Place]) -> None:
    """A secret that the code itself gives would be stored with the plan of each run."""
    for name, within in places:
        value = step.parameters[name]
        if reference(value) is None and holds_secret(value, within):
            raise ConfigurationError(
                f"step {step.name!r} of workflow {graph.name} gives a secret itself as {name}, and "
                "secrets are never stored",
                hint="give the place where it is kept instead: env:NAME or file:PATH",
            )


def _check_list(graph: Workflow, step: Step, given: Mapping[str, Any]) -> None:
    """That a step gets a list, where it is done for each item of a parameter that is known."""
    name = _input(step.each)
    if name is not None and name in given and not isinstance(given[name], list | tuple):
        raise ValidationError(
            f"wrong parameters for workflow {graph.name}: {name} is no list, and step "
            f"{step.name!r} is done for each of its items",
            hint=f"give a list; on a command line: -p '{name}:=[...]', with JSON in it",
            metadata={"parameters": {name: "is no list"}},
        )


def _check_names(graph: Workflow, given: Collection[str]) -> None:
    unknown = [name for name in given if name not in graph.inputs]
    missing = [name for name in graph.inputs if name not in given]
    if unknown or missing:
        problems = [
            *([f"missing {', '.join(missing)}"] if missing else []),
            *([f"unknown {', '.join(unknown)}"] if unknown else []),
        ]
        raise ValidationError(
            f"wrong parameters for workflow {graph.name}: {'; '.join(problems)}",
            hint=f"it takes {', '.join(graph.inputs) or 'no parameters'}",
        )


def _function_specs(
    function: Callable[..., Any], step: Step, secret: set[str]
) -> tuple[ParameterSpec, ...]:
    """What a step gives its function, with the types that its signature tells."""
    try:
        hints = get_type_hints(function)
    except NameError:
        hints = {}  # it is called with what there is
    accepted = inspect.signature(function).parameters
    return tuple(
        ParameterSpec(name, hints.get(name, Any), doc=Param(secret=name in secret))
        for name in step.parameters
        if name in accepted
    )


def _only(given: Mapping[str, Any], specs: tuple[ParameterSpec, ...]) -> dict[str, Any]:
    return {spec.name: given[spec.name] for spec in specs}
