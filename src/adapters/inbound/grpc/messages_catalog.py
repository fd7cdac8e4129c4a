"""What can be run and read, as messages of the API."""

from __future__ import annotations

from ....domain.datasets import DatasetSpec
from ....domain.parameters import ParameterSpec, plain
from ....domain.partitions import PartitionSpace
from ....domain.pipelines import Pipeline
from ....domain.plans import Plan
from ....domain.workflows import Workflow
from ....v1 import dataset_pb2, pipeline_pb2, value_pb2, workflow_pb2
from .messages_runs import retry_message, step_message
from .resource_names import DATASETS, PIPELINES, WORKFLOWS, name_of
from .values import duration_message, value_message


def pipeline_message(item: Pipeline) -> pipeline_pb2.Pipeline:
    """A pipeline as its code declares it."""
    return pipeline_pb2.Pipeline(
        name=name_of(PIPELINES, item.name),
        description=item.description,
        origin=item.origin,
        parameters=[_parameter_message(spec) for spec in item.parameters],
        retry=retry_message(item.retry),
        timeout=duration_message(item.timeout),
        pool=item.pool,
        max_active=item.max_active or 0,
        key=item.key or "",
        partition=item.partition or "",
        partitions=None if item.partitions is None else _space_message(item.partitions),
    )


def workflow_message(item: Workflow, plan: Plan) -> workflow_pb2.Workflow:
    """A workflow as its code declares it; ``plan`` is its graph with all that its runs need."""
    return workflow_pb2.Workflow(
        name=name_of(WORKFLOWS, item.name),
        description=item.description,
        origin=item.origin,
        parameters=item.inputs,
        steps=[step_message(step) for step in plan.steps],
    )


def dataset_message(spec: DatasetSpec) -> dataset_pb2.Dataset:
    """A dataset's promise."""
    return dataset_pb2.Dataset(
        name=name_of(DATASETS, spec.name),
        description=spec.description,
        key=spec.key,
        columns=[
            dataset_pb2.Column(
                name=column.name, type=str(column.dtype), description=column.description
            )
            for column in spec.columns
        ],
        domain=spec.domain,
    )


def _parameter_message(spec: ParameterSpec) -> pipeline_pb2.Parameter:
    return pipeline_pb2.Parameter(
        name=spec.name,
        expected=spec.expected,
        required=spec.required,
        default_value=_default(spec),
        description=spec.doc.description,
        example=spec.doc.example or "",
        secret=spec.doc.secret,
        file=spec.is_file,
    )


def _default(spec: ParameterSpec) -> value_pb2.Value | None:
    return None if spec.required or spec.doc.secret else value_message(plain(spec.default))


def _space_message(space: PartitionSpace) -> pipeline_pb2.PartitionSpace:
    return pipeline_pb2.PartitionSpace(
        period_parameter=space.period,
        every=f"EVERY_{space.every.upper()}",
        values=[
            pipeline_pb2.PartitionValues(parameter=name, values=values)
            for name, values in space.values.items()
        ],
    )
