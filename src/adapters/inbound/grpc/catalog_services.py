"""PipelineService and WorkflowService: what can be run."""

from __future__ import annotations

from functools import partial
from typing import Any

from ....application.catalog import Catalog
from ....domain.workflows import Workflow
from ....v1 import (
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
    workflow_pb2,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from .filters import read_filter
from .messages_catalog import pipeline_message, workflow_message
from .paging import Pages, by_name, descending
from .resource_names import PIPELINES, WORKFLOWS, id_of
from .work import Threads

_SAME = "= !="


class PipelineService(pipeline_service_pb2_grpc.PipelineServiceServicer):
    """The registered pipelines."""

    def __init__(self, catalog: Catalog, threads: Threads, page_key: bytes) -> None:
        self._catalog = catalog
        self._threads = threads
        self._pages = Pages("ListPipelines", page_key)

    async def GetPipeline(  # noqa: N802  # named by the protocol
        self, request: pipeline_service_pb2.GetPipelineRequest, context: Any
    ) -> pipeline_service_pb2.GetPipelineResponse:
        del context
        found = self._catalog.pipelines.get(id_of(PIPELINES, request.name, field="name"))
        return pipeline_service_pb2.GetPipelineResponse(pipeline=pipeline_message(found))

    async def ListPipelines(  # noqa: N802  # named by the protocol
        self, request: pipeline_service_pb2.ListPipelinesRequest, context: Any
    ) -> pipeline_service_pb2.ListPipelinesResponse:
        del context
        return await self._threads.do(partial(self._list, request))

    def _list(
        self, request: pipeline_service_pb2.ListPipelinesRequest
    ) -> pipeline_service_pb2.ListPipelinesResponse:
        wanted = read_filter(request.filter, {"name": _SAME, "origin": _SAME, "pool": _SAME})
        reverse = descending(request.order_by, "name", default=False)
        kept = [
            item
            for item in self._catalog.pipelines
            if not wanted.differs("name", item.name)
            and not wanted.differs("origin", item.origin)
            and not wanted.differs("pool", item.pool)
        ]
        page = self._pages.page(
            request,
            (request.filter, reverse),
            by_name(kept, lambda item: item.name, reverse=reverse),
            pipeline_message,
            lambda item: (item.name,),
        )
        return pipeline_service_pb2.ListPipelinesResponse(
            pipelines=page.items, next_page_token=page.next_page_token
        )


class WorkflowService(workflow_service_pb2_grpc.WorkflowServiceServicer):
    """The registered workflows."""

    def __init__(self, catalog: Catalog, threads: Threads, page_key: bytes) -> None:
        self._catalog = catalog
        self._threads = threads
        self._pages = Pages("ListWorkflows", page_key)

    async def GetWorkflow(  # noqa: N802  # named by the protocol
        self, request: workflow_service_pb2.GetWorkflowRequest, context: Any
    ) -> workflow_service_pb2.GetWorkflowResponse:
        del context
        found = self._catalog.workflows.get(id_of(WORKFLOWS, request.name, field="name"))
        return workflow_service_pb2.GetWorkflowResponse(workflow=self._message(found))

    async def ListWorkflows(  # noqa: N802  # named by the protocol
        self, request: workflow_service_pb2.ListWorkflowsRequest, context: Any
    ) -> workflow_service_pb2.ListWorkflowsResponse:
        del context
        return await self._threads.do(partial(self._list, request))

    def _list(
        self, request: workflow_service_pb2.ListWorkflowsRequest
    ) -> workflow_service_pb2.ListWorkflowsResponse:
        wanted = read_filter(request.filter, {"name": _SAME, "origin": _SAME})
        reverse = descending(request.order_by, "name", default=False)
        kept = [
            item
            for item in self._catalog.workflows
            if not wanted.differs("name", item.name) and not wanted.differs("origin", item.origin)
        ]
        page = self._pages.page(
            request,
            (request.filter, reverse),
            by_name(kept, lambda item: item.name, reverse=reverse),
            self._message,
            lambda item: (item.name,),
        )
        return workflow_service_pb2.ListWorkflowsResponse(
            workflows=page.items, next_page_token=page.next_page_token
        )

    def _message(self, item: Workflow) -> workflow_pb2.Workflow:
        return workflow_message(item, self._catalog.plan(item))
