"""Who may call: tokens from their making to their end, and others who vouch for callers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from access_house import ANN, DAY, JWT, AccessHouse
from durable_house import SetClock

from market_spine.application.access.authenticate import LONGEST_BEARER, Authenticate
from market_spine.application.access.token_cache import MOST_KEPT, SECONDS_KEPT, TokenCache
from market_spine.application.access.tokens import (
    token_digest,
)
from market_spine.domain.access import (
    AccessToken,
    Principal,
    PrincipalKind,
    Role,
)
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.ports.storage import UnitOfWork


@pytest.fixture
def house() -> AccessHouse:
    return AccessHouse()


# Roles


def test_each_role_may_do_what_the_ones_before_it_may() -> None:
    for less, more in pairwise(Role):
        assert more.allows(less)
        assert more.allows(more)
        assert not less.allows(more)
    assert list(Role) == [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
    assert not Role.VIEWER.allows(Role.ADMIN)


# Tokens


def test_a_token_lets_its_bearer_in_and_is_stored_as_a_digest_only(house: AccessHouse) -> None:
    token, text = house.create("nightly", Role.OPERATOR, DAY)
    assert house.authenticate(text) == Principal("nightly", Role.OPERATOR, PrincipalKind.TOKEN)
    assert text.startswith(f"spine_{token.id}_")
    assert len(text.rpartition("_")[2]) == 64
    assert token.expires_at == house.clock.now() + DAY
    assert text not in repr(house.store._state)
    assert text.rpartition("_")[2] not in repr(house.store._state)
    assert token_digest(text) in house.store._state.token_digests


def test_no_two_tokens_are_alike(house: AccessHouse) -> None:
    texts = {house.made() for _ in range(50)}
    assert len({text.rpartition("_")[2] for text in texts}) == 50


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a\nb", "a\0b", "x" * 201, "é" * 101])
def test_a_name_that_is_none_is_refused(house: AccessHouse, name: str) -> None:
    with pytest.raises(ValidationError):
        house.create(name, Role.VIEWER, DAY)
    assert list(house.list()) == []


def test_a_name_is_no_place_for_a_secret(house: AccessHouse) -> None:
    with pytest.raises(ValidationError):
        house.create(house.made(), Role.VIEWER, DAY)


@pytest.mark.parametrize("age", [timedelta(0), -DAY, timedelta(days=999_999_999)])
def test_a_time_that_cannot_be_is_refused(house: AccessHouse, age: timedelta) -> None:
    with pytest.raises(ValidationError):
        house.create("nightly", Role.VIEWER, age)


def test_a_token_expires_to_the_second_however_recently_it_was_used(house: AccessHouse) -> None:
    text = house.made(expires_in=timedelta(seconds=3))
    house.clock.pass_by(2.9)
    house.authenticate(text)
    house.clock.pass_by(0.1)
    assert house.authenticate.remembered(text) is None
    assert "has expired" in str(house.refused(text))


def test_a_token_may_never_expire(house: AccessHouse) -> None:
    text = house.made(expires_in=None)
    house.clock.pass_by(100 * 365 * 86_400)
    assert house.authenticate(text).name == "nightly"


def test_a_revoked_token_is_refused_five_seconds_later_at_the_latest(house: AccessHouse) -> None:
    token, text = house.create("nightly", Role.VIEWER, DAY)
    house.authenticate(text)
    assert house.revoke(token.id).revoked_at == house.clock.now()
    house.clock.pass_by(SECONDS_KEPT - 0.1)
    house.authenticate(text)  # that is what the cache is for
    house.clock.pass_by(0.1)
    assert "is revoked" in str(house.refused(text))
    house.clock.pass_by(1000)
    house.refused(text)


def test_using_a_token_all_the_time_does_not_keep_it_alive(house: AccessHouse) -> None:
    token, text = house.create("nightly", Role.VIEWER, DAY)
    house.authenticate(text)
    house.revoke(token.id)
    accepted = 0
    for _ in range(100):
        try:
            house.authenticate(text)
        except SpineError:
            break
        accepted += 1
        house.clock.pass_by(0.1)
    assert accepted <= 10 * SECONDS_KEPT


def test_a_token_that_was_never_used_is_refused_as_soon_as_it_is_revoked(
    house: AccessHouse,
) -> None:
    token, text = house.create("nightly", Role.VIEWER, DAY)
    house.revoke(token.id)
    house.refused(text)


def test_a_token_is_revoked_once_and_an_unknown_one_is_named(house: AccessHouse) -> None:
    token, _ = house.create("nightly", Role.VIEWER, DAY)
    first = house.revoke(token.id)
    house.clock.pass_by(60)
    assert house.revoke(token.id) == first
    assert list(house.list()) == [first]
    with pytest.raises(ValidationError) as caught:
        house.revoke("unknown")
    assert caught.value.context.metadata == {"resource": "tokens/unknown"}


def test_a_text_that_is_no_token_is_refused_without_a_question(house: AccessHouse) -> None:
    good = house.made()
    for bearer in (
        "",
        " ",
        "spine_",
        good[:-1],
        good + "0",
        good.upper(),
        f" {good}",
        f"{good}\n",
        good.replace("spine_", "Spine_"),
        good[:-1] + "g",
        "spine_" + "x" * LONGEST_BEARER,
        "spine_é",
        "a.b",
        "a.b.c.d",
        "." * LONGEST_BEARER,
        "x" * 10_000_000,
        "\udcff.a.b",
        "eyJ.é.x",
    ):
        house.refused(bearer)
        assert house.authenticate.remembered(bearer) is None
    assert house.lookups == 0


def test_a_token_with_one_other_digit_is_not_known(house: AccessHouse) -> None:
    good = house.made()
    for place in (-1, -64, 10):
        digit = "0" if good[place] != "0" else "1"
        wrong = good[:place] + digit + (good[place + 1 :] if place != -1 else "")
        assert len(wrong) == len(good)
        assert "not known" in str(house.refused(wrong))


def test_the_store_is_asked_once_in_five_seconds(house: AccessHouse) -> None:
    text = house.made()
    assert house.authenticate.remembered(text) is None
    for _ in range(20):
        house.authenticate(text)
    assert house.authenticate.remembered(text) == house.authenticate(text)
    assert house.lookups == 1
    house.clock.pass_by(SECONDS_KEPT)
    assert house.authenticate.remembered(text) is None
    house.authenticate(text)
    assert house.lookups == 2


def test_invented_tokens_fill_no_memory(house: AccessHouse) -> None:
    good = house.made()
    for number in range(200):
        house.refused(f"{good[:-64]}{number:064x}")
    assert len(house.authenticate._cache) == 0
    assert house.lookups == 200


def test_what_is_remembered_of_valid_tokens_has_an_end(house: AccessHouse) -> None:
    cache = TokenCache(most=3)
    token, _ = house.create("nightly", Role.VIEWER, DAY)
    for number in range(10):
        cache.keep(str(number), token, asked=1.0)
    assert len(cache) == 3
    assert [cache.get(str(number), 2.0) for number in (6, 7, 9)] == [None, token, token]
    assert MOST_KEPT <= 10_000


def test_what_the_store_told_long_ago_is_not_kept_from_now(house: AccessHouse) -> None:
    """A thread that is stopped between the answer and the cache makes no revoked token valid."""
    text = house.made()
    house.lookup_seconds = SECONDS_KEPT
    house.authenticate(text)
    assert house.authenticate.remembered(text) is None
    assert len(house.authenticate._cache) == 0


def test_many_threads_share_what_is_remembered(house: AccessHouse) -> None:
    texts = [house.made() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: house.authenticate(texts[n % 8]).name, range(800)))
    assert found == ["nightly"] * 800


def test_a_store_that_is_away_lets_nobody_in(house: AccessHouse) -> None:
    text = house.made()

    class Away:
        @contextmanager
        def read(self) -> Iterator[UnitOfWork]:
            raise SpineError("the store is away", category=Category.DEPENDENCY)
            yield

        write = read

    with pytest.raises(SpineError, match="away") as caught:
        Authenticate(Away(), house.clock)(text)
    assert caught.value.category is Category.DEPENDENCY


# Others who vouch for callers


def test_a_signed_token_is_handed_to_who_can_judge_it(house: AccessHouse) -> None:
    assert house.authenticate(JWT) == ANN
    assert house.authenticate.remembered(JWT) is None
    house.refused(JWT + "x")
    assert house.lookups == 0


def test_a_signed_token_is_refused_where_nobody_can_judge_it(house: AccessHouse) -> None:
    house.authenticate = Authenticate(house.store, house.clock)
    assert "SPINE_OIDC_ISSUER" in str(house.refused(JWT))


def test_a_token_of_ours_never_goes_to_somebody_else(house: AccessHouse) -> None:
    asked: list[str] = []

    class Verifier:
        def verify(self, token: str) -> Principal:
            asked.append(token)
            return ANN

    house.authenticate = Authenticate(house.store, house.clock, Verifier())
    for bearer in (house.made(), "spine_a.b.c", house.made()[:-1] + "..", "spine_.."):
        with pytest.raises(SpineError) if "." in bearer else _nothing():
            house.authenticate(bearer)
    assert asked == []


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def test_a_certificate_is_known_by_its_first_name_with_a_role(house: AccessHouse) -> None:
    of = house.authenticate.principal_of_certificate
    loader = Principal("loader", Role.OPERATOR, PrincipalKind.CERTIFICATE)
    assert of(["loader"]) == loader
    assert of(iter(["unknown", "loader", "other"])) == loader
    for names in ([], ["unknown"], ["Loader"], ["loader "], [""]):
        with pytest.raises(SpineError) as caught:
            of(names)
        assert caught.value.category is Category.PERMISSION
        assert "unauthenticated" not in caught.value.context.metadata
        assert "SPINE_CLIENT_ROLES" in str(caught.value.hint)


def test_a_token_says_by_itself_whether_it_has_expired() -> None:
    now = SetClock().now()
    never = AccessToken("id", "n", Role.VIEWER, now)
    assert not never.expired(now + 1000 * DAY)
    until = AccessToken("id", "n", Role.VIEWER, now, now + DAY)
    assert [until.expired(now + age) for age in (DAY / 2, DAY, 2 * DAY)] == [False, True, True]
