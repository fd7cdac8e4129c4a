"""What the command line needs: use cases, built when a command asks for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ....application.copy_store import CopyStore
    from ....application.diagnose import Diagnose
    from ....application.read_datasets import Dataset, ReadDatasets
    from ....application.read_evidence import ReadEvidence
    from ....application.read_runs import ReadRuns
    from ....application.run_pipeline import RunPipeline
    from ....domain.pipelines import Pipeline
    from ....domain.registry import Registry
    from ....domain.workflows import Workflow
    from ....ports.progress import Progress
    from ....ports.storage import StoreAdmin


class CliServices(Protocol):
    """Each call gives a ready use case; nothing is opened before."""

    def run_pipeline(self) -> RunPipeline: ...

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

    def serve(self, listen: str, *, insecure: bool) -> None:
        """Serve gRPC on ``listen`` until a signal ends it."""
        ...


ServicesFactory = Callable[["Progress"], CliServices]
