"""Delete the history of runs that ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ..domain.errors import ValidationError
from ..domain.run_statistics import Purged
from ..ports.storage import Store
from .unit_attempts import typed_errors, undisturbed

_BATCH = 500


@dataclass(frozen=True, slots=True)
class PurgeRuns:
    """Deletes in batches, each in a transaction of its own, so that others are not kept waiting."""

    store: Store

    def __call__(
        self, older_than: timedelta, *, told: Callable[[Purged], None] = lambda _: None
    ) -> Purged:
        """Delete runs that ended longer ago; ``told`` hears the sum after each batch.

        Never a live run. A run that data refers to is kept without its events and log. Raises a
        ValidationError for less than a second: it would be everything.
        """
        if older_than < timedelta(seconds=1):
            raise ValidationError(
                f"{older_than} is no age", hint="say how old runs must be, such as 90d"
            )
        total = Purged()
        while True:
            with typed_errors("purging runs"):
                batch = undisturbed(lambda: self._batch(older_than))
            total += batch
            told(total)
            if not (batch.runs or batch.events or batch.lines):
                return total

    def _batch(self, older_than: timedelta) -> Purged:
        with self.store.write() as unit:
            try:
                bound = unit.queue.now() - older_than
            except OverflowError:
                return Purged()  # nothing is older than the calendar
            purged = unit.history.purge(bound, _BATCH)
            unit.commit()
        return purged
