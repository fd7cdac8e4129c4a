"""What the command line needs: use cases, built when a command asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ....application.backfills import ControlBackfill, CreateBackfill, ReadBackfills
    from ....application.cancel_run import CancelRun
    from ....application.copy_store import CopyStore
    from ....application.diagnose import Diagnose
    from ....application.purge_runs import PurgeRuns
    from ....application.read_datasets import Dataset, ReadDatasets
    from ....application.read_evidence import ReadEvidence
    from ....application.read_runs import ReadRuns
    from ....application.retry_run import RetryRun
    from ....application.run_pipeline import RunPipeline
    from ....application.submit_run import SubmitRun
    from ....domain.pipelines import Pipeline
    from ....domain.registry import Registry
    from ....domain.workflows import Workflow
    from ....ports.progress import Progress
    from ....ports.storage import StoreAdmin


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to serve, protected by which files (PEM), open to whom.

    ``jobs`` runs are executed at once by the same process: none for 0, None for what the settings
    say.
    """

    listen: str
    insecure: bool = False
    jobs: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None


class CliServices(Protocol):
    """Each call gives a ready use case; nothing is opened before."""

    def run_pipeline(self) -> RunPipeline: ...

    def submit_run(self) -> SubmitRun: ...

    def cancel_run(self) -> CancelRun: ...

    def retry_run(self) -> RetryRun: ...

    def purge_runs(self) -> PurgeRuns: ...

    def create_backfill(self) -> CreateBackfill: ...

    def control_backfill(self) -> ControlBackfill: ...

    def read_backfills(self) -> ReadBackfills: ...

    def read_runs(self) -> ReadRuns: ...

    def read_evidence(self) -> ReadEvidence: ...

    def read_datasets(self) -> ReadDatasets: ...

    def datasets(self) -> Registry[Dataset]: ...

    def pipelines(self) -> Registry[Pipeline]: ...

    def workflows(self) -> Registry[Workflow]: ...

    def admin(self) -> StoreAdmin: ...

    def copy_store(self, source: str | None, target: str) -> AbstractContextManager[CopyStore]:
        """The copy from one database URL to another, or a reference to a URL.

        The source is the configured store when None.
        """
        ...

    def diagnose(self) -> Diagnose: ...

    def work(self, *, jobs: int | None, pools: Sequence[str], until_idle: bool) -> None:
        """Execute queued runs until a signal ends it; says once that it is ready.

        ``jobs`` at once, None for what the settings say; of all pools when none is named. With
        ``until_idle`` it ends as soon as there is nothing to do.
        """
        ...

    def serve(self, options: ServeOptions) -> None:
        """Serve gRPC until a signal ends it."""
        ...


ServicesFactory = Callable[["Progress"], CliServices]
