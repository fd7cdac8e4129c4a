"""What the command line needs: use cases, built when a command asks for them.

They are those of this machine, or those of a server. What makes sense on this machine only, such as
executing runs, a server's raises a ValidationError for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .commands import Asked, answered_by

if TYPE_CHECKING:
    from ....application.access.tokens import CreateToken, ListTokens, RevokeToken
    from ....application.copy_store import CopyStore
    from ....application.run_pipeline import RunPipeline
    from ....ports.progress import Progress
    from ....ports.storage import StoreAdmin
    from .use_cases import (
        AuditReader,
        BackfillControl,
        BackfillMaker,
        BackfillReader,
        DatasetReader,
        DatasetShown,
        Diagnosis,
        EvidenceReader,
        FileBringer,
        Known,
        PipelineShown,
        RunCanceller,
        RunPurger,
        RunReader,
        RunRetrier,
        RunSubmitter,
        RunWatcher,
        WorkflowShown,
    )


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


@dataclass(frozen=True, slots=True)
class TokenUses:
    """What can be done with the tokens of a store."""

    create: CreateToken
    list: ListTokens
    revoke: RevokeToken


class CliServices(Protocol):
    """Each call gives a ready use case; nothing is opened before."""

    @property
    def server(self) -> str | None:
        """The address of the server that answers, None for a store of this machine."""
        ...

    def run_pipeline(self) -> RunPipeline: ...

    def submit_run(self) -> RunSubmitter: ...

    def bring_file(self) -> FileBringer: ...

    def cancel_run(self) -> RunCanceller: ...

    def retry_run(self) -> RunRetrier: ...

    def purge_runs(self) -> RunPurger: ...

    def create_backfill(self) -> BackfillMaker: ...

    def control_backfill(self) -> BackfillControl: ...

    def read_backfills(self) -> BackfillReader: ...

    def read_runs(self) -> RunReader: ...

    def watch_run(self, run_id: str) -> AbstractContextManager[RunWatcher]: ...

    def read_evidence(self) -> EvidenceReader: ...

    def read_datasets(self) -> DatasetReader: ...

    def datasets(self) -> Known[DatasetShown]: ...

    def pipelines(self) -> Known[PipelineShown]: ...

    def workflows(self) -> Known[WorkflowShown]: ...

    def admin(self) -> StoreAdmin: ...

    def copy_store(self, source: str | None, target: str) -> AbstractContextManager[CopyStore]:
        """The copy from one database URL to another, or a reference to a URL.

        The source is the configured store when None.
        """
        ...

    def diagnose(self) -> Diagnosis: ...

    def tokens(self) -> TokenUses: ...

    def audit_log(self) -> AuditReader: ...

    def work(self, *, jobs: int | None, pools: Sequence[str], until_idle: bool) -> None:
        """Execute queued runs until a signal ends it; says once that it is ready.

        ``jobs`` at once, None for what the settings say; of all pools when none is named. With
        ``until_idle`` it ends as soon as there is nothing to do.
        """
        ...

    def serve(self, options: ServeOptions) -> None:
        """Serve gRPC until a signal ends it."""
        ...


ServicesFactory = Callable[["Progress", str | None], CliServices]
"""The services for a server's address, or for what the settings say; progress is told there."""

HealthCheck = Callable[[str | None, float], tuple[str, str]]
"""Asks the server at an address, or the one of the settings, for its health within seconds.

The answer is the address and a word, which is SERVING when all is well.
"""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the commands of one invocation are given; ``server`` is the one that it names."""

    services_for: ServicesFactory
    check_health: HealthCheck
    server: str | None

    def services(self, progress: Progress) -> CliServices:
        """The services of the server or store that is meant."""
        found = self.services_for(progress, self.server)
        answered_by(Asked(self.server, remote=found.server is not None))
        return found

    def health(self, server: str | None, timeout: float) -> tuple[str, str]:
        """The address and health of ``server``, or of the one that is meant."""
        return self.check_health(server or self.server, timeout)
