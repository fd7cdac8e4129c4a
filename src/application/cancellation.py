"""The end of runs that is asked for: what waits ends at once, what is executed is told.

It goes down level by level, and takes each level as a whole: a workflow may have thousands of
items, and all of it is one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..domain.queueing import QueueState
from ..domain.runs import EventKind, Run, RunEvent, RunState
from ..ports.storage import UnitOfWork
from .progression import Progression
from .run_endings import cancelled
from .run_events import event_of_end


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Cancels runs in the caller's unit of work, which holds what is above them."""

    progression: Progression

    def cancel(self, unit: UnitOfWork, run: Run) -> None:
        """Ask for the end of a run and of all that is live inside it; end what only waits."""
        ended, live = _ask(unit, [run], top=True)
        workflows: list[str] = []
        while live:
            workflows += [asked.id for asked in live if asked.plan is not None]
            _, live = _ask(unit, live_parts(unit, *(run.id for run in live)))
        # Those of whose steps none is live any more are over, and then those around them.
        self.progression.advance(unit, *workflows)
        self.progression.after(unit, ended)

    def end_waiting(self, unit: UnitOfWork, run: Run) -> bool:
        """End a run that no process executes; one that is executed is told, and False answered."""
        if not _taken_out(unit, [run]):
            return False
        self.progression.after(unit, _end(unit, [run], unit.queue.now()))
        return True


def live_parts(unit: UnitOfWork, *parents: str) -> list[Run]:
    """What is live directly inside the parents, by ascending id."""
    # First those that wait: one that is taken meanwhile is found again among the others.
    waiting = unit.runs.parts(parents, RunState.PENDING)
    found = {run.id: run for run in (*waiting, *unit.runs.parts(parents, RunState.RUNNING))}
    return [found[run_id] for run_id in sorted(found)]


def _ask(
    unit: UnitOfWork, level: Sequence[Run], *, top: bool = False
) -> tuple[list[Run], list[Run]]:
    """Ask for the end of runs: those that have ended with it, and those that live on.

    That a run is to end is noted where it lives on, and at the ``top``.
    """
    if not level:
        return [], []
    at = unit.queue.now()
    live = _held_live(unit, [run for run in level if run.plan is not None])
    plain = [run for run in level if run.plan is None]
    # The jobs before their runs, as whoever claims and whoever finishes takes them.
    out = _taken_out(unit, plain)
    waiting: list[Run] = []
    for run in _held_live(unit, plain):
        (waiting if run.id in out else live).append(run)
    asked = [*live, *waiting] if top else live
    new = [run.id for run in asked if run.cancel_requested_at is None]
    if new:
        unit.runs.request_cancel(new, at)
        unit.journal.record(RunEvent(run, EventKind.CANCEL_REQUESTED, at) for run in new)
    return _end(unit, waiting, at), live


def _held_live(unit: UnitOfWork, runs: Sequence[Run]) -> list[Run]:
    held = unit.runs.hold(*(run.id for run in runs))
    return [run for run in held if not run.state.final]


def _taken_out(unit: UnitOfWork, runs: Sequence[Run]) -> set[str]:
    """Take those out of the queue that no process executes; the others are told."""
    states = unit.queue.cancel(*(run.id for run in runs))
    return {run for run, state in states.items() if state is not QueueState.CLAIMED}


def _end(unit: UnitOfWork, waiting: Sequence[Run], at: datetime) -> list[Run]:
    ended = [
        replace(
            run,
            state=RunState.CANCELLED,
            error=cancelled(run.id, run.pipeline, run.step),
            finished_at=at,
        )
        for run in waiting
    ]
    if ended:
        unit.runs.finish(*ended)
        unit.journal.record(replace(event_of_end(run, at), attempt=run.attempt) for run in ended)
    return ended
