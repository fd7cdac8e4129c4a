"""All services of the API over their use cases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ....application.access.audit_log import AuditLog
from ....application.access.authenticate import Authenticate
from ....application.catalog import Catalog
from ....v1 import (
    backfill_service_pb2,
    backfill_service_pb2_grpc,
    dataset_service_pb2,
    dataset_service_pb2_grpc,
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    system_service_pb2,
    system_service_pb2_grpc,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)
from .access_interceptor import AccessInterceptor, Gate
from .access_rules import rules_of
from .backfill_service import BackfillService, BackfillUses
from .call_meter import CallMeter
from .catalog_services import PipelineService, WorkflowService
from .dataset_service import DatasetService, DatasetUses
from .error_interceptor import ErrorInterceptor
from .health import HealthService
from .query_stream import QueryStreams
from .run_service import RunService, RunUses
from .run_watching import RunWatching
from .system_service import SystemService, SystemUses
from .work import Threads

_WATCHING_THREADS = 2  # apart from the others: a thousand watched runs hold no call up

_SWEEP_SECONDS = 3600.0
_log = logging.getLogger(__name__)

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (pipeline_service_pb2, "PipelineService"),
        (workflow_service_pb2, "WorkflowService"),
        (run_service_pb2, "RunService"),
        (backfill_service_pb2, "BackfillService"),
        (dataset_service_pb2, "DatasetService"),
        (system_service_pb2, "SystemService"),
    )
)
RULES = rules_of(SERVICES)


@dataclass(frozen=True, slots=True)
class ApiUses:
    """The use cases behind the API. ``page_key`` seals the tokens of pages."""

    catalog: Catalog
    runs: RunUses
    backfills: BackfillUses
    datasets: DatasetUses
    system: SystemUses
    authenticate: Authenticate
    audit: AuditLog
    page_key: bytes


class Api:
    """The services of one server."""

    def __init__(
        self,
        uses: ApiUses,
        executor: Executor,
        *,
        demands_credentials: bool,
        certificates: bool = False,
    ) -> None:
        self._uses = uses
        self._threads = Threads(executor)
        self._watchers = ThreadPoolExecutor(_WATCHING_THREADS, thread_name_prefix="watch")
        self._watching = RunWatching(uses.runs.read, Threads(self._watchers))
        self._queries = QueryStreams(uses.datasets.read)
        self._health = HealthService(_names())
        self.meter = CallMeter()
        self._gate = Gate(
            uses.authenticate, uses.audit, self._threads, demands_credentials, certificates
        )

    @property
    def interceptors(self) -> tuple[grpc.aio.ServerInterceptor, ...]:  # type: ignore[type-arg]  # no such at run time
        """Errors outside, so that what the gate refuses has a status as well."""
        return ErrorInterceptor(), AccessInterceptor(self._gate, RULES, self.meter)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Let the server answer all methods."""
        uses, threads, key = self._uses, self._threads, self._uses.page_key
        for add, service in (
            (
                pipeline_service_pb2_grpc.add_PipelineServiceServicer_to_server,
                PipelineService(uses.catalog, threads, key),
            ),
            (
                workflow_service_pb2_grpc.add_WorkflowServiceServicer_to_server,
                WorkflowService(uses.catalog, threads, key),
            ),
            (
                run_service_pb2_grpc.add_RunServiceServicer_to_server,
                RunService(uses.runs, threads, key, self._watching),
            ),
            (
                backfill_service_pb2_grpc.add_BackfillServiceServicer_to_server,
                BackfillService(uses.backfills, threads, key),
            ),
            (
                dataset_service_pb2_grpc.add_DatasetServiceServicer_to_server,
                DatasetService(uses.datasets, threads, key, self._queries),
            ),
            (
                system_service_pb2_grpc.add_SystemServiceServicer_to_server,
                SystemService(uses.system, threads, key),
            ),
            (health_pb2_grpc.add_HealthServicer_to_server, self._health),
        ):
            _added(add, service, server)
        reflection.enable_server_reflection(_names(), server)

    async def keep_house(self) -> None:
        """Remove what was brought long ago, now and each hour, until it is cancelled."""
        while True:
            try:
                await self._threads.do(self._uses.datasets.bring.sweep)
            except OSError:
                _log.exception("files that were brought long ago cannot be removed")
            await asyncio.sleep(_SWEEP_SECONDS)

    def drain(self) -> None:
        """Say NOT_SERVING, and end the streams that would go on for ever."""
        self._health.drain()
        self._watching.drain()

    def close(self) -> None:
        """Let go of the threads, after the calls have ended."""
        self._watchers.shutdown()
        self._queries.close()


def _added(add: Callable[..., None], service: object, server: grpc.aio.Server) -> None:
    add(service, server)


def _names() -> Iterable[str]:
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    return (*(service.full_name for service in SERVICES), health, reflection.SERVICE_NAME)
