"""The server itself: its version, whether all is in order, and who did what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grpc_health.v1 import health_pb2

from ..domain.access import AuditEntry
from ..domain.findings import Finding
from ..v1 import system_service_pb2 as pb
from .calls import Calls, Listing, build
from .decoding_system import ServerVersion, audit_entry_of, finding_of, version_of
from .encoding import filter_of

_AUDIT: Listing[AuditEntry] = Listing(
    "SystemService/ListAuditEntries", pb.ListAuditEntriesResponse, "entries", audit_entry_of
)


class System:
    """``client.system``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def version(self, *, timeout: float | None = None) -> ServerVersion:
        """Which version the server is, and who the caller is to it."""
        answer = self._calls.unary(
            "SystemService/GetVersion", pb.GetVersionRequest(), pb.GetVersionResponse, timeout
        )
        return version_of(answer)

    def health(self, *, timeout: float | None = None) -> str:
        """SERVING, or NOT_SERVING while the server drains; nobody needs credentials to ask."""
        answer = self._calls.unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest(),
            health_pb2.HealthCheckResponse,
            timeout,
        )
        found: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return found

    def diagnose(self, *, timeout: float | None = None) -> Sequence[Finding]:
        """What the server finds when it looks at its settings, database, archive and modules."""
        answer = self._calls.unary(
            "SystemService/Diagnose", pb.DiagnoseRequest(), pb.DiagnoseResponse, timeout
        )
        return [finding_of(item) for item in answer.findings]

    def audit(
        self,
        *,
        caller: str | None = None,
        method: str | None = None,
        before: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[AuditEntry]:
        """Who asked for which change, newest first, at most ``limit``; for administrators.

        ``before`` keeps the calls behind the one with that id.
        """
        wanted = filter_of(("caller", "=", caller), ("method", "=", method), ("id", "<", before))
        request = build(pb.ListAuditEntriesRequest, filter=wanted)
        return self._calls.all(_AUDIT, request, limit, timeout)
