"""Keys of an identity provider over time: rotated, withdrawn, wrong, late, and not to be had."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest
from identity_provider import AUDIENCE, DISCOVERY, JWKS, Provider, new_key, providing

from market_spine.adapters.outbound.identity import provider as published
from market_spine.adapters.outbound.identity.oidc import OidcVerifier
from market_spine.adapters.outbound.identity.signing_keys import (
    FRESH_SECONDS,
    KEPT_SECONDS,
    PAUSE_SECONDS,
)
from market_spine.domain.access import Role
from market_spine.domain.errors import Category, SpineError
from market_spine.testing.steady_runtime import TickingClock


class Stopwatch(TickingClock):
    """Seconds pass when the test says so."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def keys() -> list[Any]:
    return [new_key("RS256") for _ in range(2)]


@pytest.fixture
def provider(keys: list[Any]) -> Iterator[Provider]:
    with providing() as provider:
        provider.add_key("one", key=keys[0])
        yield provider


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def verifier(provider: Provider, watch: Stopwatch) -> OidcVerifier:
    return OidcVerifier(provider.issuer, AUDIENCE, "roles", {"operator": Role.OPERATOR}, watch)


def refused(verifier: OidcVerifier, token: str) -> None:
    with pytest.raises(SpineError) as caught:
        verifier.verify(token)
    assert caught.value.category is Category.PERMISSION, caught.value
    assert caught.value.context.metadata["unauthenticated"] is True


def not_judged(verifier: OidcVerifier, token: str) -> SpineError:
    with pytest.raises(SpineError) as caught:
        verifier.verify(token)
    assert caught.value.category is Category.DEPENDENCY, caught.value
    assert caught.value.retryable
    assert caught.value.hint
    return caught.value


def test_keys_are_asked_for_once_in_ten_minutes(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch
) -> None:
    token = provider.token()
    assert not provider.asked, "nothing is asked before a token comes"
    for _ in range(100):
        verifier.verify(token)
        watch.seconds += 5
    assert provider.asked == {DISCOVERY: 1, JWKS: 1}
    watch.seconds += FRESH_SECONDS
    verifier.verify(token)
    assert provider.asked == {DISCOVERY: 2, JWKS: 2}


def test_a_new_key_is_trusted_as_soon_as_it_is_used(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch, keys: list[Any]
) -> None:
    verifier.verify(provider.token())
    provider.add_key("two", key=keys[1])
    refused(verifier, provider.token("two"))  # it was asked just now
    watch.seconds += PAUSE_SECONDS
    assert verifier.verify(provider.token("two")).name == "ann"
    assert verifier.verify(provider.token("one")).name == "ann"


def test_a_key_that_is_given_another_name_is_another_key(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch, keys: list[Any]
) -> None:
    old = provider.token()
    verifier.verify(old)
    provider.withdraw("one")
    provider.add_key("one", key=keys[1])
    watch.seconds += FRESH_SECONDS
    refused(verifier, old)
    assert verifier.verify(provider.token("one")).name == "ann"


def test_a_key_that_is_withdrawn_is_trusted_ten_minutes_at_most(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch
) -> None:
    token = provider.token()
    verifier.verify(token)
    provider.withdraw("one")
    watch.seconds += FRESH_SECONDS - 1
    verifier.verify(token)
    watch.seconds += 1
    refused(verifier, token)


def test_invented_names_of_keys_make_no_questions_and_fill_no_memory(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch
) -> None:
    verifier.verify(provider.token())
    for number in range(300):
        refused(verifier, provider.token(headers={"kid": f"invented-{number}"}))
        watch.seconds += 0.1
    assert provider.asked[JWKS] <= 1 + 300 * 0.1 / PAUSE_SECONDS
    assert len(verifier._keys._known.made) <= 1


def test_known_keys_serve_for_an_hour_while_the_provider_is_away(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch, keys: list[Any]
) -> None:
    token = provider.token()
    verifier.verify(token)
    provider.add_key("two", key=keys[1])
    provider.answers = {DISCOVERY: (503, b"away")}
    for _ in range(5):
        watch.seconds += KEPT_SECONDS / 6
        verifier.verify(token)
        error = not_judged(verifier, provider.token("two"))
        assert error.retry_after
    asked = provider.asked[DISCOVERY]
    not_judged(verifier, provider.token("two"))
    assert provider.asked[DISCOVERY] == asked, "it is left in peace between two questions"
    watch.seconds += KEPT_SECONDS / 6
    not_judged(verifier, token)

    provider.answers = {}
    watch.seconds += PAUSE_SECONDS
    assert verifier.verify(token).name == "ann"
    assert verifier.verify(provider.token("two")).name == "ann"


