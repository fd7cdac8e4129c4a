"""When a call that failed is made again: a few times, ever later, and within its time."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..domain.errors import Category, SpineError

_REPEATS = 4
_AFTER_HANGING_UP = 2  # a server that starts or stops hangs up for a moment, a wrong set-up always
_FIRST = 0.1  # seconds
_GROWTH = 2.5
_LONGEST = 10.0  # seconds that nobody is kept waiting for the next attempt


@dataclass(slots=True)
class Repeats:
    """The repeats of one call that may take ``seconds`` with all of them, None for no limit.

    ``sleep`` waits for a number of seconds.
    """

    seconds: float | None
    sleep: Callable[[float], object]
    _begun: float = field(default_factory=time.monotonic)
    _made: int = 0

    @property
    def left(self) -> float | None:
        """The seconds that the next attempt may take; None for no limit."""
        if self.seconds is None:
            return None
        return max(0.0, self.seconds - (time.monotonic() - self._begun))

    def wait(self, error: SpineError) -> bool:
        """Wait until it is time for the next attempt, not before ``error`` says that it may be.

        False, at once, when there is to be none: after a few, or where the time would be over.
        """
        most = _AFTER_HANGING_UP if error.category is Category.CONFIGURATION else _REPEATS
        if self._made >= most:
            return False
        spread = random.uniform(0.8, 1.2)  # noqa: S311  # spreads clients only
        pause = _FIRST * _GROWTH**self._made * spread + (error.retry_after or 0.0)
        left = math.inf if self.left is None else self.left
        if pause > _LONGEST or pause >= left:
            return False
        self._made += 1
        self.sleep(pause)
        return True
