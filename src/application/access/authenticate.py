"""Who is calling: by a token of ours, by a signed one of an identity provider, by a certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...domain.access import AccessToken, Principal, PrincipalKind, Role, unauthenticated
from ...domain.errors import Category, SpineError
from ...ports.identity import TokenVerifier
from ...ports.runtime import Clock
from ...ports.storage import Store
from ..unit_attempts import typed_errors
from .token_cache import TokenCache
from .tokens import TOKEN_PREFIX, is_token, token_digest

LONGEST_BEARER = 16 * 1024
"""Bytes of a bearer text; what is longer is not even looked at."""
_DOTS_OF_A_JWT = 2


class Authenticate:
    """Recognises callers. For many threads.

    A token that was revoked, in whatever process, is refused five seconds later at the latest: so
    long a server remembers what it has found. One that has expired is refused at once.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        verifier: TokenVerifier | None = None,
        certificate_roles: Mapping[str, Role] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._verifier = verifier
        self._certificate_roles = dict(certificate_roles or {})
        self._cache = TokenCache()

    def __call__(self, bearer: str) -> Principal:
        """The caller with this text, which is what follows ``Bearer`` in the header.

        Raises a SpineError of category PERMISSION, ``unauthenticated`` true in its metadata, for
        one that is not known, malformed, expired or revoked. Without that mark: it is genuine, but
        gives no role. Other categories mean that it could not be judged.
        """
        if len(bearer) > LONGEST_BEARER or not bearer.isascii():
            raise _malformed()
        if bearer.startswith(TOKEN_PREFIX):
            token = self._token(bearer)
            return Principal(token.name, token.role, PrincipalKind.TOKEN)
        if bearer.count(".") != _DOTS_OF_A_JWT:
            raise _malformed()
        if self._verifier is None:
            raise unauthenticated(
                "tokens of an identity provider are not accepted here",
                hint="call with a token of 'spine auth token create', or let the server be given "
                "SPINE_OIDC_ISSUER and SPINE_OIDC_AUDIENCE",
            )
        return self._verifier.verify(bearer)

    def remembered(self, bearer: str) -> Principal | None:
        """The caller with this text, if it was recognised a moment ago; asks nobody."""
        if len(bearer) > LONGEST_BEARER or not is_token(bearer):
            return None
        token = self._cache.get(token_digest(bearer), self._clock.monotonic())
        if token is None or token.expired(self._clock.now()):
            return None
        return Principal(token.name, token.role, PrincipalKind.TOKEN)

    def principal_of_certificate(self, names: Iterable[str]) -> Principal:
        """The caller of a client certificate that was verified, by the first name with a role.

        Raises a SpineError of category PERMISSION when none of the names has a role.
        """
        listed = list(names)
        for name in listed:
            if name in self._certificate_roles:
                return Principal(name, self._certificate_roles[name], PrincipalKind.CERTIFICATE)
        raise SpineError(
            f"the client certificate of {', '.join(listed) or 'nobody'} has no role here",
            category=Category.PERMISSION,
            hint="let SPINE_CLIENT_ROLES of the server name it: NAME=viewer, operator or admin",
        )

    def _token(self, text: str) -> AccessToken:
        if not is_token(text):
            raise _malformed()
        # It is looked up by its digest: what a caller changes in the text changes all of that, so
        # that the time an answer takes tells nothing of how near a guess was.
        token = self._found(token_digest(text))
        if token.expired(self._clock.now()):
            raise _refused(token, "has expired")
        return token

    def _found(self, digest: str) -> AccessToken:
        asked = self._clock.monotonic()
        known = self._cache.get(digest, asked)
        if known is not None:
            return known
        with typed_errors("looking a token up"), self._store.read() as unit:
            token = unit.access.find_token(digest)
        if token is None:
            raise unauthenticated(
                "the token is not known",
                hint="see that it is copied whole, and for this server; 'spine auth token list' "
                "shows which there are",
            )
        if token.revoked_at is not None:
            raise _refused(token, "is revoked")
        self._cache.keep(digest, token, asked)
        return token


def _malformed() -> SpineError:
    return unauthenticated(
        "the credentials are neither a token of this software nor a signed one (JWT)",
        hint="send 'authorization: Bearer TOKEN', with what 'spine auth token create' has printed",
    )


def _refused(token: AccessToken, why: str) -> SpineError:
    return unauthenticated(
        f"the token {token.name!r} ({token.id}) {why}",
        hint="ask an administrator for a new one: 'spine auth token create'",
    )
