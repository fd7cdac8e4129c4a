"""The keys that a provider signs with, remembered, and asked for again when they change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from ....domain.access import unauthenticated
from ....domain.errors import Category, SpineError
from ....ports.runtime import Clock

log = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
"""So long keys are used without asking again."""
KEPT_SECONDS = 3600.0
"""So long they are used while the provider does not answer: a key that it withdrew meanwhile
could still be used."""
PAUSE_SECONDS = 10.0
"""Between two questions, whatever callers ask for: they may invent names of keys."""
_PATIENCE = 1.0
"""Seconds that a caller waits for what another one has asked the provider."""

# The type of key and the curve that each algorithm takes: a token chooses the algorithm, but not
# what is done with a key that was made for another one. None of them has a secret in common.
_KINDS = {
    **{f"{family}{bits}": ("RSA", None) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS = tuple(_KINDS)
_PUBLIC = ("kty", "crv", "n", "e", "x", "y")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was published at ``at``, in seconds; and the keys that were made of it."""

    published: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    at: float = float("-inf")
    made: dict[tuple[str, str], Any] = field(default_factory=dict)

    def key(self, kid: str, algorithm: str) -> Any:
        """The key (PyJWK) of that name for that algorithm, or None."""
        if (kid, algorithm) not in self.made:
            fitting = (key for key in self.published.get(kid, ()) if _fits(key, algorithm))
            found = next(fitting, None)
            if found is None:
                return None
            self.made[kid, algorithm] = _made(found, algorithm)
        return self.made[kid, algorithm]


class SigningKeys:
    """Keys by name and algorithm. For many threads.

    ``fetch`` gives what the provider publishes now, as JSON objects (JWK).
    """

    def __init__(self, fetch: Callable[[], Iterable[Mapping[str, Any]]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known = _Known()
        self._asking = Lock()
        self._asked = float("-inf")
        self._failure: SpineError | None = None

    def find(self, kid: str, algorithm: str) -> Any:
        """The key (PyJWK) to verify with.

        Raises a SpineError of category PERMISSION for a name that the provider does not publish,
        and of category DEPENDENCY when that cannot be known.
        """
        known = self._known
        key, age = known.key(kid, algorithm), self._clock.monotonic() - known.at
        if key is not None and age < FRESH_SECONDS:
            return key
        has_time = key is not None and age < KEPT_SECONDS
        if not self._ask_again(known, 0.0 if has_time else _PATIENCE) and not has_time:
            raise _unknown_yet("another call has asked it just now", None)
        known = self._known
        key, age = known.key(kid, algorithm), self._clock.monotonic() - known.at
        if key is not None and age < KEPT_SECONDS:
            return key
        if self._failure is not None:
            raise _unknown_yet(self._failure.message, self._failure)
        raise unauthenticated(
            "the token is signed with a key that its issuer does not publish for that",
            hint="get a new token from the identity provider",
        )

    def _ask_again(self, seen: _Known, patience: float) -> bool:
        """Ask the provider, unless that was done just now; False while another thread does it."""
        if not self._asking.acquire(timeout=patience):
            return False
        try:
            if self._known is seen and self._clock.monotonic() - self._asked >= PAUSE_SECONDS:
                self._ask()
        finally:
            self._asking.release()
        return True

    def _ask(self) -> None:
        at = self._clock.monotonic()
        try:
            self._known = _Known(_by_name(self._fetch()), at)
            self._failure = None
        except SpineError as error:
            log.warning("%s", error)
            self._failure = error
        # An answer may have taken longer than the pause.
        self._asked = self._clock.monotonic()


def _by_name(keys: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Keys that signatures are verified with, as far as they have a name."""
    named: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for key in keys:
        kid, use, deeds = key.get("kid"), key.get("use", "sig"), key.get("key_ops", ["verify"])
        if isinstance(kid, str) and use == "sig" and isinstance(deeds, list) and "verify" in deeds:
            named[kid] = (*named.get(kid, ()), key)
    return named


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = _KINDS[algorithm]
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg", algorithm) == algorithm
    )


def _made(key: Mapping[str, Any], algorithm: str) -> Any:
    """The key from its public half; None for one that is damaged."""
    import jwt  # noqa: PLC0415  # it takes a quarter of a second, and few processes need it

    try:
        return jwt.PyJWK({name: key[name] for name in _PUBLIC if name in key}, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        log.warning("key %r of the identity provider is damaged: %s", key.get("kid"), error)
        return None


def _unknown_yet(why: str, cause: SpineError | None) -> SpineError:
    return SpineError(
        f"the signed token cannot be judged yet: {why}",
        category=Category.DEPENDENCY,
        hint="call again in some seconds",
        retry_after=PAUSE_SECONDS if cause else _PATIENCE,
        cause=cause,
    )
