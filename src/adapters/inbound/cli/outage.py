"""Patience with a server or store that does not answer while something is followed."""

from __future__ import annotations

from dataclasses import dataclass

from ....domain.errors import Category, SpineError
from . import output
from .commands import who

_LONGEST_SILENCE = 120  # looks that may fail one after the other


@dataclass(slots=True)
class Outage:
    """Counts looks that failed; ``next_step`` is said when patience is at its end."""

    next_step: str
    _failed: int = 0

    def over(self) -> None:
        """There was an answer."""
        self._failed = 0

    def goes_on(self, error: SpineError) -> None:
        """Says once per outage that it is tried again.

        Raises the error when trying again does not help, or has not for a minute.
        """
        # A server that is stopped cuts off a call, which is not worth repeating where nobody waits.
        if not error.retryable and error.category is not Category.TRANSIENT:
            raise error
        self._failed += 1
        if self._failed > _LONGEST_SILENCE:
            output.note(self.next_step)
            raise error
        if self._failed == 1:
            output.note(f"{who()} is away, trying again")
