"""Tokens, calls and shared keys in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..adapters.outbound.sql.access_store import cut_entry, cut_filter, cut_outcome
from ..domain.access import AccessToken, AuditEntry, AuditFilter
from ..domain.errors import LoadError
from .memory_store_state import MemoryTransaction, as_utc, as_utc_or_none


class MemoryAccessStore:
    """Access of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def add_token(self, token: AccessToken, digest: str) -> None:
        state = self._transaction.writing
        if token.id in state.tokens or digest in state.token_digests:
            raise LoadError(f"there is a token {token.id}, or one of its digest, already")
        state.token_digests[digest] = token.id
        state.tokens[token.id] = replace(
            token,
            created_at=as_utc(token.created_at),
            expires_at=as_utc_or_none(token.expires_at),
            revoked_at=as_utc_or_none(token.revoked_at),
        )

    def find_token(self, digest: str) -> AccessToken | None:
        state = self._transaction.reading
        found = state.token_digests.get(digest)
        return None if found is None else state.tokens[found]

    def tokens(self) -> Sequence[AccessToken]:
        tokens = self._transaction.reading.tokens
        return [tokens[token_id] for token_id in sorted(tokens, reverse=True)]

    def revoke(self, token_id: str, at: datetime) -> bool:
        tokens = self._transaction.writing.tokens
        found = tokens.get(token_id)
        if found is None or found.revoked_at is not None:
            return False
        tokens[token_id] = replace(found, revoked_at=as_utc(at))
        return True

    def record_call(self, entry: AuditEntry) -> None:
        calls = self._transaction.writing.calls
        if entry.id in calls:
            raise LoadError(f"there is a call {entry.id} already")
        calls[entry.id] = cut_entry(replace(entry, at=as_utc(entry.at)))

    def end_call(self, entry_id: str, outcome: str, result: str | None = None) -> bool:
        calls = self._transaction.writing.calls
        found = calls.get(entry_id)
        if found is None or found.outcome is not None:
            return False
        outcome, result = cut_outcome(outcome, result)
        calls[entry_id] = replace(found, outcome=outcome, result=result)
        return True

    def calls(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        calls = self._transaction.reading.calls
        asked = cut_filter(wanted)
        found = [
            entry
            for entry in calls.values()
            if asked.caller in (None, entry.caller)
            and asked.method in (None, entry.method)
            and (asked.before is None or entry.id < asked.before)
        ]
        return sorted(found, key=lambda entry: entry.id, reverse=True)[: asked.limit]

    def shared_key(self, name: str, proposed: bytes) -> bytes:
        """The key; there is one writer at a time, so that no other is stored meanwhile."""
        known = self._transaction.reading.shared_keys.get(name)
        if known is not None:
            return known
        self._transaction.writing.shared_keys[name] = proposed
        return proposed
