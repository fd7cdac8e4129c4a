"""Cancel a run, with all that is inside it."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.runs import Run
from ..ports.storage import Store
from .lifecycle import Lifecycle
from .read_runs import run_not_found
from .unit_attempts import typed_errors, undisturbed


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Asks for the end of runs."""

    store: Store
    lifecycle: Lifecycle

    def __call__(self, run_id: str) -> Run:
        """The run as it stands then: CANCELLED when it only waited, still RUNNING when its process
        has to be told first. A final run is answered as it is.

        Raises a ValidationError when there is no such run.
        """

        def cancel() -> Run:
            with self.store.write() as unit:
                found = self.lifecycle.cancel(unit, run_id)
                if found is None:
                    raise run_not_found(run_id)
                unit.commit()
            return found

        with typed_errors(f"cancelling run {run_id}"):
            return undisturbed(cancel)
