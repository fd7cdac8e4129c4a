"""Where secrets are made, and who vouches for callers from elsewhere."""

from __future__ import annotations

from typing import Protocol

from ..domain.access import Principal


class Unguessable(Protocol):
    """Where new secrets come from."""

    def draw(self, size: int) -> bytes:
        """So many bytes, that nobody can guess from any others."""
        ...


class TokenVerifier(Protocol):
    """Knows whom an identity provider has signed a token (JWT) for."""

    def verify(self, token: str) -> Principal:
        """The caller that a signed token stands for.

        Raises a SpineError of category PERMISSION: with ``unauthenticated`` true in its metadata
        for a token that is not to be trusted, without it for one that gives no role here. One of
        category DEPENDENCY when it cannot be judged, because the provider does not answer.
        """
        ...
