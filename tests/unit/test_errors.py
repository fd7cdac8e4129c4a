"""Errors are values: typed, categorised, complete, and free of secrets."""

from __future__ import annotations

import errno
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    ErrorContext,
    ForeignCause,
    LoadError,
    SourceError,
    SpineError,
    TransformError,
    ValidationError,
    as_spine_error,
)
from market_spine.domain.redaction import redact

KINDS = (
    SpineError,
    SourceError,
    TransformError,
    LoadError,
    ValidationError,
    ConfigurationError,
)


def test_all_twelve_categories_exist() -> None:
    assert {item.value for item in Category} == {
        "INTERNAL",
        "CONFIGURATION",
        "VALIDATION",
        "SOURCE",
        "TRANSFORM",
        "LOAD",
        "TRANSIENT",
        "DEPENDENCY",
        "TIMEOUT",
        "RATE_LIMIT",
        "PERMISSION",
        "RESOURCE",
    }


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        (SpineError, Category.INTERNAL),
        (SourceError, Category.SOURCE),
        (TransformError, Category.TRANSFORM),
        (LoadError, Category.LOAD),
        (ValidationError, Category.VALIDATION),
        (ConfigurationError, Category.CONFIGURATION),
    ],
)
def test_each_type_has_its_category(kind: type[SpineError], category: Category) -> None:
    assert kind("it broke").category is category


