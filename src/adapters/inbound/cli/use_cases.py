"""What commands ask of use cases, whoever answers: the store of this machine, or a server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import polars as pl

    from ....application.backfills import BackfillRequest
    from ....application.retry_run import Extent
    from ....application.submissions import Submission
    from ....application.watch_run import Look
    from ....domain.access import AuditEntry, AuditFilter
    from ....domain.backfills import Backfill, BackfillPart, BackfillSurvey, PartState
    from ....domain.captures import (
        Capture,
        CaptureFilter,
        LineageEdge,
        ManifestEntry,
        PartitionFilter,
        Reject,
        RejectFilter,
    )
    from ....domain.datasets import DatasetQuery, DatasetSpec
    from ....domain.findings import Finding
    from ....domain.parameters import Param
    from ....domain.quality import QualityResult
    from ....domain.queueing import Job, Progress
    from ....domain.run_statistics import Purged, StatisticsFilter, StatisticsReport
    from ....domain.runs import LogLine, Run, RunEvent, RunFilter

T_co = TypeVar("T_co", covariant=True)


class RunReader(Protocol):
    """Questions about runs."""

    def get(self, run_id: str) -> Run: ...

    def list(self, wanted: RunFilter) -> Sequence[Run]: ...

    def parts(self, run_id: str) -> Iterator[Run]: ...

    def lineage(self, run_id: str) -> Sequence[LineageEdge]: ...

    def events(self, run_id: str, *, after: int = 0) -> Sequence[RunEvent]: ...

    def lines(self, run_id: str, *, after: int = 0) -> Sequence[LogLine]: ...

    def progress(self, run_ids: Collection[str]) -> Mapping[str, Progress]: ...

    def job(self, run_id: str) -> Job | None: ...

    def statistics(self, wanted: StatisticsFilter) -> StatisticsReport: ...


class RunWatcher(Protocol):
    """What happens to one run, look by look; each tells only what is new."""

    @property
    def run_id(self) -> str: ...

    @property
    def pause(self) -> float:
        """Seconds after which another look makes sense."""
        ...

    def look(self) -> Look:
        """What is new; a watcher without a pause waits for it."""
        ...


class RunSubmitter(Protocol):
    """Queues runs."""

    def __call__(self, submission: Submission) -> Run: ...


class FileBringer(Protocol):
    """Brings a file to whoever executes the run that captures it."""

    def __call__(
        self, file: Path, submission: Submission, *, parameter: str, told: Callable[[int], None]
    ) -> Run:
        """The run, queued; its ``parameter`` is the path under which the file is there.

        ``told`` hears, perhaps in another thread, how many bytes of it are sent.
        """
        ...


class RunCanceller(Protocol):
    """Asks for the end of runs."""

    def __call__(self, run_id: str) -> Run: ...


class RunRetrier(Protocol):
    """Goes on with runs that have ended."""

    def __call__(self, run_id: str, *, extent: Extent, from_step: str | None) -> Run: ...


class RunPurger(Protocol):
    """Deletes the history of runs; ``told`` hears how much was deleted, now and then."""

    def __call__(self, older_than: timedelta, *, told: Callable[[Purged], None]) -> Purged: ...


class BackfillMaker(Protocol):
    """Plans backfills, and makes them."""

    def survey(self, request: BackfillRequest) -> BackfillSurvey: ...

    def __call__(self, request: BackfillRequest) -> tuple[Backfill, BackfillSurvey]: ...


class BackfillControl(Protocol):
    """Pauses, resumes and cancels backfills."""

    def pause(self, backfill_id: str) -> Backfill: ...

    def resume(self, backfill_id: str) -> Backfill: ...

    def cancel(self, backfill_id: str) -> Backfill: ...

    def limit(self, backfill_id: str, max_active: int) -> Backfill: ...


class BackfillReader(Protocol):
    """Questions about backfills."""

    def get(self, backfill_id: str) -> Backfill: ...

    def list(self, *, before: str | None = None, limit: int = 50) -> Sequence[Backfill]: ...

    def counts(self, backfill_id: str) -> Mapping[PartState, int]: ...

    def parts(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[BackfillPart]: ...


class EvidenceReader(Protocol):
    """Questions about what was recorded of the data."""

    def captures(self, wanted: CaptureFilter) -> Sequence[Capture]: ...

    def manifest(self, wanted: PartitionFilter) -> Sequence[ManifestEntry]: ...

    def quality(self, wanted: PartitionFilter) -> Sequence[QualityResult]: ...

    def rejects(self, wanted: RejectFilter) -> Sequence[Reject]: ...


class DatasetReader(Protocol):
    """Rows of datasets."""

    def spec(self, name: str) -> DatasetSpec: ...

    def stream(self, name: str, query: DatasetQuery) -> Iterator[pl.DataFrame]: ...


class Diagnosis(Protocol):
    """Whether all is in order."""

    def __call__(self) -> Sequence[Finding]: ...


class AuditReader(Protocol):
    """Who asked for which change, newest first."""

    def list(self, wanted: AuditFilter) -> Sequence[AuditEntry]: ...


class Known(Protocol[T_co]):
    """Things by name; ``get`` raises a ValidationError that suggests the nearest name."""

    def __iter__(self) -> Iterator[T_co]: ...

    def get(self, name: str) -> T_co: ...

    def find(self, name: str) -> T_co | None: ...


class DatasetShown(Protocol):
    """A dataset, as far as it is shown."""

    @property
    def spec(self) -> DatasetSpec: ...


class ParameterShown(Protocol):
    """A declared parameter, as far as it is shown."""

    @property
    def name(self) -> str: ...

    @property
    def expected(self) -> str: ...

    @property
    def required(self) -> bool: ...

    @property
    def default(self) -> Any: ...

    @property
    def doc(self) -> Param: ...


class PipelineShown(Protocol):
    """A pipeline, as far as it is shown."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def origin(self) -> str: ...

    @property
    def parameters(self) -> Sequence[ParameterShown]: ...


class StepShown(Protocol):
    """A step of a workflow, as far as it is shown; one without a pipeline is a function."""

    @property
    def name(self) -> str: ...

    @property
    def pipeline(self) -> str | None: ...

    @property
    def after(self) -> Sequence[str]: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...


class WorkflowShown(Protocol):
    """A workflow, as far as it is shown."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def origin(self) -> str: ...

    @property
    def inputs(self) -> Sequence[str]: ...

    @property
    def steps(self) -> Sequence[StepShown]: ...
