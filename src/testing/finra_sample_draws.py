"""Random draws that come out the same on every platform and Python version.

Only ``random.Random.random`` is used, whose sequence Python guarantees for a seed, and only the
four operations on floats, whose results IEEE 754 fixes: no logarithm or power of a C library.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """Draws from the sequence that belongs to ``labels``, independent of all other labels."""

    def __init__(self, *labels: object) -> None:
        seed = "/".join(str(label) for label in labels)
        self._next = random.Random(seed).random  # noqa: S311  # sample data, not secrets

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return self._next()

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self._next()

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both inclusive."""
        return low + int((high - low + 1) * self._next())

    def chance(self, probability: float) -> bool:
        """True in this share of the cases."""
        return self._next() < probability

    def one_of(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely as the others."""
        return choices[int(len(choices) * self._next())]

    def weighted(self, weights: Sequence[float]) -> int:
        """The position of one weight, likely in proportion to it."""
        rest = self._next() * sum(weights)
        for position, weight in enumerate(weights):
            rest -= weight
            if rest < 0:
                return position
        return len(weights) - 1


def at_quantile(curve: Sequence[tuple[float, float]], quantile: float) -> float:
    """The value of a distribution at ``quantile`` (0..1), linear between its known points.

    ``curve`` holds (quantile, value) pairs, ascending, from quantile 0 to 1.
    """
    for (left, low), (right, high) in pairwise(curve):
        if quantile <= right:
            return low + (high - low) * (quantile - left) / (right - left)
    return curve[-1][1]
