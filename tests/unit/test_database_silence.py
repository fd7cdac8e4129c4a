"""When a server counts as silent: by the time since its last byte, not since the first wait."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count

import pytest

from market_spine.adapters.outbound.databases import silence

STEP = 3.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is three seconds after the one before."""
    moments = count(step=STEP)
    monkeypatch.setattr(silence.time, "monotonic", lambda: next(moments))


def waiting(times: int) -> Generator[int, int, str]:
    """What the driver waits for: that many times for the socket, then it has its answer."""
    for _ in range(times):
        yield 1
    return "answer"


def driven(ready: list[int], patience: float) -> str:
    """The answer, the socket being ready or not as ``ready`` says, one wait after the other."""
    heard = silence._heard(waiting(len(ready)), patience)  # type: ignore[arg-type]
    next(heard)
    try:
        for state in ready:
            heard.send(state)  # type: ignore[arg-type]
    except StopIteration as end:
        return str(end.value)
    raise AssertionError("there was no answer")


def test_bytes_that_trickle_are_no_silence() -> None:
    assert driven([1, 0] * 20, patience=2 * STEP) == "answer"


def test_silence_after_the_last_byte_ends_the_wait() -> None:
    with pytest.raises(silence.SilenceError, match="for 9 seconds"):
        driven([1, 1, 0, 0, 0, 0], patience=2 * STEP)


def test_a_server_that_never_says_anything_is_given_up() -> None:
    with pytest.raises(silence.SilenceError):
        driven([0] * 10, patience=2 * STEP)
