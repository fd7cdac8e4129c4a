"""What a workflow has to be given, down to the pipelines of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..domain.errors import ConfigurationError, ValidationError
from ..domain.parameters import parse_parameters
from ..domain.pipelines import Pipeline
from ..domain.registry import Registry
from ..domain.workflows import Step, Workflow, reference


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that can be run, seen from a workflow that refers to it by name."""

    pipelines: Registry[Pipeline]
    workflows: Registry[Workflow]

    def pipeline(self, name: str) -> Pipeline:
        """Raises a ValidationError that suggests the nearest name for an unknown one."""
        try:
            return self.pipelines.get(name)
        except ValidationError as error:
            raise ValidationError(
                f"there is no pipeline or workflow named {name!r}",
                hint=f"{error.hint}; spine pipelines list shows all",
            ) from None

    def check_inputs(
        self, graph: Workflow, given: Mapping[str, Any], inside: tuple[str, ...] = ()
    ) -> None:
        """All parameters of all steps are right before the first step runs."""
        way = (*inside, graph.name)
        if graph.name in inside:
            raise ConfigurationError(
                f"workflow {graph.name} runs itself: {' -> '.join(way)}",
                hint="remove the step that leads back to it",
            )
        _check_names(graph, given)
        for step in graph.steps:
            if step.pipeline is None:
                continue
            nested = self.workflows.find(step.pipeline)
            if nested is not None:
                self.check_inputs(nested, filled(step, given), way)
            else:
                found = self.pipeline(step.pipeline)
                parse_parameters(found.parameters, filled(step, given), pipeline=found.name)

    def secret_inputs(self, graph: Workflow) -> frozenset[str]:
        """The workflow's own parameters that reach a secret parameter of one of its steps."""
        found: set[str] = set()
        for step in graph.steps:
            if step.pipeline is None:
                continue
            nested = self.workflows.find(step.pipeline)
            secret = (
                self.secret_inputs(nested)
                if nested is not None
                else {s.name for s in self.pipeline(step.pipeline).parameters if s.doc.secret}
            )
            found |= {
                inner
                for name, value in step.parameters.items()
                if name in secret and (inner := reference(value))
            }
        return frozenset(found)


def filled(step: Step, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a step, the workflow's own in the place of references to them."""
    return {
        name: given[inner] if (inner := reference(value)) else value
        for name, value in step.parameters.items()
    }


def _check_names(graph: Workflow, given: Mapping[str, Any]) -> None:
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
