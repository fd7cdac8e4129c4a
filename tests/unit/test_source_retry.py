from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl
import pytest

from market_spine.adapters.outbound.sources import RetryingSource
from market_spine.domain.errors import Category, SourceError, SpineError, ValidationError
from market_spine.ports.sources import (
    LINE,
    SourceBatch,
    SourceDescription,
    SourceResult,
    Tap,
    empty_malformed,
)
from market_spine.testing.memory_source import MemorySource

CONTENT = b"abcdefghij"


def passing(retry_after: float | None = None) -> SourceError:
    return SourceError("try later", category=Category.TRANSIENT, retry_after=retry_after)


@dataclass
class Flaky:
    """One record a byte of its content; fails before the bytes that ``failures`` name, in turn."""

    failures: list[tuple[int, SpineError]]
    contents: list[bytes] = field(default_factory=lambda: [CONTENT])
    attempts: int = 0

    def describe(self) -> SourceDescription:
        return SourceDescription("flaky", "flaky")

    def validate(self) -> None:
        self._fail_before(0)

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        content = self.contents[min(self.attempts, len(self.contents) - 1)]
        self.attempts += 1
        failure = self.failures.pop(0) if self.failures else (len(content) + 1, passing())
        for place in range(0, len(content), 2):
            if tap is not None:
                tap(content[place : place + 2])
            if place >= failure[0]:
                raise failure[1]
            yield batch_of(content, place)
        if failure[0] == len(content):
            raise failure[1]

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        batches = list(self.stream(tap=tap))
        return MemorySource(*(batch.frame.drop(LINE) for batch in batches)).fetch()

    def _fail_before(self, place: int) -> None:
        self.attempts += 1
        if self.failures and self.failures[0][0] == place:
            raise self.failures.pop(0)[1]


def batch_of(content: bytes, place: int) -> SourceBatch:
    """The first of two bytes as a good record, the second as a malformed one."""
    frame = pl.DataFrame({"byte": [chr(content[place])], LINE: [place]})
    row = [(place + 1, "ODD", "", chr(content[place + 1]))]
    malformed = pl.DataFrame(row, schema=empty_malformed().schema, orient="row")
    return SourceBatch(frame, malformed, "flaky")


@dataclass
class Read:
    """What came out of a stream."""

    good: str = ""
    bad: str = ""
    tapped: bytes = b""
    slept: list[float] = field(default_factory=list)

    def tap(self, data: bytes) -> None:
        assert data
        self.tapped += data


def read(inner: Flaky, attempts: int = 5, delay: float = 2.0) -> Read:
    found = Read()
    source = RetryingSource(inner, attempts, delay, found.slept.append)
    for batch in source.stream(tap=found.tap):
        found.good += "".join(batch.frame["byte"])
        found.bad += "".join(batch.malformed["raw"])
    return found


@pytest.mark.parametrize("places", [[], [0], [10], [4], [4, 2, 8], [8, 8, 8, 8], [2, 10, 0]])
def test_every_record_and_byte_comes_once_whatever_failed(places: list[int]) -> None:
    found = read(Flaky([(place, passing()) for place in places]))
    assert (found.good, found.bad, found.tapped) == ("acegi", "bdfhj", CONTENT)
    assert found.slept == [2.0] * len(places)


def test_a_longer_wait_that_the_source_asks_for_is_kept() -> None:
    found = read(Flaky([(2, passing(0.5)), (4, passing(30.0))]))
    assert found.slept == [2.0, 30.0]


def test_the_last_error_says_how_often_it_was_tried() -> None:
    inner = Flaky([(2, passing()), (4, passing()), (0, passing())])
    slept: list[float] = []
    with pytest.raises(SourceError, match="try later") as caught:
        list(RetryingSource(inner, 3, 1.0, slept.append).stream())
    assert caught.value.context.metadata["attempts"] == 3
    assert slept == [1.0, 1.0]


def test_what_cannot_pass_is_not_tried_again() -> None:
    final = SourceError("no such file")
    inner = Flaky([(2, final)])
    with pytest.raises(SourceError) as caught:
        read(inner)
    assert caught.value is final
    assert inner.attempts == 1


def test_an_error_of_another_kind_passes_through() -> None:
    class Broken(Flaky):
        def validate(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        RetryingSource(Broken([]), 3, 0, lambda _: None).validate()


@pytest.mark.parametrize(
    ("failed_at", "again"),
    [(6, b"abXdefghij"), (6, b"abcd"), (6, b"abcdeX"), (10, b"abcdefghiX")],
)
def test_other_content_on_another_attempt_is_noticed(failed_at: int, again: bytes) -> None:
    inner = Flaky([(failed_at, passing())], contents=[CONTENT, again])
    with pytest.raises(SourceError, match="other content"):
        read(inner)


def test_validating_and_fetching_are_tried_again() -> None:
    slept: list[float] = []
    inner = Flaky([(0, passing()), (0, passing())])
    RetryingSource(inner, 3, 1.0, slept.append).validate()
    assert (inner.attempts, slept) == (3, [1.0, 1.0])
    tapped = hashlib.sha256()
    inner = Flaky([(4, passing()), (10, passing())])
    result = RetryingSource(inner, 3, 1.0, slept.append).fetch(tap=tapped.update)
    assert result.frame["byte"].to_list() == ["a", "c", "e", "g", "i"]
    assert tapped.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
    assert RetryingSource(Flaky([(4, passing())]), 2, 0, slept.append).fetch().rows == 5


def test_the_description_is_that_of_the_source() -> None:
    assert RetryingSource(Flaky([]), 1, 0, lambda _: None).describe().type == "flaky"


@pytest.mark.parametrize(("attempts", "delay"), [(0, 1.0), (-1, 1.0), (1, -0.1)])
def test_impossible_settings_are_refused(attempts: int, delay: float) -> None:
    with pytest.raises(ValidationError):
        RetryingSource(Flaky([]), attempts, delay, lambda _: None)
