"""The whole application behind the questions that the command line asks."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NoReturn

from ..adapters.inbound.cli.services import CliServices, ServeOptions, TokenUses
from ..domain.errors import ValidationError
from ..domain.redaction import redact
from ..ports.progress import Progress
from .settings import INLINE, Settings, did_you_mean, load_settings, read_pools, unknown_variables

if TYPE_CHECKING:
    from ..adapters.inbound.cli.follow import StoreWatch
    from ..application.access.audit_log import AuditLog
    from ..application.backfills import CreateBackfill, ReadBackfills
    from ..application.cancel_run import CancelRun
    from ..application.control_backfill import ControlBackfill
    from ..application.copy_store import CopyStore
    from ..application.diagnose import Diagnose
    from ..application.idleness import Idleness
    from ..application.purge_runs import PurgeRuns
    from ..application.read_datasets import Dataset, ReadDatasets
    from ..application.read_evidence import ReadEvidence
    from ..application.read_runs import ReadRuns
    from ..application.retry_run import RetryRun
    from ..application.run_pipeline import RunPipeline
    from ..application.submit_run import SubmitRun
    from ..application.worker import Worker
    from ..domain.pipelines import Pipeline
    from ..domain.registry import Registry
    from ..domain.workflows import Workflow
    from ..ports.execution import Execution
    from ..ports.storage import StoreAdmin


log = logging.getLogger(__name__)


class Application:
    """Use cases over one container, each built when it is first asked for."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        from .container import build_container

        self.settings = settings
        self.container = build_container(settings, progress)

    @property
    def server(self) -> None:
        """It is a store that answers."""
        return

    def run_pipeline(self) -> RunPipeline:
        from .execution import local_processes

        here = self.container.run_pipeline()
        if self.settings.execution == INLINE:
            return here
        jobs = self._jobs(None)
        return replace(here, apart=lambda _: local_processes(self.settings, jobs), jobs=jobs)

    def submit_run(self) -> SubmitRun:
        return self.container.submit_run()

    def bring_file(self) -> NoReturn:
        raise ValidationError(
            "spine upload brings a file to a server, and none is named: runs of a store of one's "
            "own read files where they are",
            hint="give the path to spine run: spine run PIPELINE -p file=PATH; or name a server by "
            "spine --server HOST:PORT upload, or by SPINE_SERVER",
        )

    def cancel_run(self) -> CancelRun:
        return self.container.cancel_run()

    def retry_run(self) -> RetryRun:
        return self.container.retry_run()

    def purge_runs(self) -> PurgeRuns:
        return self.container.purge_runs()

    def create_backfill(self) -> CreateBackfill:
        return self.container.create_backfill()

    def control_backfill(self) -> ControlBackfill:
        return self.container.control_backfill()

    def read_backfills(self) -> ReadBackfills:
        return self.container.read_backfills()

    def read_runs(self) -> ReadRuns:
        return self.container.read_runs()

    def watch_run(self, run_id: str) -> AbstractContextManager[StoreWatch]:
        from ..adapters.inbound.cli.follow import StoreWatch

        return nullcontext(StoreWatch(self.read_runs(), run_id))

    def read_evidence(self) -> ReadEvidence:
        return self.container.read_evidence()

    def read_datasets(self) -> ReadDatasets:
        return self.container.read_datasets()

    def datasets(self) -> Registry[Dataset]:
        return self.container.datasets()

    def pipelines(self) -> Registry[Pipeline]:
        return self.container.pipelines()

    def workflows(self) -> Registry[Workflow]:
        return self.container.workflows()

    def admin(self) -> StoreAdmin:
        return self.container.admin()

    @contextmanager
    def copy_store(self, source: str | None, target: str) -> Iterator[CopyStore]:
        from ..adapters.outbound.sql.copying import SqlCopySource, SqlCopyTarget
        from ..application.copy_store import CopyStore
        from .database_urls import read_url

        limits = self.settings.connection_limits
        origin = self.settings.url if source is None else self.settings.completed(read_url(source))
        goal = self.settings.completed(read_url(target))
        reading, writing = SqlCopySource(origin, limits), SqlCopyTarget(goal, limits)
        try:
            yield CopyStore(reading, writing, self.container.clock(), self.container.progress())
        finally:
            reading.close()
            writing.close()

    def tokens(self) -> TokenUses:
        made = self.container
        return TokenUses(made.create_token(), made.list_tokens(), made.revoke_token())

    def audit_log(self) -> AuditLog:
        return self.container.audit_log()

    def diagnose(self) -> Diagnose:
        from ..application.diagnose import Diagnose

        # Not the container's store, which creates the schema: Diagnose changes nothing.
        store = self.container.admin()
        return Diagnose(
            facts=self._facts(),
            unknown_settings=unknown_variables(),
            admin=store,
            store=store,
            archive=self.container.archive(),
            modules=self._modules,
        )

    def serve(self, options: ServeOptions) -> None:
        from ..adapters.inbound.grpc.listening import Listening
        from ..adapters.inbound.grpc.server import serve
        from ..adapters.inbound.worker.beside import working_beside
        from .api import api_uses

        def ready(port: int) -> None:
            host = options.listen.rpartition(":")[0]
            print(f"serving gRPC on {host}:{port}", flush=True)

        listening = Listening(
            options.listen,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            client_ca=options.client_ca,
            insecure=options.insecure,
        )
        listening.checked()
        for folder in self.settings.file_roots:
            if not folder.is_dir():
                log.warning(
                    "SPINE_FILE_ROOTS names %s, which is no folder: nobody can name files below it",
                    folder.absolute(),
                )
        uses = api_uses(self.container, self.diagnose)
        if options.jobs == 0:
            serve(listening, uses, ready=ready)
            return
        until = self._idleness(()).never_over
        with working_beside(lambda: self.worker(options.jobs, ()), until) as worker:
            serve(listening, uses, ready=ready, stopping=worker.stop)

    def work(self, *, jobs: int | None, pools: Sequence[str], until_idle: bool) -> None:
        from ..adapters.inbound.worker.process import work

        worker, execution = self.worker(jobs, pools)
        idleness = self._idleness(pools)
        work(
            worker,
            execution,
            until=idleness.over if until_idle else idleness.never_over,
            ready=lambda: print(f"working on pools: {', '.join(idleness.pools)}", flush=True),
            stopping=lambda: print(
                f"stopping: what is under way has {self.settings.grace:g} s to end, then it is "
                "given back; a second signal ends it now",
                flush=True,
            ),
        )

    def worker(self, jobs: int | None, pools: Sequence[str]) -> tuple[Worker, Execution]:
        from ..application.worker import Worker, WorkerOptions
        from .execution import executing_here, execution_for

        many = self._jobs(jobs)
        here = self.container.run_pipeline()
        execution = execution_for(self.settings, many, executing_here(here))
        identity, part = self.container.processes().identity(), self.container.ids().new()[-8:]
        options = WorkerOptions(
            owner=f"{identity}#{part}",
            jobs=many,
            pools=self._pools(pools),
            lease=here.lease,
            grace=self.settings.grace,
        )
        worker = Worker(
            self.container.store(),
            self.container.clock(),
            self.container.catalog(),
            self.container.lifecycle(),
            execution,
            options,
            bell=self.container.store(),
        )
        return worker, execution

    def _idleness(self, pools: Sequence[str]) -> Idleness:
        """Of a worker for these pools, which is logged."""
        from ..application.idleness import Idleness

        return Idleness(
            self.container.store(),
            self.container.clock(),
            self._pools(pools),
            self.container.catalog().lanes,
            log.warning,
        )

    def _pools(self, asked: Sequence[str]) -> dict[str, int | None]:
        """The pools that were asked for, with the limits of the settings."""
        limits = self.settings.pool_limits
        if not asked:
            return limits
        try:
            wanted = read_pools(asked)
        except ValueError as error:
            raise ValidationError(str(error), hint="name pools as the settings do") from error
        return {name: limit or limits.get(name) for name, limit in wanted.items()}

    def _jobs(self, asked: int | None) -> int:
        return asked or self.settings.concurrency or os.cpu_count() or 1

    def _facts(self) -> dict[str, str]:
        return {
            "version": f"market-spine {version('market-spine')}",
            "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
            "polars": version("polars"),
            "home": str(self.settings.home.absolute()),
            "settings": ", ".join(sorted(_given(self.settings))) or "all defaults",
        }

    def _modules(self) -> str:
        found = self.container.found()
        return (
            f"{len(self.container.pipelines())} pipelines, "
            f"{len(self.container.workflows())} workflows, {len(found.sources)} sources of users"
        )


def build_application(progress: Progress) -> CliServices:
    """The application for the settings in force; raises a ConfigurationError for wrong ones."""
    from .logs import configure_logs

    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    for name in unknown_variables():
        log.warning("%s is no setting%s", name, did_you_mean(name))
    return Application(settings, progress)


def _given(settings: Settings) -> list[str]:
    """Settings that are not the default, secrets masked."""
    return [
        redact(f"{name}={_written(getattr(settings, name))}")
        for name in sorted(settings.model_fields_set)
    ]


def _written(value: Any) -> str:
    """The value of a setting as it is written in the environment."""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_written(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
