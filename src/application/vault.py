"""Values that the store must not hold, kept by the process that executes a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.plans import Plan
from ..domain.references import Origin, reference
from ..domain.runs import Run
from ..ports.storage import Store
from .stored_runs import stored_run


class Vault:
    """Hands the masked parameters of a workflow's run down to the runs of its steps."""

    def __init__(self, store: Store, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._store = store
        self._known = dict(known)

    def kept(self, run_id: str) -> Mapping[str, Any]:
        """The values of a run's parameters that are masked in the store, by name."""
        if run_id not in self._known:
            self._known[run_id] = self._of_step(stored_run(self._store, run_id))
        return self._known[run_id]

    def _of_step(self, run: Run) -> Mapping[str, Any]:
        if run.parent is None:
            return {}
        kept = self.kept(run.parent)
        plan = stored_run(self._store, run.parent).plan if kept else None
        step = None if plan is None else Plan.from_dict(plan).step(run.step)
        found: dict[str, Any] = {}
        for name, value in (step.parameters if step else {}).items():
            asked = reference(value)
            if asked is not None and asked.origin is Origin.INPUT and asked.name in kept:
                found[name] = kept[asked.name]
        return found