@pytest.mark.parametrize("category", list(Category))
def test_retryable_follows_the_category_unless_said(category: Category) -> None:
    expected = category.value in {"TRANSIENT", "DEPENDENCY", "TIMEOUT", "RATE_LIMIT"}
    assert SpineError("it broke", category=category).retryable is expected
    assert SpineError("it broke", category=category, retryable=not expected).retryable is (
        not expected
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
contexts = st.builds(
    ErrorContext,
    run=st.none() | st.text(),
    pipeline=st.none() | st.text(),
    step=st.none() | st.text(),
    partition=st.none() | st.text(),
    metadata=st.dictionaries(st.text(), json_values, max_size=3),
)


@st.composite
def errors(draw: st.DrawFn, depth: int = 2) -> SpineError:
    causes = st.none() | st.builds(ForeignCause, st.text(), st.text())
    if depth:
        causes = causes | errors(depth - 1)
    return draw(st.sampled_from(KINDS))(
        draw(st.text()),
        category=draw(st.sampled_from(Category)),
        hint=draw(st.none() | st.text(min_size=1)),
        retryable=draw(st.none() | st.booleans()),
        retry_after=draw(st.none() | st.floats(0, 1e6)),
        context=draw(contexts),
        cause=draw(causes),
    )


@given(errors())
def test_the_dict_form_loses_nothing_even_through_json(error: SpineError) -> None:
    form = json.loads(json.dumps(error.to_dict()))
    restored = SpineError.from_dict(form)
    assert type(restored) is type(error)
    assert restored.to_dict() == form
    assert (restored.category, restored.retryable, restored.retry_after) == (
        error.category,
        error.retryable,
        error.retry_after,
    )


def test_an_exception_of_others_is_kept_as_cause() -> None:
    try:
        int("x")
    except ValueError as original:
        error = SourceError("cannot read the count", cause=original)
    assert error.__cause__ is not None
    assert error.to_dict()["cause"] == {
        "type": "builtins.ValueError",
        "message": "invalid literal for int() with base 10: 'x'",
    }


def test_context_is_completed_from_outside_and_never_overwritten() -> None:
    error = LoadError("refused", context=ErrorContext(step="load", metadata={"table": "a"}))
    error.within(ErrorContext(run="r1", step="outer", metadata={"table": "b", "host": "h"}))
    assert error.context.to_dict() == {
        "run": "r1",
        "pipeline": None,
        "step": "load",
        "partition": None,
        "metadata": {"table": "a", "host": "h"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://spine:hunter22@db/prod",
        "bad request: https://x.test/query?function=A&apikey=hunter22&x=1",
        "header Authorization: Bearer hunter22hunter22hunter22",
        "password=hunter22 was refused",
        "password = 'hunter22 hunter22' was refused",
        "https://x.test/a?token=hunter22&b=1",
        "X-Api-Key: hunter22",
        "AWS_SECRET_ACCESS_KEY=hunter22 refresh_token=hunter22 sig=hunter22",
        'body {"password": "hunter22", "api-key":"hunter22"}',
        "cannot reach postgresql://u:hunter22@hunter22/x@db/prod",
        "https://hooks.slack.com/services/T0/B0/hunter22 answered 404",
        "Authorization: Basic hunter22",
        "authorization=hunter22",
        'client_secret: "hunter22"',
        "sent eyJhunter22hunter22.eyJhunter22.hunter22-hunter22 to it",
    ],
)
def test_secrets_never_show(text: str) -> None:
    error = SpineError(
        text, hint=text, metadata={"url": text, "api_key": "hunter22"}, cause=OSError(text)
    )
    assert "hunter22" not in json.dumps(error.to_dict())
    assert "hunter22" not in repr(error)
    assert "hunter22" not in str(error)


def test_a_token_of_ours_shows_which_one_it_is_and_no_more() -> None:
    which, secret = "spine_01a21c5d-0f37-70e4-a9a9-c35f9fdefea5_", "0123456789abcdef" * 4
    assert redact(f"({which}{secret}), {which}{secret[:20]}") == f"({which}***), {which}***"


@pytest.mark.parametrize(
    "text",
    [
        "spine_nightly_loader of eyJust.one.word",
        "the basic information of token bearer certificates is missing",
        "wrong parameters for x.secret: password_x is missing; expected text",
        "page token: it is of another list",
        "signatures differ",
    ],
)
def test_plain_words_are_not_taken_for_secrets(text: str) -> None:
    assert SpineError(text).message == text


words = st.sampled_from(
    [
        "Authorization:",
        "Bearer",
        "token=",
        "password",
        ":",
        "=",
        "'",
        '"',
        " ",
        "***",
        "a://u:",
        "@",
        "spine_01a21c5d-0f37-70e4-a9a9-c35f9fdefea5_",
        "0123456789abcdef",
        "eyJhbGciOiJub25l",
        ".",
    ]
) | st.text(max_size=20)


@given(st.lists(words).map("".join))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


def test_metadata_becomes_json_ready() -> None:
    odd = {"day": date(2026, 1, 5), "nan": float("nan"), "set": {1}, 3: Path("a"), "raw": b"x"}
    error = SpineError("odd", metadata=odd)  # type: ignore[arg-type]  # on purpose
    form = json.loads(json.dumps(error.to_dict(), allow_nan=False))
    assert form["context"]["metadata"] == {
        "day": "2026-01-05",
        "nan": None,
        "set": [1],
        "3": "a",
        "raw": "b'x'",
    }
    assert SpineError.from_dict(form).to_dict() == form


class VendorError(SourceError):
    """An error type of somebody's own."""


def test_an_error_type_of_ones_own_is_restored() -> None:
    form = VendorError("gone").to_dict()
    assert type(SpineError.from_dict(form)) is VendorError
    form["type"] = "DeclaredElsewhereError"
    assert type(SpineError.from_dict(form)) is SourceError
    assert SpineError.from_dict(form).category is Category.SOURCE


def test_unexpected_exceptions_become_internal_and_name_the_work() -> None:
    error = as_spine_error(KeyError("x"), doing="pipeline a.b")
    assert error.category is Category.INTERNAL
    assert "pipeline a.b" in error.message
    assert as_spine_error(error, doing="anything") is error


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "quota")]
)
def test_what_is_used_up_is_a_resource_error(error: Exception) -> None:
    assert as_spine_error(error, doing="sorting").category is Category.RESOURCE
