"""What a server says of itself, from its messages."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.access import AuditEntry, Role
from ..domain.findings import Finding
from ..v1 import system_service_pb2
from .decoding_values import set_moment, word


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """The server's software and API, and who the caller is to it."""

    version: str
    api: str
    caller: str
    role: Role


def version_of(message: system_service_pb2.GetVersionResponse) -> ServerVersion:
    """The version of a server."""
    role = word(Role, message, "role")
    return ServerVersion(message.version, message.api, message.caller, role)


def finding_of(message: system_service_pb2.Finding) -> Finding:
    """One thing that was looked at."""
    hint = message.hint if message.HasField("hint") else None
    return Finding(message.name, message.ok, message.detail, hint)


def audit_entry_of(message: system_service_pb2.AuditEntry) -> AuditEntry:
    """One call that may have changed something."""
    return AuditEntry(
        id=message.id,
        at=set_moment(message, "time"),
        caller=message.caller,
        role=word(Role, message, "role"),
        peer=message.peer,
        method=message.method,
        resource=message.resource,
        outcome=message.outcome or None,
        result=message.result or None,
    )
