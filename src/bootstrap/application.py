"""The whole application behind the questions that the command line asks."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from ..adapters.inbound.cli.services import CliServices
from ..domain.redaction import redact
from ..ports.progress import Progress
from .settings import Settings, did_you_mean, load_settings, unknown_variables

if TYPE_CHECKING:
    from ..application.copy_store import CopyStore
    from ..application.diagnose import Diagnose
    from ..application.read_datasets import Dataset, ReadDatasets
    from ..application.read_evidence import ReadEvidence
    from ..application.read_runs import ReadRuns
    from ..application.run_pipeline import RunPipeline
    from ..domain.pipelines import Pipeline
    from ..domain.registry import Registry
    from ..domain.workflows import Workflow
    from ..ports.storage import StoreAdmin


log = logging.getLogger(__name__)


class Application:
    """Use cases over one container, each built when it is first asked for."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        from .container import build_container

        self.settings = settings
        self.container = build_container(settings, progress)

    def run_pipeline(self) -> RunPipeline:
        return self.container.run_pipeline()

    def read_runs(self) -> ReadRuns:
        return self.container.read_runs()

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

    def serve(self, listen: str, *, insecure: bool) -> None:
        from ..adapters.inbound.grpc.server import serve

        def ready(port: int) -> None:
            host = listen.rpartition(":")[0]
            print(f"serving gRPC on {host}:{port}", flush=True)

        serve(listen, self.container.read_runs(), insecure=insecure, ready=ready)

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
        redact(f"{name}={getattr(settings, name)}") for name in sorted(settings.model_fields_set)
    ]
