"""Runs of a server, asked for and answered as those of a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ..client.decoding_runs import RunStanding
from ..client.runs import Runs, RunSelection
from ..domain.captures import LineageEdge
from ..domain.errors import ValidationError
from ..domain.queueing import Job, Progress
from ..domain.run_statistics import Purged, StatisticsFilter, StatisticsReport
from ..domain.runs import LogLine, Run, RunEvent, RunFilter

if TYPE_CHECKING:
    from ..application.retry_run import Extent
    from ..application.submissions import Submission

_PAGE = 1_000


@dataclass(slots=True)
class RemoteRuns:
    """What a run brings with it is not asked for again: its progress, and its place in the queue.

    Each is answered once from what the last look at the run has brought.
    """

    runs: Runs
    _progress: dict[str, Progress | None] = field(default_factory=dict)
    _jobs: dict[str, Job | None] = field(default_factory=dict)

    def get(self, run_id: str) -> Run:
        standing = self._standing(run_id)
        self._progress[run_id] = standing.progress
        self._jobs[run_id] = standing.job
        return standing.run

    def list(self, wanted: RunFilter) -> Sequence[Run]:
        if wanted.limit < 1:
            raise ValidationError(
                f"limit is {wanted.limit}, but at least 1 run has to be asked for",
                hint="give a limit of 1 or more",
            )
        return [*self.runs.list(limit=wanted.limit, **_selection(wanted))]

    def parts(self, run_id: str) -> Iterator[Run]:
        for standing in self.runs.step_standings(run_id):
            self._progress[standing.run.id] = standing.progress
            yield standing.run

    def lineage(self, run_id: str) -> Sequence[LineageEdge]:
        return self.runs.lineage(run_id)

    def events(self, run_id: str, *, after: int = 0) -> Sequence[RunEvent]:
        return [*self.runs.events(run_id, after=after, limit=_PAGE)]

    def lines(self, run_id: str, *, after: int = 0) -> Sequence[LogLine]:
        return [*self.runs.lines(run_id, after=after, limit=_PAGE)]

    def progress(self, run_ids: Collection[str]) -> Mapping[str, Progress]:
        found = {run_id: self._progress_of(run_id) for run_id in run_ids}
        return {run_id: told for run_id, told in found.items() if told is not None}

    def job(self, run_id: str) -> Job | None:
        if run_id in self._jobs:
            return self._jobs.pop(run_id)
        return self._standing(run_id).job

    def statistics(self, wanted: StatisticsFilter) -> StatisticsReport:
        return self.runs.statistics(
            since=wanted.since,
            until=wanted.until,
            pipeline=wanted.pipeline,
            parts=wanted.parts,
        )

    def _progress_of(self, run_id: str) -> Progress | None:
        if run_id in self._progress:
            return self._progress.pop(run_id)
        return self._standing(run_id).progress

    def _standing(self, run_id: str) -> RunStanding:
        try:
            return self.runs.standing(run_id)
        except ValidationError as error:
            # An id that no run can have is to a store one that no run has.
            if error.context.metadata.get("field") == "name":
                from ..application.read_runs import run_not_found

                raise run_not_found(run_id) from error
            raise


def _selection(wanted: RunFilter) -> RunSelection:
    return {
        "pipeline": wanted.pipeline,
        "state": wanted.state,
        "trigger": wanted.trigger,
        "category": wanted.category,
        "partition": wanted.partition,
        "parent": wanted.parent,
        "top_level": wanted.top_level_only,
        "step": wanted.step,
        "retry_of": wanted.retry_of,
        "backfill": wanted.backfill,
        "before": wanted.before,
        "since": wanted.since,
        "until": wanted.until,
    }


@dataclass(frozen=True, slots=True)
class RemoteSubmit:
    """Queues runs on a server."""

    runs: Runs

    def __call__(self, submission: Submission) -> Run:
        return self.runs.submit(
            submission.name,
            submission.parameters,
            request_id=submission.request,
            priority=submission.priority,
            force=submission.force,
            partition=submission.partition,
        )


@dataclass(frozen=True, slots=True)
class RemoteCancel:
    """Asks a server for the end of runs."""

    runs: Runs

    def __call__(self, run_id: str) -> Run:
        return self.runs.cancel(run_id)


@dataclass(frozen=True, slots=True)
class RemoteRetry:
    """Goes on with runs on a server."""

    runs: Runs

    def __call__(self, run_id: str, *, extent: Extent, from_step: str | None) -> Run:
        everything = extent is extent.ALL
        return self.runs.retry(run_id, everything=everything, from_step=from_step)


@dataclass(frozen=True, slots=True)
class RemotePurge:
    """Deletes history on a server, which tells of it in the end only."""

    runs: Runs

    def __call__(self, older_than: timedelta, *, told: Callable[[Purged], None]) -> Purged:
        purged = self.runs.purge(older_than)
        told(purged)
        return purged
