"""Reading run history: one run, a list of runs, and what a run read and wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..domain.captures import LineageEdge
from ..domain.errors import ValidationError
from ..domain.queueing import Job, Progress
from ..domain.run_statistics import StatisticsFilter, StatisticsReport
from ..domain.runs import Head, LogLine, Run, RunEvent, RunFilter
from ..ports.storage import Store

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """A run, with how far it is, if it tells, and how it waits or is held while it is live."""

    run: Run
    progress: Progress | None = None
    job: Job | None = None


class ReadRuns:
    """Answers questions about runs. Reads only: never waits for a run that is being written."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, run_id: str) -> Run:
        """The run of that id; raises what :func:`run_not_found` makes when there is none."""
        with self._store.read() as work:
            run = work.runs.get(run_id)
        if run is None:
            raise run_not_found(run_id)
        return run

    def standing(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        """Those of the runs that are there, and how far the live ones are and how they wait."""
        with self._store.read() as work:
            runs = work.runs.find(run_ids)
            live = [run.id for run in runs if not run.state.final]
            progress = work.journal.progress(live) if live else {}
            jobs = {run_id: work.queue.get(run_id) for run_id in live}
        return {run.id: Standing(run, progress.get(run.id), jobs.get(run.id)) for run in runs}

    def lineage(self, run_id: str) -> Sequence[LineageEdge]:
        """The captures that a run read and wrote; raises as :meth:`get` does."""
        with self._store.read() as work:
            if work.runs.get(run_id) is None:
                raise run_not_found(run_id)
            return work.manifest.lineage(run_id)

    def list(self, wanted: RunFilter) -> Sequence[Run]:
        """The runs that pass the filter, in its order, at most ``wanted.limit`` of them.

        Raises a ValidationError for a limit below 1: a store could take it for no limit.
        """
        if wanted.limit < 1:
            raise ValidationError(
                f"limit is {wanted.limit}, but at least 1 run has to be asked for",
                hint="give a limit of 1 or more",
            )
        with self._store.read() as work:
            return work.runs.list(wanted)

    def parts(self, run_id: str) -> Iterator[Run]:
        """All parts of a run, in the order in which they were made.

        They are read in pages of 1000, each of its own moment. One moment for all would mean a
        snapshot that lasts as long as the caller takes; parts neither move nor vanish meanwhile,
        and new ones come last.
        """
        wanted = RunFilter(parent=run_id, oldest_first=True, limit=_PAGE)
        while page := self.list(wanted):
            yield from page
            if len(page) < _PAGE:
                return
            wanted = replace(wanted, after=page[-1].id)

    def events(self, run_id: str, *, after: int = 0, limit: int = _PAGE) -> Sequence[RunEvent]:
        """What happened to a run, from the event after the one with the key ``after``."""
        with self._store.read() as work:
            return work.journal.events(run_id, after=after, limit=limit)

    def lines(self, run_id: str, *, after: int = 0, limit: int = _PAGE) -> Sequence[LogLine]:
        """What a run has logged, from the line after number ``after``."""
        with self._store.read() as work:
            return work.journal.lines(run_id, after=after, limit=limit)

    def heads(self, run_ids: Collection[str]) -> Mapping[str, Head]:
        """How far the journal of each of the runs goes; 0 where there is nothing."""
        with self._store.read() as work:
            return work.journal.heads(run_ids)

    def progress(self, run_ids: Collection[str]) -> Mapping[str, Progress]:
        """How far the live ones of the runs are, as far as they tell."""
        with self._store.read() as work:
            return work.journal.progress(run_ids)

    def job(self, run_id: str) -> Job | None:
        """How a live run waits or is held; None for one that no process executes."""
        with self._store.read() as work:
            return work.queue.get(run_id)

    def statistics(self, wanted: StatisticsFilter) -> StatisticsReport:
        """How runs went, by pipeline and by day."""
        with self._store.read() as work:
            return work.history.statistics(wanted)


def run_not_found(run_id: str) -> ValidationError:
    """The error for a run that does not exist; its metadata names the ``resource``."""
    return ValidationError(
        f"there is no run {run_id}",
        hint="list the runs to see which there are",
        metadata={"resource": f"runs/{run_id}"},
    )
