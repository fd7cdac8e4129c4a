"""Tokens, calls and shared keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from ....domain.access import AccessToken, AuditEntry, AuditFilter, Role
from ....domain.errors import ConflictError, LoadError
from .database_faults import Fault
from .fitting import cut_to_fit
from .schema_access import (
    ACCESS_TOKENS,
    AUDIT_ENTRIES,
    CALLER_BYTES,
    METHOD_BYTES,
    OUTCOME_BYTES,
    PEER_BYTES,
    RESOURCE_BYTES,
    RESULT_BYTES,
    SHARED_KEYS,
)
from .transaction import SqlTransaction


class SqlAccessStore:
    """Access of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add_token(self, token: AccessToken, digest: str) -> None:
        values = {
            "token_id": token.id,
            "token_name": token.name,
            "token_digest": digest,
            "role_name": token.role.value,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "revoked_at": token.revoked_at,
        }
        self._transaction.write(insert(ACCESS_TOKENS), values)

    def find_token(self, digest: str) -> AccessToken | None:
        statement = select(ACCESS_TOKENS).where(ACCESS_TOKENS.c.token_digest == digest)
        found = self._transaction.rows(statement)
        return _token(found[0]) if found else None

    def tokens(self) -> Sequence[AccessToken]:
        statement = select(ACCESS_TOKENS).order_by(ACCESS_TOKENS.c.token_id.desc())
        return [_token(row) for row in self._transaction.rows(statement)]

    def revoke(self, token_id: str, at: datetime) -> bool:
        columns = ACCESS_TOKENS.c
        statement = update(ACCESS_TOKENS).where(
            columns.token_id == token_id, columns.revoked_at.is_(None)
        )
        return self._transaction.write(statement, {"revoked_at": at}).rowcount == 1

    def record_call(self, entry: AuditEntry) -> None:
        entry = cut_entry(entry)
        values = {
            "entry_id": entry.id,
            "called_at": entry.at,
            "caller": entry.caller,
            "role_name": entry.role.value,
            "peer": entry.peer,
            "method_name": entry.method,
            "resource_name": entry.resource,
            "outcome": entry.outcome,
            "result_text": entry.result,
        }
        self._transaction.write(insert(AUDIT_ENTRIES), values)

    def end_call(self, entry_id: str, outcome: str, result: str | None = None) -> bool:
        columns = AUDIT_ENTRIES.c
        outcome, result = cut_outcome(outcome, result)
        statement = update(AUDIT_ENTRIES).where(
            columns.entry_id == entry_id, columns.outcome.is_(None)
        )
        values = {"outcome": outcome, "result_text": result}
        return self._transaction.write(statement, values).rowcount == 1

    def calls(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        columns = AUDIT_ENTRIES.c
        asked = cut_filter(wanted)
        statement = select(AUDIT_ENTRIES).order_by(columns.entry_id.desc())
        if asked.caller is not None:
            statement = statement.where(columns.caller == asked.caller)
        if asked.method is not None:
            statement = statement.where(columns.method_name == asked.method)
        if asked.before is not None:
            statement = statement.where(columns.entry_id < asked.before)
        limited = self._transaction.dialect.first(statement, asked.limit)
        return [_entry(row) for row in self._transaction.rows(limited)]

    def shared_key(self, name: str, proposed: bytes) -> bytes:
        columns = SHARED_KEYS.c
        found = self._transaction.rows(select(columns.hex_digits).where(columns.purpose == name))
        if found:
            return bytes.fromhex(found[0].hex_digits)
        try:
            values = {"purpose": name, "hex_digits": proposed.hex()}
            self._transaction.write(insert(SHARED_KEYS), values)
        except LoadError as error:
            if error.context.metadata.get("fault") != Fault.UNIQUE:
                raise
            raise ConflictError(
                f"another process has stored the key {name!r} meanwhile",
                hint="do the whole work again: it finds that key",
                cause=error,
            ) from error
        return proposed


def cut_entry(entry: AuditEntry) -> AuditEntry:
    """The entry as it is kept: a call is recorded however long its texts are."""
    return replace(
        entry,
        caller=cut_to_fit(entry.caller, CALLER_BYTES),
        peer=cut_to_fit(entry.peer, PEER_BYTES),
        method=cut_to_fit(entry.method, METHOD_BYTES),
        resource=cut_to_fit(entry.resource, RESOURCE_BYTES),
        outcome=_cut(entry.outcome, OUTCOME_BYTES),
        result=_cut(entry.result, RESULT_BYTES),
    )


def cut_outcome(outcome: str, result: str | None) -> tuple[str, str | None]:
    """How a call ended, as it is kept."""
    return cut_to_fit(outcome, OUTCOME_BYTES), _cut(result, RESULT_BYTES)


def cut_filter(wanted: AuditFilter) -> AuditFilter:
    """A filter that finds what was cut when it was kept."""
    return replace(
        wanted, caller=_cut(wanted.caller, CALLER_BYTES), method=_cut(wanted.method, METHOD_BYTES)
    )


def _cut(text: str | None, length: int) -> str | None:
    return None if text is None else cut_to_fit(text, length)


def _token(row: Any) -> AccessToken:
    return AccessToken(
        id=row.token_id,
        name=row.token_name,
        role=Role(row.role_name),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        id=row.entry_id,
        at=row.called_at,
        caller=row.caller,
        role=Role(row.role_name),
        peer=row.peer,
        method=row.method_name,
        resource=row.resource_name,
        outcome=row.outcome,
        result=row.result_text,
    )
