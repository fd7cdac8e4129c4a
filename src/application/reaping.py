"""Taking back what vanished processes held: every process does it, all the time."""

from __future__ import annotations

from ..ports.runtime import Clock
from ..ports.storage import Store
from .lifecycle import Lifecycle

_PATIENCE = 1.5
"""Seconds of waiting for the store after which others are taken to have waited as well."""


def reap(store: Store, clock: Clock, lifecycle: Lifecycle) -> int:
    """Take back what vanished processes held; how many runs that were.

    It looks before it writes. Who had to wait for the store, as where one load held it for long,
    reaps nothing this time: others could not renew their leases meanwhile, and go first.
    """
    with store.read() as unit:
        at = unit.queue.now()
        if not any(lifecycle.vanished(job, at) for job in unit.queue.claimed()):
            return 0
    asked = clock.monotonic()
    with store.write() as unit:
        if clock.monotonic() - asked > _PATIENCE:
            return 0
        reaped = lifecycle.reap(unit)
        if reaped:
            unit.commit()
    return reaped
