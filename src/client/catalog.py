"""What can be run on a server: its pipelines and workflows."""

from __future__ import annotations

from collections.abc import Iterator

from ..v1 import pipeline_service_pb2, workflow_service_pb2
from .calls import Calls, Listing, build
from .decoding_catalog import pipeline_of, workflow_of
from .descriptions import PipelineDescription, WorkflowDescription
from .encoding import filter_of, resource

_PIPELINES: Listing[PipelineDescription] = Listing(
    "PipelineService/ListPipelines",
    pipeline_service_pb2.ListPipelinesResponse,
    "pipelines",
    pipeline_of,
)
_WORKFLOWS: Listing[WorkflowDescription] = Listing(
    "WorkflowService/ListWorkflows",
    workflow_service_pb2.ListWorkflowsResponse,
    "workflows",
    workflow_of,
)


class Pipelines:
    """``client.pipelines``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def get(self, name: str, *, timeout: float | None = None) -> PipelineDescription:
        """The pipeline of that name; raises a ValidationError when there is none."""
        request = build(pipeline_service_pb2.GetPipelineRequest, name=resource("pipelines", name))
        answer = self._calls.unary(
            "PipelineService/GetPipeline",
            request,
            pipeline_service_pb2.GetPipelineResponse,
            timeout,
        )
        return pipeline_of(answer.pipeline)

    def list(
        self,
        *,
        origin: str | None = None,
        pool: str | None = None,
        timeout: float | None = None,
    ) -> Iterator[PipelineDescription]:
        """The pipelines that pass, by name."""
        wanted = filter_of(("origin", "=", origin), ("pool", "=", pool))
        request = build(pipeline_service_pb2.ListPipelinesRequest, filter=wanted)
        return self._calls.all(_PIPELINES, request, None, timeout)


class Workflows:
    """``client.workflows``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def get(self, name: str, *, timeout: float | None = None) -> WorkflowDescription:
        """The workflow of that name; raises a ValidationError when there is none."""
        request = build(workflow_service_pb2.GetWorkflowRequest, name=resource("workflows", name))
        answer = self._calls.unary(
            "WorkflowService/GetWorkflow",
            request,
            workflow_service_pb2.GetWorkflowResponse,
            timeout,
        )
        return workflow_of(answer.workflow)

    def list(
        self, *, origin: str | None = None, timeout: float | None = None
    ) -> Iterator[WorkflowDescription]:
        """The workflows that pass, by name."""
        wanted = filter_of(("origin", "=", origin))
        request = build(workflow_service_pb2.ListWorkflowsRequest, filter=wanted)
        return self._calls.all(_WORKFLOWS, request, None, timeout)
