"""A server behind the questions that the command line asks, in place of a store of our own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from ..adapters.inbound.cli.services import ServeOptions, TokenUses
from ..client.client import SpineClient
from ..domain.errors import ValidationError
from ..domain.registry import Registry
from .remote_backfills import RemoteBackfillControl, RemoteBackfillMaker, RemoteBackfills
from .remote_files import RemoteFiles
from .remote_runs import RemoteCancel, RemotePurge, RemoteRetry, RemoteRuns, RemoteSubmit
from .remote_settings import RemoteSettings

if TYPE_CHECKING:
    from ..application.copy_store import CopyStore
    from ..application.run_pipeline import RunPipeline
    from ..client.descriptions import PipelineDescription, WorkflowDescription
    from ..client.system import System
    from ..domain.access import AuditEntry, AuditFilter
    from ..domain.findings import Finding
    from ..ports.storage import StoreAdmin
    from .remote_data import RemoteDataset, RemoteDatasets, RemoteEvidence
    from .remote_watch import RemoteWatch


def connected(settings: RemoteSettings) -> SpineClient:
    """A client of the server that is meant; raises a ConfigurationError for settings that cannot
    be.
    """
    return SpineClient(
        settings.server,
        token=settings.token,
        ca=settings.ca,
        cert=settings.cert,
        key=settings.key,
    )


class RemoteApplication:
    """Answers with the same objects as a store would; each answer is asked of the server.

    What makes sense beside a store only is a ValidationError that says what to do instead.
    """

    def __init__(self, settings: RemoteSettings) -> None:
        """Raises a ConfigurationError for an address or credentials that cannot be."""
        self._server = settings.server
        self._client = connected(settings)

    @property
    def server(self) -> str:
        """The address of the server."""
        return self._server

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def run_pipeline(self) -> RunPipeline:
        self._refuse("spine run executes here", "spine submit NAME --wait executes it there")

    def submit_run(self) -> RemoteSubmit:
        return RemoteSubmit(self._client.runs)

    def bring_file(self) -> RemoteFiles:
        return RemoteFiles(self._client.datasets)

    def cancel_run(self) -> RemoteCancel:
        return RemoteCancel(self._client.runs)

    def retry_run(self) -> RemoteRetry:
        return RemoteRetry(self._client.runs)

    def purge_runs(self) -> RemotePurge:
        return RemotePurge(self._client.runs)

    def create_backfill(self) -> RemoteBackfillMaker:
        return RemoteBackfillMaker(self._client.backfills)

    def control_backfill(self) -> RemoteBackfillControl:
        return RemoteBackfillControl(self._client.backfills)

    def read_backfills(self) -> RemoteBackfills:
        return self._backfills

    @cached_property
    def _backfills(self) -> RemoteBackfills:
        return RemoteBackfills(self._client.backfills)

    def read_runs(self) -> RemoteRuns:
        return self._runs

    @cached_property
    def _runs(self) -> RemoteRuns:
        return RemoteRuns(self._client.runs)

    def watch_run(self, run_id: str) -> AbstractContextManager[RemoteWatch]:
        from .remote_watch import RemoteWatch

        return closing(RemoteWatch(self._runs, self._client.runs, run_id))

    def read_evidence(self) -> RemoteEvidence:
        from .remote_data import RemoteEvidence

        return RemoteEvidence(self._client.datasets)

    def read_datasets(self) -> RemoteDatasets:
        from .remote_data import RemoteDatasets

        return RemoteDatasets(self._client.datasets, self._datasets)

    def datasets(self) -> Registry[RemoteDataset]:
        return self._datasets

    @cached_property
    def _datasets(self) -> Registry[RemoteDataset]:
        from .remote_data import remote_datasets

        return remote_datasets(self._client.datasets)

    def pipelines(self) -> Registry[PipelineDescription]:
        registry: Registry[PipelineDescription] = Registry("pipeline")
        for item in self._client.pipelines.list():
            registry.add(item)
        return registry

    def workflows(self) -> Registry[WorkflowDescription]:
        registry: Registry[WorkflowDescription] = Registry("workflow")
        for item in self._client.workflows.list():
            registry.add(item)
        return registry

    def admin(self) -> StoreAdmin:
        self._refuse("spine db is for a store of one's own", "run it where the server's store is")

    def copy_store(self, source: str | None, target: str) -> AbstractContextManager[CopyStore]:
        del source, target
        self._refuse("spine db is for a store of one's own", "run it where the server's store is")

    def diagnose(self) -> RemoteDiagnosis:
        return RemoteDiagnosis(self._client.system)

    def tokens(self) -> TokenUses:
        self._refuse("spine auth token is for a store of one's own", "run it where that store is")

    def audit_log(self) -> RemoteAudit:
        return RemoteAudit(self._client.system)

    def work(self, *, jobs: int | None, pools: Sequence[str], until_idle: bool) -> None:
        del jobs, pools, until_idle
        self._refuse(
            "spine worker takes runs from a store, not from a server",
            "start it where the store can be reached; spine serve has a worker beside the API",
        )

    def serve(self, options: ServeOptions) -> None:
        del options
        self._refuse("spine serve is a server itself", "start it where its store can be reached")

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise ValidationError(
            f"{what}, and {self._server} was named as the server to ask",
            hint=f"{instead}; or leave out --server and SPINE_SERVER",
        )


class RemoteAudit:
    """Who asked the server for which change."""

    def __init__(self, system: System) -> None:
        self._system = system

    def list(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        return [
            *self._system.audit(
                caller=wanted.caller,
                method=wanted.method,
                before=wanted.before,
                limit=wanted.limit,
            )
        ]


class RemoteDiagnosis:
    """What the server finds when it looks at its own surroundings."""

    def __init__(self, system: System) -> None:
        self._system = system

    def __call__(self) -> Sequence[Finding]:
        return self._system.diagnose()
