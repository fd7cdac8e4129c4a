"""Registries refuse two things of one name and help with a mistyped one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from market_spine import ConfigurationError, ValidationError
from market_spine.domain.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str
    number: int = 0


def test_two_things_of_one_name_are_refused_but_the_same_one_is_welcome() -> None:
    registry: Registry[Thing] = Registry("thing")
    one = registry.add(Thing("a.b"))
    assert registry.add(one) is one
    with pytest.raises(ConfigurationError, match=r"two things are named 'a\.b'"):
        registry.add(Thing("a.b", 2))
    assert len(registry) == 1


def test_items_are_listed_by_name() -> None:
    registry: Registry[Thing] = Registry("thing")
    for name in ("c", "a", "b"):
        registry.add(Thing(name))
    assert [item.name for item in registry] == ["a", "b", "c"]


def test_an_unknown_name_gets_the_nearest_as_a_suggestion() -> None:
    registry: Registry[Thing] = Registry("thing")
    registry.add(Thing("finra.refresh_week"))
    with pytest.raises(ValidationError) as caught:
        registry.get("finra.refresh_weeks")
    assert caught.value.hint == "did you mean finra.refresh_week?"
    assert registry.find("nothing") is None
