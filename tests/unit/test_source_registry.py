from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from market_spine.adapters.outbound.files import FileSource
from market_spine.adapters.outbound.sources import SourceRegistry
from market_spine.domain.errors import ConfigurationError, ValidationError
from market_spine.ports.sources import Source, SourceType, register_source, source_type_of
from market_spine.testing.memory_source import MemorySource

NOW = datetime(2025, 12, 15, tzinfo=UTC)


@register_source("listing")
def listing(state: str, *, clock: Any, limit: int = 10) -> Source:
    """Listed symbols.

    And more about them.
    """
    return MemorySource(name=f"{state} {limit}", clock=clock)


@pytest.fixture
def registry() -> SourceRegistry:
    types = [source_type_of(FileSource), source_type_of(listing)]
    return SourceRegistry(
        [found for found in types if found is not None], provided={"clock": lambda: NOW}
    )


def test_a_marked_factory_is_a_type_with_its_first_line() -> None:
    found = source_type_of(listing)
    assert found is not None
    assert (found.name, found.description) == ("listing", "Listed symbols.")


def test_types_are_listed_by_name(registry: SourceRegistry) -> None:
    assert [found.name for found in registry] == ["file", "listing"]
    assert len(registry) == 2


def test_options_reach_the_factory_with_what_is_provided(
    registry: SourceRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "a.psv"
    path.write_text("a|b\n1|2\n")
    result = registry.open("file", path=path, delimiter="|").fetch()
    assert (result.rows, result.fetched_at) == (1, NOW)
    assert registry.open("listing", state="active").describe().name == "active 10"


@pytest.mark.parametrize(
    ("type", "options", "message", "hint"),
    [
        ("fiel", {}, "'fiel'", "file"),
        ("", {}, "''", "file, listing"),
        ("listing", {"stat": 1}, "'stat'", "state"),
        ("listing", {"state": "x", "zzz": 1}, "'zzz'", "state, limit"),
        ("listing", {"state": "x", "clock": None}, "'clock'", "state, limit"),
        ("listing", {}, "needs the option state", "state, limit"),
        ("file", {"paht": "x"}, "'paht'", "path"),
    ],
)
def test_what_is_wrong_is_named_with_the_choice(
    registry: SourceRegistry, type: str, options: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        registry.open(type, **options)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_factory_of_any_options_takes_any(registry: SourceRegistry) -> None:
    registry.add(SourceType("any", "", lambda **options: MemorySource(name=str(options))))
    assert registry.open("any", x=1).describe().name == "{'x': 1}"


def test_two_types_of_one_name_are_refused(registry: SourceRegistry) -> None:
    with pytest.raises(ConfigurationError, match="file"):
        registry.add(SourceType("file", "another", MemorySource))
