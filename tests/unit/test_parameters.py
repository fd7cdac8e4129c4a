"""Parameters are typed; a wrong, missing or unknown one is named with what was expected."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine import ConfigurationError, Param, Pipeline, ValidationError, pipeline
from market_spine.domain.parameters import (
    parse_parameters,
    parse_timestamp,
    stored_parameters,
)


class Color(StrEnum):
    RED = "red"


@pipeline("tests.all_types")
def all_types(
    context: Any,
    count: int,
    name: str = "x",
    ratio: float = 0.5,
    exact: Decimal | None = None,
    day: date | None = None,
    moment: datetime | None = None,
    flag: bool = False,
    where: Path | None = None,
    tier: Literal["T1", "T2"] = "T1",
    color: Color = Color.RED,
    many: tuple[int, ...] = (),
    key: Annotated[str | None, Param("API key", secret=True)] = None,
) -> None:
    """Has one parameter of each type."""


def parse(found: Pipeline, **given: Any) -> dict[str, Any]:
    return parse_parameters(found.parameters, given, pipeline=found.name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "TRUE", "TRUE"),
        ("ratio", "1e3", 1000.0),
        ("exact", "0.10", Decimal("0.10")),
        ("day", "2025-11-10", date(2025, 11, 10)),
        ("moment", "2025-11-10T12:00:00+01:00", datetime(2025, 11, 10, 11, tzinfo=UTC)),
        ("flag", "yes", True),
        ("flag", "0", False),
        ("where", "a/b", Path("a/b")),
        ("tier", "T2", "T2"),
        ("color", "red", Color.RED),
        ("many", "1,2,3", (1, 2, 3)),
    ],
)
def test_text_becomes_the_declared_type(name: str, text: str, value: Any) -> None:
    assert parse(all_types, count="1", **{name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", "1.5", "a whole number"),
        ("count", 1.5, "a whole number"),
        ("count", True, "a whole number"),
        ("name", 3, "text"),
        ("ratio", "much", "a number"),
        ("exact", "NaN", "a decimal number"),
        ("exact", "Infinity", "a decimal number"),
        ("day", "10.11.2025", "a date (YYYY-MM-DD)"),
        ("day", datetime(2025, 11, 10, tzinfo=UTC), "a date (YYYY-MM-DD)"),
        ("moment", "noon", "a timestamp (ISO 8601)"),
        ("flag", "maybe", "true or false"),
        ("tier", "T3", "one of T1, T2"),
        ("color", "blue", "one of red"),
        ("many", "1,x", "a comma-separated list, each a whole number"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(
    name: str, value: Any, expected: str
) -> None:
    given = {"count": "1", name: value}
    with pytest.raises(ValidationError) as caught:
        parse(all_types, **given)
    problems = caught.value.context.metadata["parameters"]
    assert list(problems) == [name]
    assert problems[name].endswith(f"is not {expected}")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        parse(all_types, nmae="x", ratio="much")
    problems = caught.value.context.metadata["parameters"]
    assert set(problems) == {"nmae", "ratio", "count"}
    assert problems["nmae"] == "is no parameter; did you mean 'name'?"
    assert problems["count"].startswith("is missing; expected a whole number")


def test_defaults_fill_in_what_is_not_given() -> None:
    values = parse(all_types, count=2)
    assert values["tier"] == "T1"
    assert values["day"] is None


def test_secrets_are_neither_stored_nor_shown() -> None:
    values = parse(all_types, count=2, key="hunter22")
    assert values["key"] == "hunter22"
    assert stored_parameters(all_types.parameters, values)["key"] == "***"
    with pytest.raises(ValidationError) as caught:
        parse(all_types, count=2, key=22)
    assert "22" not in str(caught.value)


def test_stored_parameters_are_plain_json() -> None:
    values = parse(
        all_types, count=2, exact="0.10", day="2025-11-10", where="a", many="1,2", color="red"
    )
    assert stored_parameters(all_types.parameters, values) == {
        "count": 2,
        "name": "x",
        "ratio": 0.5,
        "exact": "0.10",
        "day": "2025-11-10",
        "flag": False,
        "where": "a",
        "tier": "T1",
        "color": "red",
        "many": [1, 2],
    }


def test_a_date_as_timestamp_means_its_end() -> None:
    assert parse_timestamp("2025-12-16") == datetime(2025, 12, 16, 23, 59, 59, 999999, tzinfo=UTC)
    assert parse_timestamp("20251216") == parse_timestamp("2025-12-16")
    assert parse_timestamp("2025-12-16T09:30") == datetime(2025, 12, 16, 9, 30, tzinfo=UTC)
    assert parse_timestamp("2025-12-16T00:00") == datetime(2025, 12, 16, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_no_timestamp(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_timestamp(text)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.binary()))
def test_arbitrary_input_is_parsed_or_refused_typed(given: dict[str, Any]) -> None:
    try:
        values = parse_parameters(all_types.parameters, given, pipeline="tests.all_types")
    except ValidationError:
        return
    assert isinstance(values["count"], int)


def test_a_parameter_without_type_is_refused_when_declared() -> None:
    with pytest.raises(ConfigurationError, match=r"'file' of pipeline a\.b has no declared type"):

        @pipeline("a.b")
        def untyped(context, file):  # type: ignore[no-untyped-def]  # the very mistake
            return None


def test_a_pipeline_without_context_is_refused_when_declared() -> None:
    with pytest.raises(ConfigurationError, match="takes no context"):
        pipeline("a.b")(lambda: None)


@pytest.mark.parametrize("name", ["", "A.b", "a b", "a..b", ".a", "a/b", "1a"])
def test_a_bad_pipeline_name_is_refused_when_declared(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no pipeline name"):
        pipeline(name)(lambda context: None)


def test_the_description_is_the_first_paragraph_and_the_function_stays_callable() -> None:
    assert all_types.description == "Has one parameter of each type."
    assert all_types(None, 1) is None


@pipeline("tests.files")
def files(
    context: Any,
    file: str,
    where: Path,
    parts: tuple[Path, ...],
    other: Annotated[str, Param(file=True)],
    path: Annotated[str, Param("of an XML element", file=False)],
    folder: str | None = None,
    week: str = "",
) -> None:
    """Takes paths by their type, by their name and by what is said of them."""


def test_a_parameter_is_a_file_by_its_type_its_name_or_what_is_said_of_it() -> None:
    assert [spec.name for spec in files.parameters if spec.is_file] == [
        "file",
        "where",
        "parts",
        "other",
        "folder",
    ]
