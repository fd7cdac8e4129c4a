"""The thread that renews all leases of one owner, whatever its other threads are busy with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from ..domain.queueing import Job
from ..ports.runtime import Clock
from ..ports.storage import Store

MOST_SECONDS = 5.0
"""Between two renewals at most, so that a cancellation is noticed soon; else a third of a lease."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the store said of the owner's jobs, when it was asked at ``since`` (monotonic)."""

    since: float
    jobs: Mapping[str, Job] = field(default_factory=dict)


class Heartbeat:
    """Renews while its context is open. ``pulse`` is the latest answer, None before the first."""

    def __init__(self, store: Store, clock: Clock, owner: str, lease: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._every = min(lease.total_seconds() / 3, MOST_SECONDS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.pulse: Pulse | None = None
        self._refused_at: float | None = None
        self._recovered_at: float | None = None

    def note_refusal(self) -> None:
        """The store has refused something: leases may have run out that nobody could renew."""
        self._refused_at = self._clock.monotonic()
        self._recovered_at = None

    @property
    def calm(self) -> bool:
        """Whether the store has been there for long enough that others could renew as well."""
        if self._refused_at is None:
            return True
        if self._recovered_at is None:
            return False
        return self._clock.monotonic() >= self._recovered_at + self._every

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._every):
            try:
                since = self._clock.monotonic()
                with self._store.write() as unit:
                    jobs = unit.queue.renew(self._owner, self._lease)
                    unit.commit()
                self.pulse = Pulse(since, {job.run: job for job in jobs})
                if self._recovered_at is None:
                    self._recovered_at = self._clock.monotonic()
            except Exception as error:  # a lease lasts longer than one renewal that fails
                self.note_refusal()
                log.warning("leases of %s were not renewed: %s", self._owner, error)
