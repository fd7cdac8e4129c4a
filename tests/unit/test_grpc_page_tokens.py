"""A page token fits the listing it was issued for, and nothing else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc.page_tokens import PageTokens
from market_spine.domain.errors import ValidationError

TOKENS = PageTokens("ListRuns", b"k" * 32)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n\x00é"

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
filters = st.tuples(st.none() | st.text(max_size=5), st.none() | st.text(max_size=5), st.booleans())


def refused(tokens: PageTokens, token: str, by: tuple[object, ...] = ()) -> bool:
    try:
        tokens.open(token, by)
    except ValidationError as error:
        return error.context.metadata["field"] == "page_token"
    return False


@given(ids, filters)
def test_a_token_opens_where_it_was_issued(last_id: str, by: tuple[object, ...]) -> None:
    token = TOKENS.issue(last_id, by)

    assert TOKENS.open(token, by) == last_id
    assert token.isascii()
    assert "=" not in token


def test_no_token_is_the_first_page() -> None:
    assert TOKENS.open("", ("anything",)) is None


@given(ids, st.data())
def test_any_change_of_one_character_is_refused(last_id: str, data: st.DataObject) -> None:
    token = TOKENS.issue(last_id, ())
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([c for c in ALPHABET if c != token[place]]))

    assert refused(TOKENS, token[:place] + other + token[place + 1 :])


@given(ids, st.data())
def test_a_cut_or_lengthened_token_is_refused(last_id: str, data: st.DataObject) -> None:
    token = TOKENS.issue(last_id, ())
    length = data.draw(st.integers(1, len(token) - 1))

    assert refused(TOKENS, token[:length])
    assert refused(TOKENS, token + data.draw(st.sampled_from(ALPHABET)))


@given(ids, filters, filters)
def test_a_token_of_other_filters_is_refused(
    last_id: str, mine: tuple[object, ...], other: tuple[object, ...]
) -> None:
    assert refused(TOKENS, TOKENS.issue(last_id, mine), other) == (mine != other)


def test_a_token_of_another_method_or_server_is_refused() -> None:
    token = TOKENS.issue("7", ())

    assert refused(PageTokens("ListCaptures", b"k" * 32), token)
    assert refused(PageTokens("ListRuns", b"l" * 32), token)
    assert not refused(PageTokens("ListRuns", b"k" * 32), token)


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda b: base64.b64encode(b).decode()))
def test_made_up_text_is_refused(token: str) -> None:
    assert refused(TOKENS, token)


@pytest.mark.parametrize("mine", [("a", None), (None, "a"), ("a,", ""), ("a", ",")])
def test_filters_do_not_run_into_each_other(mine: tuple[object, ...]) -> None:
    others = {("a", None), (None, "a"), ("a,", ""), ("a", ","), ("None", "a")} - {mine}

    assert all(refused(TOKENS, TOKENS.issue("7", mine), other) for other in others)
