"""Taking back what vanished processes held: every process does it, all the time."""

from __future__ import annotations

import logging

from ..domain.errors import Category, LeaseLostError, SpineError
from ..ports.runtime import Clock
from ..ports.storage import Store
from .lifecycle import Lifecycle

_PATIENCE = 1.5
"""Seconds of waiting for the store after which others are taken to have waited as well."""
_SHORT = 1.0
"""Seconds for what another one holds: it may have been stopped, and the rest must not wait."""

log = logging.getLogger(__name__)


def reap(store: Store, clock: Clock, lifecycle: Lifecycle, *, own: str | None = None) -> int:
    """Take back what vanished processes held; how many runs that were.

    Never what belongs to the owner ``own``, who asks and so has not vanished.

    It looks before it writes, and takes back each run by itself. Who had to wait for the store, as
    where one load held it for long, reaps nothing more this time: others could not renew their
    leases meanwhile, and go first.
    """
    with store.read() as unit:
        at = unit.queue.now()
        lost = [
            job
            for job in unit.queue.claimed()
            if job.owner != own and lifecycle.is_vanished(job, at)
        ]
    reaped = 0
    for job in lost:
        asked = clock.monotonic()
        try:
            with store.write() as unit:
                if clock.monotonic() - asked > _PATIENCE:
                    break
                unit.limit_waiting(_SHORT)
                if lifecycle.take_back(unit, job.lease):
                    unit.commit()
                    reaped += 1
        except LeaseLostError as error:
            log.debug("%s", error)
        except SpineError as error:
            if error.category is not Category.TRANSIENT:
                raise
            log.info("run %s is taken back later: %s", job.run, error)
    return reaped
