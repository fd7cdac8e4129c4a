"""A run by its id, as the store has it now."""

from __future__ import annotations

from ..domain.errors import SpineError
from ..domain.runs import Run
from ..ports.storage import Store


def stored_run(store: Store, run_id: str) -> Run:
    """Raises a SpineError when it is gone, which must not happen to one that is live."""
    with store.read() as unit:
        run = unit.runs.get(run_id)
    if run is None:
        raise SpineError(f"run {run_id} is gone", hint="it must not be deleted while it runs")
    return run
