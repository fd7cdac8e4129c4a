"""Pipelines and workflows from their messages."""

from __future__ import annotations

from typing import Literal

from ..domain.parameters import Param
from ..domain.partitions import PartitionSpace
from ..v1 import pipeline_pb2, workflow_pb2
from .decoding_runs import retry_of
from .decoding_values import last_part, seconds, value_of, values_of
from .descriptions import (
    ParameterDescription,
    PipelineDescription,
    StepDescription,
    WorkflowDescription,
)


def pipeline_of(message: pipeline_pb2.Pipeline) -> PipelineDescription:
    """A pipeline as its code declares it."""
    return PipelineDescription(
        name=last_part(message.name),
        description=message.description,
        parameters=tuple(_parameter(item) for item in message.parameters),
        origin=message.origin,
        retry=retry_of(message.retry),
        timeout=seconds(message, "timeout"),
        pool=message.pool,
        max_active=message.max_active or None,
        key=message.key or None,
        partition=message.partition or None,
        partitions=_space(message.partitions) if message.HasField("partitions") else None,
    )


def _parameter(message: pipeline_pb2.Parameter) -> ParameterDescription:
    return ParameterDescription(
        name=message.name,
        expected=message.expected,
        required=message.required,
        default=value_of(message.default_value),
        doc=Param(message.description, message.example or None, secret=message.secret),
        is_file=message.file,
    )


def _space(message: pipeline_pb2.PartitionSpace) -> PartitionSpace:
    weekly = message.every == pipeline_pb2.PartitionSpace.EVERY_WEEK
    every: Literal["day", "week"] = "week" if weekly else "day"
    values = {item.parameter: tuple(item.values) for item in message.values}
    return PartitionSpace(message.period_parameter, every, values)


def workflow_of(message: workflow_pb2.Workflow) -> WorkflowDescription:
    """A workflow as its code declares it."""
    name = last_part(message.name)
    return WorkflowDescription(
        name=name,
        description=message.description,
        inputs=tuple(message.parameters),
        steps=tuple(_step(name, item) for item in message.steps),
        origin=message.origin,
    )


def _step(workflow: str, message: workflow_pb2.WorkflowStep) -> StepDescription:
    # A function has no name of its own: it is recorded under those of its workflow and step.
    function = message.pipeline == f"{workflow}.{message.name}"
    return StepDescription(
        name=message.name,
        pipeline=None if function else message.pipeline,
        parameters=values_of(message.parameters),
        after=tuple(message.after),
        when=message.when or None,
        each=message.each or None,
        retry=retry_of(message.retry),
        timeout=seconds(message, "timeout"),
        pool=message.pool,
        even_if_skipped=message.even_if_skipped,
        steps=tuple(_step(message.pipeline, item) for item in message.steps),
    )
