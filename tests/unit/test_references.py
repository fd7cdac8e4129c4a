"""References and conditions of steps."""

from __future__ import annotations

from typing import Any

import pytest

from market_spine.domain.errors import ConfigurationError, ValidationError
from market_spine.domain.references import Condition, Origin, Reference, Scope, reference

OUTPUTS: dict[str, Any] = {"count": {"rows": 3, "deep": {"list": [1]}}, "flag": False, "none": None}
SCOPE = Scope({"name": "x", "optional": None}, OUTPUTS.__getitem__, {"symbol": "AAPL"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${name}", Reference(Origin.INPUT, "name")),
        ("${steps}", Reference(Origin.INPUT, "steps")),
        ("${steps.count}", Reference(Origin.STEP, "count")),
        ("${steps.count.deep.list}", Reference(Origin.STEP, "count", ("deep", "list"))),
        ("${item}", Reference(Origin.ITEM, "item")),
        ("${item.symbol}", Reference(Origin.ITEM, "item", ("symbol",))),
        ("a ${name}", None),
        ("$name", None),
        ("${}", None),
        (7, None),
        (None, None),
    ],
)
def test_what_is_a_reference(text: Any, expected: Reference | None) -> None:
    assert reference(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${name}", "x"),
        ("${optional}", None),
        ("${unknown}", None),
        ("${steps.count.rows}", 3),
        ("${steps.count.deep}", {"list": [1]}),
        ("${item.symbol}", "AAPL"),
        ("plain", "plain"),
        ([1, "${name}"], [1, "${name}"]),
    ],
)
def test_what_a_value_stands_for(value: Any, expected: Any) -> None:
    assert SCOPE.resolve(value) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("${steps.count.nothing}", "asks for 'nothing', which count does not have (it has rows,"),
        ("${steps.flag.x}", "asks for 'x', which flag does not have (it has no fields"),
        ("${steps.count.rows.x}", "which count.rows does not have"),
    ],
)
def test_a_part_that_is_not_there_is_named(value: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SCOPE.resolve(value)
    assert said in str(caught.value)


def test_a_step_that_returned_nothing_is_told_from_one_without_that_part() -> None:
    with pytest.raises(ValidationError, match="it returned nothing, or what is no JSON value"):
        Scope({}, lambda _name: None).resolve("${steps.count.rows}")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("${steps.count.rows} > 2", True),
        ("${steps.count.rows}>2", True),
        ("${steps.count.rows} <= 2", False),
        ("not ${steps.count.rows} <= 2", True),
        ('${name} == "x"', True),
        ('${name} != "x"', False),
        ('${name} in ["x", "y"]', True),
        ("${steps.count.deep.list} == [1]", True),
        ("${steps.count}", True),
        ("${steps.flag}", False),
        ("not ${steps.none}", True),
        ("${steps.none} == null", True),
    ],
)
def test_what_a_condition_says(text: str, holds: bool) -> None:
    assert Condition.parse(text).holds(SCOPE) is holds


def test_what_cannot_be_compared_is_an_error_of_the_input() -> None:
    with pytest.raises(ValidationError, match="cannot be decided for None"):
        Condition.parse("${steps.none} > 1").holds(SCOPE)


@pytest.mark.parametrize(
    "text", ["", "steps.count > 1", "${name} = 1", "${name} ==", "${name} == x", "1 < ${name}"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no condition"):
        Condition.parse(text)