def test_a_provider_that_is_gone_lets_nobody_in(watch: Stopwatch) -> None:
    with providing() as provider:
        provider.add_key("one")
        token = provider.token()
        issuer = provider.issuer
    verifier = OidcVerifier(issuer, AUDIENCE, "roles", {"operator": Role.OPERATOR}, watch)
    error = not_judged(verifier, token)
    assert DISCOVERY in str(error.cause)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, (500, b"{}")),
        (DISCOVERY, (404, b"{}")),
        (DISCOVERY, (200, b"<html>")),
        (DISCOVERY, (200, b"[]")),
        (DISCOVERY, (200, b"")),
        (DISCOVERY, (200, b"\xff\xfe")),
        (DISCOVERY, (200, b"[" * 100_000)),
        (DISCOVERY, (200, b'{"issuer": "https://elsewhere.example"}')),
        (DISCOVERY, (200, b" " * 2_000_000)),
        (JWKS, (401, b"{}")),
        (JWKS, (200, b"{}")),
        (JWKS, (200, b'{"keys": {}}')),
        (JWKS, (200, b"null")),
        (JWKS, (302, b"/elsewhere")),
    ],
    ids=str,
)
def test_what_is_no_answer_lets_nobody_in(
    provider: Provider, verifier: OidcVerifier, path: str, answer: tuple[int, bytes]
) -> None:
    provider.answers = {path: answer}
    not_judged(verifier, provider.token())


@pytest.mark.parametrize("where", ["http://bank.example/keys", "file:///etc/passwd", 7, None, "/k"])
def test_keys_are_not_taken_from_wherever(
    provider: Provider, verifier: OidcVerifier, where: object
) -> None:
    provider.described = {**provider.described, "jwks_uri": where}
    not_judged(verifier, provider.token())
    assert JWKS not in provider.asked


def test_an_issuer_by_https_has_its_keys_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = "https://login.bank.example"
    described = {"issuer": issuer, "jwks_uri": "http://127.0.0.1/keys"}
    monkeypatch.setattr(published, "_document", lambda url: described)
    with pytest.raises(SpineError, match="not https"):
        published.published_keys(issuer)


def test_a_redirect_is_not_followed(provider: Provider, verifier: OidcVerifier) -> None:
    with providing() as other:
        other.add_key("one")
        provider.answers = {JWKS: (302, f"{other.issuer}{JWKS}".encode())}
        not_judged(verifier, other.token(iss=provider.issuer))
        assert not other.asked


def test_a_provider_that_never_answers_is_given_up(
    provider: Provider, verifier: OidcVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_SECONDS", 0.2)
    provider.answers = {JWKS: Event()}
    not_judged(verifier, provider.token())


def test_who_has_a_known_key_does_not_wait_for_who_has_none(
    provider: Provider, verifier: OidcVerifier, watch: Stopwatch, keys: list[Any]
) -> None:
    """However slow the provider is, and however many callers invent names of keys."""
    verifier.verify(provider.token())
    provider.add_key("two", key=keys[1])
    slow = Event()
    provider.answers = {JWKS: slow}
    watch.seconds += FRESH_SECONDS
    with ThreadPoolExecutor(4) as threads:
        new = threads.submit(verifier.verify, provider.token("two"))
        assert provider.waiting.wait(60)
        others = [threads.submit(verifier.verify, provider.token()) for _ in range(20)]
        done, _ = wait(others, timeout=60)
        assert len(done) == 20
        assert {other.result().name for other in others} == {"ann"}
        not_judged(verifier, provider.token(headers={"kid": "invented"}))
        assert not new.done()
        slow.set()
        assert new.result(60).name == "ann"


def test_many_who_come_first_at_once_ask_once(provider: Provider, verifier: OidcVerifier) -> None:
    token = provider.token()
    with ThreadPoolExecutor(16) as threads:
        names = list(threads.map(lambda _: verifier.verify(token).name, range(64)))
    assert names == ["ann"] * 64
    assert provider.asked == {DISCOVERY: 1, JWKS: 1}


def test_a_provider_that_publishes_private_keys_by_mistake_is_not_trusted_more(
    provider: Provider, verifier: OidcVerifier
) -> None:
    provider.keys = [{**provider.keys[0], "d": "AQAB"}]
    assert verifier.verify(provider.token()).name == "ann"
    (key,) = verifier._keys._known.made.values()
    assert sorted(key._jwk_data) == ["e", "kty", "n"]
