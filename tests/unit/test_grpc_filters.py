"""Filter strings say exactly what they are read as, and nothing else is read."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc.filters import MOST_BYTES, read_filter
from market_spine.domain.errors import ValidationError
from market_spine.domain.runs import RunState

FIELDS = {"state": "=", "name": "= !=", "create_time": ">= <"}


def test_comparisons_are_joined_by_and() -> None:
    found = read_filter('state = FAILED AND name != "a b" AND create_time >= 2025-11-10', FIELDS)
    assert found.values == {
        ("state", "="): "FAILED",
        ("name", "!="): "a b",
        ("create_time", ">="): "2025-11-10",
    }
    assert found.one_of("state", RunState) is RunState.FAILED
    assert found.moment("create_time", ">=") == datetime(2025, 11, 10, tzinfo=UTC)
    assert found.differs("name", "a b")
    assert not found.differs("name", "c")


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_keeps_everything(text: str) -> None:
    assert read_filter(text, FIELDS).values == {}


@given(st.text().filter(lambda text: len(text.encode(errors="replace")) < MOST_BYTES // 3))
def test_any_value_can_be_quoted(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert read_filter(f'name="{quoted}"', FIELDS).equal("name") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state", "not made of comparisons"),
        ("state =", "not made of comparisons"),
        ("state = FAILED AND", "ends with AND"),
        ("state = FAILED OR name = a", "by AND"),
        ("state = FAILED name = a", "by AND"),
        ("AND AND AND", "not made of comparisons"),
        ("= = =", "not made of comparisons"),
        ('"state" = FAILED', "not made of comparisons"),
        ("state != FAILED", "with !="),
        ("password = x", "no field of this list"),
        ("state = FAILED AND state = FAILED", "twice"),
        ("NOT state = FAILED", "not made of comparisons"),
        ("(state = FAILED)", "cannot be read"),
        ('name = "open', "cannot be read"),
        ('name = "\\n"', "cannot be read"),
        ("name = 'a'", "cannot be read"),
        ("state = FAILED; DROP TABLE runs", "cannot be read"),
        ("name = " + "a" * MOST_BYTES, "longer than"),
        (" AND ".join(f"name{n} = a" for n in range(21)), "no field"),
    ],
)
def test_anything_else_is_refused_with_the_field_named(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        read_filter(text, FIELDS)
    assert caught.value.context.metadata["field"] == "filter"
    assert caught.value.hint


def test_more_comparisons_than_a_list_takes() -> None:
    fields = {f"f{number}": "=" for number in range(30)}
    with pytest.raises(ValidationError, match="more than 20"):
        read_filter(" AND ".join(f"{name} = a" for name in fields), fields)


@pytest.mark.parametrize("value", ["failed", "STATE_FAILED", "1", '""'])
def test_a_word_that_is_no_member_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="state"):
        read_filter(f"state = {value}", FIELDS).one_of("state", RunState)


@pytest.mark.parametrize(
    "value",
    ["yesterday", '"2025-13-01"', '"0001-01-01T00:00:00+23:00"', '""', '"2025-11-10T25:00"'],
)
def test_a_text_that_is_no_time_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="no time"):
        read_filter(f"create_time >= {value}", FIELDS).moment("create_time", ">=")


@given(st.text(max_size=300))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    with suppress(ValidationError):
        read_filter(text, FIELDS)
