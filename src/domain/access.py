"""Who calls, what a caller may do, and what is remembered of calls that change something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .errors import Category, SpineError


class Role(StrEnum):
    """What a caller is allowed to do. Each role may do all that the ones before it may."""

    VIEWER = "VIEWER"
    """Reads everything, changes nothing."""
    OPERATOR = "OPERATOR"
    """Submits, retries and cancels runs and backfills, and brings files."""
    ADMIN = "ADMIN"
    """Deletes history, and reads who did what."""

    @property
    def rank(self) -> int:
        """Its place in the order of roles, 0 for the least."""
        return _ORDER.index(self)

    def allows(self, needed: Role) -> bool:
        """Whether who has this role may do what ``needed`` is asked for."""
        return self.rank >= needed.rank


# Roles are texts, whose own order is that of the alphabet.
_ORDER = tuple(Role)


class PrincipalKind(StrEnum):
    """By what a caller was recognised."""

    LOCAL = "LOCAL"
    """Nobody asked: whoever reaches the process is trusted."""
    TOKEN = "TOKEN"  # noqa: S105  # a word, no secret
    JWT = "JWT"
    CERTIFICATE = "CERTIFICATE"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller.

    ``name`` is that of the token, the subject of the JWT, the name in the client certificate, or
    ``local``.
    """

    name: str
    role: Role
    kind: PrincipalKind


LOCAL = Principal("local", Role.ADMIN, PrincipalKind.LOCAL)
"""The caller where no credentials are asked for."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that was given out, without its secret. Times are aware, in UTC.

    It is valid until it expires (never: None) or is revoked. Tokens may share a name: the new one
    and the old one, while the new one is put in place.
    """

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def expired(self, at: datetime) -> bool:
        """Whether it has expired by then."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One call that may have changed something. ``id`` sorts by time.

    ``peer`` is where it came from, ``resource`` what it was about, which may be empty.
    ``outcome`` is the name of a status code, None while the call is executed, and for ever when
    the server died meanwhile. ``result`` is what came of it, such as the new run.
    """

    id: str
    at: datetime
    caller: str
    role: Role
    peer: str
    method: str
    resource: str
    outcome: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which calls are wanted, at most ``limit``; ``before`` is the id after which a page goes on.

    They are listed newest first, which is by descending id.
    """

    caller: str | None = None
    method: str | None = None
    before: str | None = None
    limit: int = 50


def unauthenticated(message: str, *, hint: str, cause: BaseException | None = None) -> SpineError:
    """The error for credentials that are not to be trusted; its metadata says so.

    Without that mark, an error of category PERMISSION means a caller who is known, but not
    allowed to do what was asked for.
    """
    return SpineError(
        message,
        category=Category.PERMISSION,
        hint=hint,
        cause=cause,
        metadata={"unauthenticated": True},
    )
