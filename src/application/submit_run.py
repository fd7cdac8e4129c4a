"""Submit a run for whichever worker is free."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from ..domain.errors import SpineError, ValidationError
from ..domain.runs import Run, RunFilter
from ..ports.runtime import Clock, Ids
from ..ports.storage import Store, UnitOfWork
from .catalog import Catalog
from .lifecycle import Lifecycle
from .submissions import Prepared, Submission, prepared
from .unit_attempts import typed_errors, undisturbed


@dataclass(frozen=True, slots=True)
class SubmitRun:
    """Queues runs; what became of them is in run history."""

    store: Store
    clock: Clock
    ids: Ids
    catalog: Catalog
    lifecycle: Lifecycle

    def __call__(self, submission: Submission) -> Run:
        """The run as it was queued, or the earlier one that has the same request id.

        Raises a ValidationError for an unknown name, wrong parameters, a secret that would have to
        be stored, and a request id under which something else was submitted.
        """
        with typed_errors(f"submitting {submission.name}"):
            item = prepared(self.catalog, self.ids, submission, self.clock.now())
            try:
                return undisturbed(lambda: self._submit(item, submission.request))
            except SpineError:
                # Another process may have been first with the same request.
                known = self._known(item, submission.request)
                if known is None:
                    raise
                return known

    def _submit(self, item: Prepared, request: str | None) -> Run:
        with self.store.write() as unit:
            known = _of_request(unit, item, request)
            if known is not None:
                return known
            run = self.lifecycle.submit(unit, item, request=request)
            run = unit.runs.get(run.id) or run
            unit.commit()
        return run

    def _known(self, item: Prepared, request: str | None) -> Run | None:
        if request is None:
            return None
        with self.store.read() as unit:
            return _of_request(unit, item, request)


def _of_request(unit: UnitOfWork, item: Prepared, request: str | None) -> Run | None:
    """The run that was submitted under the request id."""
    found = unit.runs.list(RunFilter(request=request, limit=1)) if request is not None else ()
    if not found:
        return None
    run = found[0]
    asked = replace(item.run, id=run.id)
    if _content(run) != _content(asked):
        raise ValidationError(
            f"request {request!r} was made before, for something else: {run.pipeline} as run "
            f"{run.id}",
            hint="a new request needs an id of its own",
            metadata={"already_exists": f"runs/{run.id}"},
        )
    return run


def _content(run: Run) -> tuple[str, str, bool]:
    """What a request id stands for; as text, because to Python true, 1 and 1.0 are the same."""
    return run.pipeline, json.dumps(run.parameters, sort_keys=True, default=str), run.force
