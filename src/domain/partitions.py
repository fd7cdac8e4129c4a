"""Partitions that a pipeline can be run for, one by one, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import product
from typing import Any, Literal

from .errors import ConfigurationError, ValidationError

MOST_PARTITIONS = 100_000


@dataclass(frozen=True, slots=True)
class PartitionSpace:
    """All partitions of a pipeline: every period between two dates, for every value of the rest.

    ``period`` names the parameter that gets the date, ``every`` says which dates there are: each
    day, or the Monday of each week. ``values`` gives the values of further parameters; those of a
    parameter that has none here are given when a backfill is made, such as a list of symbols.
    """

    period: str
    every: Literal["day", "week"] = "day"
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def between(
        self, first: date, last: date, chosen: Mapping[str, Sequence[str]]
    ) -> Iterator[PartitionKey]:
        """The partitions from ``first`` to ``last``, both included, oldest first.

        ``chosen`` narrows the values of parameters, or gives those that have none. Raises a
        ValidationError for a value that is none, or for too many partitions.
        """
        rest = {name: tuple(chosen.get(name) or known) for name, known in self.values.items()}
        for name, known in self.values.items():
            unknown = [value for value in rest[name] if known and value not in known]
            if unknown or not rest[name]:
                raise ValidationError(
                    f"{', '.join(unknown)} is no {name}" if unknown else f"no {name} is given",
                    hint=f"known: {', '.join(known)}" if known else f"give -p {name}=A,B,...",
                )
        periods = self._periods(first, last)
        count = periods
        for listed in rest.values():
            count *= len(listed)
        if count > MOST_PARTITIONS:
            raise ValidationError(
                f"these are {count:,} partitions, more than {MOST_PARTITIONS:,}",
                hint="choose a shorter time, or fewer values",
            )
        for number in range(periods):
            day = first + number * self._step
            for combination in product(*rest.values()):
                yield PartitionKey(
                    {self.period: day.isoformat(), **dict(zip(rest, combination, strict=True))}
                )

    @property
    def _step(self) -> timedelta:
        return timedelta(days=7 if self.every == "week" else 1)

    def _periods(self, first: date, last: date) -> int:
        """How many there are; raises a ValidationError for a time that is none."""
        if first > last:
            raise ValidationError(
                f"{first} is later than {last}", hint="give the earlier date first"
            )
        if self.every == "week" and (first.weekday() or last.weekday()):
            raise ValidationError(
                f"{first} to {last} does not begin and end with a Monday",
                hint="weeks are named by their Monday",
            )
        return (last - first) // self._step + 1


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """One partition by the parameters that name it, in their order."""

    parameters: Mapping[str, str]

    def __str__(self) -> str:
        return "/".join(self.parameters.values())


class PartitionState(StrEnum):
    """What is known of a partition, from the worst to the best."""

    MISSING = "MISSING"
    FAILED = "FAILED"
    STALE = "STALE"
    """It is there, but not all that should follow from it."""
    REVISED = "REVISED"
    """The source has another content than what was captured last."""
    CURRENT = "CURRENT"
    UNAVAILABLE = "UNAVAILABLE"
    """The source has nothing for it."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A partition, its state, why it is in it, and the parameters to run it with."""

    key: PartitionKey
    state: PartitionState
    reason: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def days(parameter: str, **values: Sequence[str]) -> PartitionSpace:
    """Every day, for every one of ``values``: ``days("day", symbol=["AAPL", "MSFT"])``."""
    return _space(parameter, "day", values)


def weeks(parameter: str, **values: Sequence[str]) -> PartitionSpace:
    """Every week by its Monday, for every one of ``values``."""
    return _space(parameter, "week", values)


def _space(
    parameter: str, every: Literal["day", "week"], values: Mapping[str, Sequence[str]]
) -> PartitionSpace:
    if parameter in values:
        raise ConfigurationError(f"{parameter} is given twice", hint="name two parameters")
    return PartitionSpace(parameter, every, {name: tuple(item) for name, item in values.items()})
