"""How -p is read: texts, and JSON where it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from market_spine.adapters.inbound.cli.asking import parameters
from market_spine.domain.errors import ValidationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", {"a": "1"}),
        ("a=[1]", {"a": "[1]"}),
        ("a=b:=c", {"a": "b:=c"}),
        ("a:=1", {"a": 1}),
        ('a := ["x", "y=z"] ', {"a": ["x", "y=z"]}),
        ('a:={"b": null}', {"a": {"b": None}}),
        ('a:="text"', {"a": "text"}),
    ],
)
def test_a_value_is_text_or_what_its_json_stands_for(text: str, expected: Any) -> None:
    assert parameters([text]) == expected


@pytest.mark.parametrize("text", ["a:=", "a:=x", "a:=[1,", ":=1"])
def test_what_is_no_json_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        parameters([text])
    assert raised.value.hint is not None
    assert "write it" in raised.value.hint


def test_the_last_of_a_repeated_name_holds_however_it_is_written() -> None:
    assert parameters(["a=1", "a:=2"]) == {"a": 2}
    assert parameters(["a:=2", "a=1"]) == {"a": "1"}
