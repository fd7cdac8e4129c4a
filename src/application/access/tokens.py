"""Tokens: made, listed and revoked. Their text is told once, and kept nowhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...domain.access import AccessToken, Role
from ...domain.errors import ValidationError
from ...domain.redaction import redact
from ...ports.identity import Unguessable
from ...ports.runtime import Clock, Ids
from ...ports.storage import Store
from ..unit_attempts import typed_errors, undisturbed

TOKEN_PREFIX = "spine_"  # noqa: S105  # by it a token is known for ours, also where it leaked to
SECRET_BYTES = 32
_LONGEST_NAME = 200
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[0-9A-Za-z-]{{36}}_[0-9a-f]{{{2 * SECRET_BYTES}}}")


def is_token(text: str) -> bool:
    """Whether a text has the form of a token of ours."""
    return _TOKEN.fullmatch(text) is not None


def token_digest(text: str) -> str:
    """What is stored of a token's text: the SHA-256 of all of it, in hex.

    No slow hash with a salt: those protect what people choose. Nobody can try out 256 random bits,
    however fast each trial is.
    """
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CreateToken:
    """Gives out tokens."""

    store: Store
    clock: Clock
    ids: Ids
    secrets: Unguessable

    def __call__(
        self, name: str, role: Role, expires_in: timedelta | None
    ) -> tuple[AccessToken, str]:
        """A new token, stored, and its text, which nothing but the answer tells.

        It never expires with None. Raises a ValidationError for a name or a time that cannot be.
        """
        _check_name(name)
        now = self.clock.now()
        token = AccessToken(self.ids.new(), name, role, now, _expiry(now, expires_in))
        text = f"{TOKEN_PREFIX}{token.id}_{self.secrets.draw(SECRET_BYTES).hex()}"
        with typed_errors("making a token"):
            undisturbed(lambda: self._add(token, text))
        return token, text

    def _add(self, token: AccessToken, text: str) -> None:
        with self.store.write() as unit:
            unit.access.add_token(token, token_digest(text))
            unit.commit()


@dataclass(frozen=True, slots=True)
class ListTokens:
    """Tells which tokens there are."""

    store: Store

    def __call__(self) -> Sequence[AccessToken]:
        """All tokens, also those that are valid no more; newest first."""
        with self.store.read() as unit:
            return unit.access.tokens()


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Takes tokens back. Servers may accept one for some seconds more: see Authenticate."""

    store: Store
    clock: Clock

    def __call__(self, token_id: str) -> AccessToken:
        """The token, revoked; one that was revoked before stays as it is.

        Raises a ValidationError when there is none; its metadata names the ``resource``.
        """
        with typed_errors(f"revoking token {token_id}"):
            return undisturbed(lambda: self._revoke(token_id))

    def _revoke(self, token_id: str) -> AccessToken:
        with self.store.write() as unit:
            unit.access.revoke(token_id, self.clock.now())
            found = next((item for item in unit.access.tokens() if item.id == token_id), None)
            if found is None:
                raise ValidationError(
                    f"there is no token {token_id}",
                    hint="spine auth token list shows which there are, by id",
                    metadata={"resource": f"tokens/{token_id}"},
                )
            unit.commit()
        return found


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or name != name.strip():
        problem = f"{name!r} is no name for a token"
    elif len(name.encode()) > _LONGEST_NAME:
        problem = f"a name of {len(name.encode())} bytes is too long for a token"
    elif redact(name) != name:
        problem = f"{name!r} looks like a secret, and names are shown"
    else:
        return
    raise ValidationError(
        problem,
        hint=f"say what will use it, in 1 to {_LONGEST_NAME} bytes, such as nightly-loader",
        metadata={"parameters": {"name": "is no name"}},
    )


def _expiry(now: datetime, expires_in: timedelta | None) -> datetime | None:
    if expires_in is None:
        return None
    try:
        at = now + expires_in
    except OverflowError:
        at = now
    if at <= now:
        raise ValidationError(
            f"a token cannot expire after {expires_in}",
            hint="say how long it is to be valid, such as 90d, or that it never expires",
            metadata={"parameters": {"expires_in": "is no time"}},
        )
    return at
