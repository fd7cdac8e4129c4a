"""What whoever vouches for callers, and whoever makes secrets, has to promise."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ..domain.access import Principal, PrincipalKind, Role
from ..domain.errors import Category, SpineError
from ..ports.identity import TokenVerifier, Unguessable

_MANY = 1_000


class TokenVerifierSuite:
    """Subclasses give fixtures.

    ``verifier``; ``good``, a token of ann, who is an operator; ``roleless``, a genuine one that
    gives no role; ``bad``, some that are not genuine.
    """

    def test_a_genuine_token_tells_who_calls(self, verifier: TokenVerifier, good: str) -> None:
        for _ in range(2):
            assert verifier.verify(good) == Principal("ann", Role.OPERATOR, PrincipalKind.JWT)

    def test_a_genuine_token_without_a_role_is_known_but_not_allowed(
        self, verifier: TokenVerifier, roleless: str
    ) -> None:
        with pytest.raises(SpineError) as refused:
            verifier.verify(roleless)
        assert refused.value.category is Category.PERMISSION
        assert "unauthenticated" not in refused.value.context.metadata
        assert refused.value.hint

    def test_what_is_not_genuine_is_refused(
        self, verifier: TokenVerifier, good: str, bad: Sequence[str]
    ) -> None:
        assert bad
        cut = (good[:-4], good[4:], good + "AAAA", good.upper(), "", ".", "..", "a.b.c", " ")
        for token in (*bad, *cut, good.rpartition(".")[0] + "."):
            with pytest.raises(SpineError) as refused:
                verifier.verify(token)
            assert refused.value.category is Category.PERMISSION, token
            assert refused.value.context.metadata["unauthenticated"] is True
            assert refused.value.hint
            assert not refused.value.retryable
            assert len(token) < 3 or token not in str(refused.value.to_dict())


class UnguessableSuite:
    """Subclasses give a fixture ``source``."""

    def test_secrets_are_as_long_as_asked(self, source: Unguessable) -> None:
        assert [len(source.draw(size)) for size in (1, 16, 32, 64)] == [1, 16, 32, 64]

    def test_no_secret_comes_twice(self, source: Unguessable) -> None:
        assert len({source.draw(32) for _ in range(_MANY)}) == _MANY
