"""Hearing at once of what was queued, instead of looking all the time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class QueueBell(Protocol):
    """Rings when runs may have been queued by whatever process."""

    def listening(self, ring: Callable[[], None]) -> AbstractContextManager[None]:
        """Call ``ring``, from another thread, soon after a commit that made a job READY.

        It may ring for nothing, and not ring while the store is away or where a database cannot
        tell: who listens looks by itself as well, now and then. Raises nothing.
        """
        ...
