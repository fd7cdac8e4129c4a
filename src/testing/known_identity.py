"""Callers and secrets without surprises."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..domain.access import Principal, unauthenticated
from ..domain.errors import Category, SpineError


class KnownVerifier:
    """Vouches for the tokens of a mapping: those with None are genuine, but give no role."""

    def __init__(self, known: Mapping[str, Principal | None] | None = None) -> None:
        self.known = dict(known or {})

    def verify(self, token: str) -> Principal:
        if token not in self.known:
            raise unauthenticated("nobody knows the token", hint="add it to the known ones")
        found = self.known[token]
        if found is None:
            raise SpineError(
                "the token gives no role", category=Category.PERMISSION, hint="give it a principal"
            )
        return found


class CountedSecrets:
    """Secrets that are the same in every test: for tests only, since everybody can guess them."""

    def __init__(self) -> None:
        self.given = 0

    def draw(self, size: int) -> bytes:
        self.given += 1
        return hashlib.shake_256(str(self.given).encode()).digest(size)
