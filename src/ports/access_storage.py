"""Who may call, in the store, and what was called: part of the unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ..domain.access import AccessToken, AuditEntry, AuditFilter


class AccessStore(Protocol):
    """Tokens by the digest of their text, the log of calls, and keys that all processes share."""

    def add_token(self, token: AccessToken, digest: str) -> None:
        """Raises a LoadError for an id or a digest (hex SHA-256) that is there already."""
        ...

    def find_token(self, digest: str) -> AccessToken | None:
        """The token of that digest, whether it is valid or not."""
        ...

    def tokens(self) -> Sequence[AccessToken]:
        """All tokens, also those that are valid no more; newest first (descending id)."""
        ...

    def revoke(self, token_id: str, at: datetime) -> bool:
        """Note that a token is revoked; False when there is none, or it was revoked before."""
        ...

    def record_call(self, entry: AuditEntry) -> None:
        """Raises a LoadError for an id that is there already.

        Texts that are too long for the store are cut off, with an ellipsis at their end.
        """
        ...

    def end_call(self, entry_id: str, outcome: str, result: str | None = None) -> bool:
        """Note how a call ended; False when there is none, or it was noted before."""
        ...

    def calls(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        """Newest first (descending id)."""
        ...

    def shared_key(self, name: str, proposed: bytes) -> bytes:
        """The key of that name: the first that was ever stored, else ``proposed``, stored now.

        A key has 1 to 128 bytes. Raises a ConflictError when another unit of work stores one at
        the same time: the same work, done again, finds it.
        """
        ...
