"""Tables of access: tokens, who called what, and keys that all processes on a store share.

What is said in schema_core holds here, too. Times of tokens are judged by the caller's clock.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, UniqueConstraint

from .column_types import UtcTimestamp, varchar
from .metadata import METADATA

CALLER_BYTES = 200
PEER_BYTES = 200
METHOD_BYTES = 200
RESOURCE_BYTES = 500
OUTCOME_BYTES = 50
RESULT_BYTES = 500

ACCESS_TOKENS = Table(
    "access_tokens",
    METADATA,
    Column("token_id", varchar(36), primary_key=True),
    Column("token_name", varchar(CALLER_BYTES), nullable=False),
    # The text of a token is never stored: whoever reads the table cannot call with what it holds.
    Column("token_digest", varchar(64), nullable=False),
    Column("role_name", varchar(20), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("expires_at", UtcTimestamp),
    Column("revoked_at", UtcTimestamp),
    UniqueConstraint("token_digest", name="uq_access_tokens_token_digest"),
)

AUDIT_ENTRIES = Table(
    "audit_entries",
    METADATA,
    Column("entry_id", varchar(36), primary_key=True),
    Column("called_at", UtcTimestamp, nullable=False),
    Column("caller", varchar(CALLER_BYTES), nullable=False),
    Column("role_name", varchar(20), nullable=False),
    Column("peer", varchar(PEER_BYTES), nullable=False),
    Column("method_name", varchar(METHOD_BYTES), nullable=False),
    Column("resource_name", varchar(RESOURCE_BYTES), nullable=False),
    Column("outcome", varchar(OUTCOME_BYTES)),
    Column("result_text", varchar(RESULT_BYTES)),
    # Each ends with entry_id: a page is a range of the index.
    Index("ix_audit_entries_caller", "caller", "entry_id"),
    Index("ix_audit_entries_method_name", "method_name", "entry_id"),
)

# Bytes as hexadecimal digits: not every database has a type for bytes that the others have.
SHARED_KEYS = Table(
    "shared_keys",
    METADATA,
    Column("purpose", varchar(100), primary_key=True),
    Column("hex_digits", varchar(256), nullable=False),
)
