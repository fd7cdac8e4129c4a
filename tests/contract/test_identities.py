"""Whoever vouches for callers promises the same, and so does whoever makes secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from identity_provider import AUDIENCE, Provider, providing

from market_spine.adapters.outbound.identity.oidc import OidcVerifier
from market_spine.adapters.outbound.system.runtime import SystemClock, SystemUnguessable
from market_spine.domain.access import Principal, PrincipalKind, Role
from market_spine.testing.identity_suite import TokenVerifierSuite, UnguessableSuite
from market_spine.testing.known_identity import CountedSecrets, KnownVerifier


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as provider:
        provider.add_key("one")
        yield provider


class TestKnownVerifier(TokenVerifierSuite):
    @pytest.fixture
    def verifier(self, good: str, roleless: str) -> KnownVerifier:
        ann = Principal("ann", Role.OPERATOR, PrincipalKind.JWT)
        return KnownVerifier({good: ann, roleless: None})

    @pytest.fixture
    def good(self) -> str:
        return "head.body.mark"

    @pytest.fixture
    def roleless(self) -> str:
        return "head.other.mark"

    @pytest.fixture
    def bad(self) -> list[str]:
        return ["head.unknown.mark"]


class TestOidcVerifier(TokenVerifierSuite):
    @pytest.fixture
    def verifier(self, provider: Provider) -> OidcVerifier:
        roles = {"operator": Role.OPERATOR}
        return OidcVerifier(provider.issuer, AUDIENCE, "roles", roles, SystemClock())

    @pytest.fixture
    def good(self, provider: Provider) -> str:
        return provider.token()

    @pytest.fixture
    def roleless(self, provider: Provider) -> str:
        return provider.token(roles=["guest"])

    @pytest.fixture
    def bad(self, provider: Provider) -> list[str]:
        with providing() as other:
            other.add_key("one")
            return [other.token(iss=provider.issuer), provider.token(exp=1)]


class TestSystemUnguessable(UnguessableSuite):
    @pytest.fixture
    def source(self) -> SystemUnguessable:
        return SystemUnguessable()


class TestCountedSecrets(UnguessableSuite):
    @pytest.fixture
    def source(self) -> CountedSecrets:
        return CountedSecrets()


@pytest.mark.parametrize("suite", [TokenVerifierSuite, UnguessableSuite])
def test_each_suite_has_cases(suite: type) -> None:
    assert len([name for name in dir(suite) if name.startswith("test_")]) > 1
