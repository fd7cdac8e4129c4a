"""Tokens (JWT) that an OpenID Connect provider has signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....domain.access import Principal, PrincipalKind, Role, unauthenticated
from ....domain.errors import Category, ConfigurationError, SpineError
from ....ports.runtime import Clock
from .provider import published_keys
from .signing_keys import ALGORITHMS, SigningKeys
from .trusted_urls import url_problem

LONGEST_TOKEN = 16 * 1024
LEEWAY_SECONDS = 30
"""How far the provider's clock and ours may be apart."""
_REQUIRED = ["exp", "iss", "aud", "sub"]
# Others are signed as well, such as those that end a session, and let nobody in.
_TYPES = ("jwt", "at+jwt", "application/at+jwt")


class OidcVerifier:
    """Trusts what ``issuer`` has signed for ``audience``. For many threads.

    ``role_claim`` names the claim with the roles of the caller: a text or a list of texts, where
    dots lead into objects (``realm_access.roles``). ``roles`` says what each of them means here;
    of several the one that allows most counts. Raises a ConfigurationError for an issuer that is
    neither reached by HTTPS nor on this machine.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        role_claim: str,
        roles: Mapping[str, Role],
        clock: Clock,
    ) -> None:
        problem = url_problem(issuer)
        if problem is not None:
            raise ConfigurationError(
                f"the issuer {problem}", hint="correct SPINE_OIDC_ISSUER: https://HOST/PATH"
            )
        self._issuer = issuer
        self._audience = audience
        self._role_claim = role_claim
        self._roles = dict(roles)
        self._keys = SigningKeys(lambda: published_keys(issuer), clock)

    def verify(self, token: str) -> Principal:
        if len(token) > LONGEST_TOKEN:
            raise _refused(f"it is longer than {LONGEST_TOKEN} bytes")
        kid, algorithm = _header(token)
        claims = self._claims(token, self._keys.find(kid, algorithm), algorithm)
        subject = str(claims["sub"])
        if not subject:
            raise _refused("its subject is empty")
        return Principal(subject, self._role(subject, claims), PrincipalKind.JWT)

    def _claims(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
        import jwt  # noqa: PLC0415  # it takes a quarter of a second, and few processes need it

        try:
            found: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except Exception as error:  # whatever a hostile token makes the library do, it is refused
            raise _refused(str(error) or type(error).__name__, error) from error
        return found

    def _role(self, subject: str, claims: Mapping[str, Any]) -> Role:
        named = _texts(_claim(claims, self._role_claim))
        found = [self._roles[name] for name in named if name in self._roles]
        if not found:
            raise SpineError(
                f"the token of {subject} names no role that counts here in its claim "
                f"{self._role_claim!r}",
                category=Category.PERMISSION,
                hint="let the identity provider put one there; SPINE_OIDC_ROLE_CLAIM and "
                f"SPINE_OIDC_ROLES of the server say which count: {', '.join(self._roles)}",
            )
        return max(found, key=lambda role: role.rank)


def _header(token: str) -> tuple[str, str]:
    """The name of the key and the algorithm; all that is believed before it is verified."""
    import jwt  # noqa: PLC0415  # it takes a quarter of a second, and few processes need it

    try:
        header = jwt.get_unverified_header(token)
    except Exception as error:  # whatever a hostile token makes the library do, it is refused
        raise _refused(str(error) or type(error).__name__, error) from error
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise _refused(f"its algorithm {algorithm!r} is none of {', '.join(ALGORITHMS)}")
    if not isinstance(kid, str) or not kid:
        raise _refused("it does not name the key that it is signed with (kid)")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _refused(f"it is a {kind!r}, which lets nobody in")
    if "crit" in header:
        raise _refused("it demands what this software does not know (crit)")
    return kid, algorithm


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that name, which may have dots in it, or else the one that they lead to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> Iterable[str]:
    """The texts of a claim: one, several words in one, or a list."""
    if isinstance(value, str):
        return (value, *value.split())
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str))
    return ()


def _refused(why: str, cause: BaseException | None = None) -> SpineError:
    return unauthenticated(
        f"the signed token is refused: {why}",
        hint="get a new token from the identity provider, for this issuer and audience",
        cause=cause,
    )
