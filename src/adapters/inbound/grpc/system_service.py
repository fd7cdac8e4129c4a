"""SystemService: the server's version, whether all is in order, and who did what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ....application.access.audit_log import AuditLog
from ....domain.access import AuditEntry, AuditFilter
from ....domain.findings import Finding
from ....v1 import system_service_pb2, system_service_pb2_grpc
from .callers import caller_of
from .filters import read_filter
from .paging import Pages
from .resource_names import bare_id
from .values import timestamp_message
from .work import Threads

_API = "v1"


@dataclass(frozen=True, slots=True)
class SystemUses:
    """The use cases behind the service, and the version of the software."""

    version: str
    diagnose: Callable[[], Sequence[Finding]]
    audit: AuditLog


class SystemService(system_service_pb2_grpc.SystemServiceServicer):
    """Translates requests to use cases, which run on ``threads``, and their answers to messages."""

    def __init__(self, uses: SystemUses, threads: Threads, page_key: bytes) -> None:
        self._uses = uses
        self._threads = threads
        self._audit = Pages("ListAuditEntries", page_key)

    async def GetVersion(  # noqa: N802  # named by the protocol
        self, request: system_service_pb2.GetVersionRequest, context: Any
    ) -> system_service_pb2.GetVersionResponse:
        del request, context
        caller = caller_of()
        return system_service_pb2.GetVersionResponse(
            version=self._uses.version,
            api=_API,
            caller=caller.name,
            role=f"ROLE_{caller.role.value}",
        )

    async def Diagnose(  # noqa: N802  # named by the protocol
        self, request: system_service_pb2.DiagnoseRequest, context: Any
    ) -> system_service_pb2.DiagnoseResponse:
        del request, context
        found = await self._threads.do(self._uses.diagnose)
        return system_service_pb2.DiagnoseResponse(
            findings=[
                system_service_pb2.Finding(
                    name=item.name, ok=item.ok, detail=item.detail, hint=item.hint
                )
                for item in found
            ]
        )

    async def ListAuditEntries(  # noqa: N802  # named by the protocol
        self, request: system_service_pb2.ListAuditEntriesRequest, context: Any
    ) -> system_service_pb2.ListAuditEntriesResponse:
        del context
        return await self._threads.do(partial(self._list, request))

    def _list(
        self, request: system_service_pb2.ListAuditEntriesRequest
    ) -> system_service_pb2.ListAuditEntriesResponse:
        wanted = read_filter(request.filter, {"caller": "=", "method": "=", "id": "<"})
        bound = wanted.below("id")
        before = None if bound is None else bare_id(bound, field="filter")
        page = self._audit.page(
            request,
            (request.filter,),
            lambda after, limit: self._uses.audit.list(
                AuditFilter(
                    caller=wanted.equal("caller"),
                    method=wanted.equal("method"),
                    before=before if after is None else str(after[0]),
                    limit=limit,
                )
            ),
            _entry_message,
            lambda item: (item.id,),
        )
        return system_service_pb2.ListAuditEntriesResponse(
            entries=page.items, next_page_token=page.next_page_token
        )


def _entry_message(entry: AuditEntry) -> system_service_pb2.AuditEntry:
    return system_service_pb2.AuditEntry(
        id=entry.id,
        time=timestamp_message(entry.at),
        caller=entry.caller,
        role=f"ROLE_{entry.role.value}",
        peer=entry.peer,
        method=entry.method,
        resource=entry.resource,
        outcome=entry.outcome or "",
        result=entry.result or "",
    )
