"""When failed work is done again, and after how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine import Retry
from market_spine.domain.errors import Category, ConfigurationError, SpineError

TRANSIENT = SpineError("away", category=Category.TRANSIENT)


@given(
    failures=st.integers(1, 5_000),
    chance=st.floats(0, 1),
    delay=st.floats(0, 1e6),
    longest=st.floats(0, 1e6),
)
def test_exponential_pauses_are_drawn_below_a_bound_that_doubles(
    failures: int, chance: float, delay: float, longest: float
) -> None:
    retry = Retry(attempts=10_000, delay=delay, longest=longest)

    pause = retry.wait(TRANSIENT, failures, chance)

    assert pause is not None
    assert 0 <= pause <= longest
    assert pause <= delay * 2.0 ** min(failures - 1, 1_000)
    assert retry.wait(TRANSIENT, failures, 0) == 0


def test_fixed_pauses_are_the_same_whatever_chance_says() -> None:
    retry = Retry(attempts=5, delay=7, backoff="fixed", longest=1)
    assert {retry.wait(TRANSIENT, n, c) for n in range(1, 5) for c in (0, 0.5)} == {7}


def test_the_last_attempt_is_followed_by_none() -> None:
    retry = Retry(attempts=3, delay=0)
    assert [retry.wait(TRANSIENT, failures, 0) for failures in (1, 2, 3)] == [0, 0, None]
    assert Retry().wait(TRANSIENT, 1, 0) is None


@pytest.mark.parametrize("backoff", ["fixed", "exponential"])
def test_an_error_says_how_long_to_wait_at_least(backoff: str) -> None:
    limited = SpineError("slow down", category=Category.RATE_LIMIT, retry_after=900)
    retry = Retry(attempts=2, delay=1, backoff=backoff, longest=2)  # type: ignore[arg-type]
    assert retry.wait(limited, 1, 0.5) == 900


@pytest.mark.parametrize(
    ("error", "categories", "repeated"),
    [
        (SpineError("x", category=Category.TIMEOUT), (), True),
        (SpineError("x", category=Category.VALIDATION), (), False),
        (SpineError("x", category=Category.VALIDATION, retryable=True), (), True),
        (SpineError("x", category=Category.TIMEOUT), (Category.SOURCE,), False),
        (SpineError("x", category=Category.SOURCE), (Category.SOURCE,), True),
    ],
)
def test_only_errors_that_are_named_or_say_so_themselves_are_repeated(
    error: SpineError, categories: tuple[Category, ...], repeated: bool
) -> None:
    retry = Retry(attempts=2, categories=categories)
    assert (retry.wait(error, 1, 0.5) is not None) is repeated


def test_a_policy_survives_the_store() -> None:
    retry = Retry(4, 2.5, "fixed", 90, (Category.SOURCE, Category.TIMEOUT))
    assert Retry.from_dict(retry.to_dict()) == retry


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"delay": -1}, {"longest": -1}, {"backoff": "linear"}]
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Retry(**wrong)  # type: ignore[arg-type]
