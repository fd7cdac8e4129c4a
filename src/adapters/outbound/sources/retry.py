"""Trying again when a source fails in a way that may pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from ....domain.errors import SourceError, SpineError, ValidationError
from ....ports.sources import Source, SourceBatch, SourceDescription, SourceResult, Tap

T = TypeVar("T")


class RetryingSource:
    """Any source, read up to ``attempts`` times in all, ``delay`` seconds apart.

    Only retryable errors are met with another attempt, after ``retry_after`` where that is
    longer. The last error is raised with the number of ``attempts`` in its metadata.
    """

    def __init__(
        self, inner: Source, attempts: int, delay: float, sleep: Callable[[float], None]
    ) -> None:
        if attempts < 1 or delay < 0:
            raise ValidationError(
                f"{attempts} attempts with a delay of {delay} seconds cannot be made",
                hint="give at least 1 attempt and a delay of 0 or more",
            )
        self._inner = inner
        self._attempts = attempts
        self._delay = delay
        self._sleep = sleep

    def describe(self) -> SourceDescription:
        return self._inner.describe()

    def validate(self) -> None:
        self._repeatedly(self._inner.validate)

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        if tap is None:
            return self._repeatedly(self._inner.fetch)
        passed = _Passed(tap)
        return self._repeatedly(lambda: self._inner.fetch(tap=passed.restarted()))

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        """Batches, none twice: another attempt skips what was yielded, and tapped, before.

        Raises a SourceError when another attempt finds other content than the one before.
        """
        passed = _Passed(tap)
        attempt = 1
        while True:
            try:
                for batch in self._inner.stream(batch_rows=batch_rows, tap=passed.restarted()):
                    fresh = passed.fresh(batch)
                    if fresh is not None:
                        yield fresh
            except SpineError as error:
                self._wait(error, attempt)
                attempt += 1
            else:
                passed.check_complete()
                return

    def _repeatedly(self, work: Callable[[], T]) -> T:
        attempt = 1
        while True:
            try:
                return work()
            except SpineError as error:
                self._wait(error, attempt)
                attempt += 1

    def _wait(self, error: SpineError, attempt: int) -> None:
        """Sleep before the next attempt, or raise ``error`` when there is none."""
        if not error.retryable or attempt >= self._attempts:
            metadata = {**error.context.metadata, "attempts": attempt}
            error.context = replace(error.context, metadata=metadata)
            raise error
        self._sleep(max(self._delay, error.retry_after or 0.0))


@dataclass(slots=True)
class _Seen:
    """How much of something has been passed on, and how far the current attempt is."""

    passed: int = 0
    current: int = 0

    def skip(self, size: int) -> int:
        """How many of the next ``size`` were passed on before; the others count as passed on."""
        known = min(size, max(0, self.passed - self.current))
        self.current += size
        self.passed = max(self.passed, self.current)
        return known


class _Passed:
    """What has been handed on over all attempts: rows, and bytes of the tap."""

    def __init__(self, tap: Tap | None) -> None:
        self._tap = tap
        self._bytes = _Seen()
        self._good = _Seen()
        self._bad = _Seen()
        self._digest = hashlib.sha256()
        self._repeated = hashlib.sha256()

    def restarted(self) -> Tap:
        """The tap of the next attempt, which starts from the first byte again."""
        self._bytes.current = self._good.current = self._bad.current = 0
        self._repeated = hashlib.sha256()
        return self._receive

    def fresh(self, batch: SourceBatch) -> SourceBatch | None:
        """The part of ``batch`` that was not yielded before, if any."""
        frame = batch.frame.slice(self._good.skip(batch.frame.height))
        malformed = batch.malformed.slice(self._bad.skip(batch.malformed.height))
        if frame.is_empty() and malformed.is_empty():
            return None
        return replace(batch, frame=frame, malformed=malformed)

    def check_complete(self) -> None:
        if any(seen.current < seen.passed for seen in (self._bytes, self._good, self._bad)):
            raise _changed()

    def _receive(self, data: bytes) -> None:
        known = self._bytes.skip(len(data))
        if known:
            self._repeated.update(data[:known])
            if known < len(data) or self._bytes.current == self._bytes.passed:
                self._check_repeated()
        if known < len(data):
            fresh = data[known:] if known else data
            self._digest.update(fresh)
            if self._tap is not None:
                self._tap(fresh)

    def _check_repeated(self) -> None:
        if self._repeated.digest() != self._digest.digest():
            raise _changed()


def _changed() -> SourceError:
    return SourceError(
        "the source has other content on another attempt, and part of it is already passed on",
        hint="run again once the source is no longer being written",
    )
