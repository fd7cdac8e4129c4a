"""What is asked for in words that nobody knows, or in values of another kind, is never ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from scripted_server import ScriptedServer, scripted

from market_spine.client import SpineClient
from market_spine.domain.errors import ValidationError

DAY = date(2025, 11, 10)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted({}) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Any]:
    """Any: what is tested is what a type checker would have refused."""
    with SpineClient(server.address) as made:
        yield made


@pytest.mark.parametrize(
    ("call", "word", "meant"),
    [
        (lambda c: c.runs.list(status="FAILED"), "status", "state"),
        (lambda c: c.runs.page(pipelin="a.b"), "pipelin", "pipeline"),
        (lambda c: c.datasets.captures(week=DAY), "week", "first_period and last_period"),
        (lambda c: c.datasets.manifest(week=DAY), "week", "period"),
        (lambda c: c.datasets.rejects(segmet="OTC"), "segmet", "segment"),
        (lambda c: c.datasets.quality(tier="OTC"), "tier", "segment"),
        (lambda c: c.query("a.b", tier="OTC"), "tier", "segment"),
        (lambda c: c.query("a.b", symbol="A"), "symbol", "symbols"),
        (lambda c: c.query_batches("a.b", segmet="OTC"), "segmet", "segment"),
        (lambda c: c.datasets.query("a.b", colums=["a"]), "colums", "columns"),
        (lambda c: c.backfills.create("a.b", DAY, DAY, max_activ=1), "max_activ", "max_active"),
        (lambda c: c.backfills.survey("a.b", DAY, DAY, forced=True), "forced", "force"),
    ],
)
def test_an_unknown_word_is_named_with_the_one_that_was_meant(
    server: ScriptedServer, client: Any, call: Callable[[Any], Any], word: str, meant: str
) -> None:
    with pytest.raises(ValidationError, match=f"takes no {word}=") as raised:
        call(client)

    assert f"did you mean {meant}?" in str(raised.value.hint)
    assert server.received == []


def test_a_word_like_no_other_is_answered_with_all_that_there_are(
    server: ScriptedServer, client: Any
) -> None:
    with pytest.raises(ValidationError, match="takes no dry_run=") as raised:
        client.backfills.create("a.b", DAY, DAY, dry_run=True)

    assert raised.value.hint == "it takes parameters, only, max_active, force"
    assert server.received == []
