"""The container: which adapter stands behind which port, and which port a use case is given."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta

from dependency_injector import containers, providers

from ..adapters.outbound.archive.folder import FolderArchive
from ..adapters.outbound.calendars.exchange import ExchangeCalendar
from ..adapters.outbound.databases.source import DatabaseSource
from ..adapters.outbound.execution.inline import InlineExecution
from ..adapters.outbound.files.drop import FolderDrop
from ..adapters.outbound.files.source import FileSource
from ..adapters.outbound.sources.registry import SourceRegistry
from ..adapters.outbound.sources.retrying_sources import RetryingSources
from ..adapters.outbound.sql.store import SqlStore
from ..adapters.outbound.system.finder import LocalFileFinder
from ..adapters.outbound.system.opened_folders import LocalFileRoots
from ..adapters.outbound.system.runtime import (
    LocalProcesses,
    SystemChance,
    SystemClock,
    SystemUnguessable,
    UuidIds,
)
from ..adapters.outbound.system.secrets import PlacedSecrets
from ..application.access.audit_log import AuditLog
from ..application.access.authenticate import Authenticate
from ..application.access.shared_keys import SharedKeys
from ..application.access.tokens import CreateToken, ListTokens, RevokeToken
from ..application.backfill_progression import BackfillProgression
from ..application.backfills import CreateBackfill, ReadBackfills, Survey
from ..application.bring_file import BringFile
from ..application.cancel_run import CancelRun
from ..application.catalog import Catalog
from ..application.control_backfill import ControlBackfill
from ..application.execute_run import ExecuteRun
from ..application.finra_otc.datasets import finra_otc_datasets
from ..application.finra_otc.pipelines import REFRESH_WEEK, FinraOtcPipelines
from ..application.finra_otc.services import Services
from ..application.finra_otc.survey import WeekSurvey
from ..application.lifecycle import Lifecycle
from ..application.opened_files import OpenedFiles
from ..application.opened_secrets import OpenedSecrets
from ..application.progression import Progression
from ..application.purge_runs import PurgeRuns
from ..application.read_datasets import Dataset, ReadDatasets
from ..application.read_evidence import ReadEvidence
from ..application.read_runs import ReadRuns
from ..application.retry_run import RetryRun
from ..application.run_pipeline import RunPipeline
from ..application.run_recorder import RunRecorder
from ..application.submit_run import SubmitRun
from ..domain.errors import ConfigurationError
from ..domain.pipelines import Pipeline
from ..domain.registry import Registry
from ..domain.workflows import Workflow
from ..ports.identity import TokenVerifier
from ..ports.progress import Progress
from ..ports.runtime import Clock
from ..ports.sources import source_type_of
from .discovery import Discovered, discover
from .settings import Settings


def _pipelines(found: Discovered, built_in: Iterable[Pipeline]) -> Registry[Pipeline]:
    registry: Registry[Pipeline] = Registry("pipeline")
    for item in (*built_in, *found.pipelines):
        registry.add(item)
    return registry


def _workflows(found: Discovered, pipelines: Registry[Pipeline]) -> Registry[Workflow]:
    registry: Registry[Workflow] = Registry("workflow")
    for item in found.workflows:
        if pipelines.find(item.name) is not None:
            raise ConfigurationError(
                f"a pipeline and a workflow are both named {item.name!r}",
                hint="rename one of them: both are run by name",
            )
        registry.add(item)
    _check_steps(registry, pipelines)
    return registry


def _check_steps(workflows: Registry[Workflow], pipelines: Registry[Pipeline]) -> None:
    """A step that runs nothing known is found before anything runs."""
    for graph in workflows:
        for step in graph.steps:
            name = step.pipeline
            if name and pipelines.find(name) is None and workflows.find(name) is None:
                raise ConfigurationError(
                    f"step {step.name!r} of workflow {graph.name} runs {name!r}, which is neither "
                    "a pipeline nor a workflow",
                    hint="correct the name, or add the module that declares it to SPINE_MODULES",
                )


def _datasets() -> Registry[Dataset]:
    registry: Registry[Dataset] = Registry("dataset")
    for item in finra_otc_datasets():
        registry.add(item)
    return registry


def _sources(found: Discovered, clock: Clock) -> SourceRegistry:
    built_in = [source_type_of(kind) for kind in (FileSource, DatabaseSource)]
    declared = [kind for kind in built_in if kind is not None]
    return SourceRegistry([*declared, *found.sources], provided={"clock": clock.now})


def _surveys(finra_otc: Services, sources: RetryingSources) -> dict[str, Survey]:
    return {REFRESH_WEEK: WeekSurvey(finra_otc, sources)}


def _token_verifier(settings: Settings, clock: Clock) -> TokenVerifier | None:
    """Who judges the signed tokens of the identity provider that is set, if one is."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    # What it takes to ask a provider is loaded where there is one.
    from ..adapters.outbound.identity.oidc import OidcVerifier

    return OidcVerifier(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_role_claim,
        settings.oidc_roles,
        clock,
    )


def _ready(store: SqlStore) -> SqlStore:
    """The store, once its schema is the one that this software knows."""
    store.ensure_ready()
    return store


class Container(containers.DeclarativeContainer):
    """Built by :func:`build_container`; tests override single providers."""

    settings: providers.Dependency[Settings] = providers.Dependency(Settings)
    progress: providers.Dependency[Progress] = providers.Dependency()

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(UuidIds)
    processes = providers.Singleton(LocalProcesses)
    chance = providers.Singleton(SystemChance)
    secrets = providers.Singleton(PlacedSecrets)
    finder = providers.Singleton(LocalFileFinder)
    admin = providers.Singleton(
        SqlStore, settings.provided.url, settings.provided.connection_limits
    )
    store = providers.Singleton(_ready, admin)
    archive = providers.Singleton(
        lambda settings: FolderArchive(settings.home / "archive"), settings
    )
    calendar = providers.Singleton(
        lambda settings, clock: ExchangeCalendar(
            cache=settings.home / "cache", today=lambda: clock.now().date(), first_year=2010
        ),
        settings,
        clock,
    )
    found = providers.Singleton(discover, settings.provided.modules)
    source_types = providers.Singleton(_sources, found, clock)
    sources = providers.Singleton(
        RetryingSources,
        source_types,
        settings.provided.source_attempts,
        settings.provided.source_delay,
        time.sleep,
    )
    finra_otc = providers.Singleton(
        Services, archive=archive, calendar=calendar, clock=clock, ids=ids, files=finder
    )
    surveys = providers.Singleton(_surveys, finra_otc, sources)
    built_in = providers.Singleton(lambda services: FinraOtcPipelines(services).all(), finra_otc)
    pipelines = providers.Singleton(_pipelines, found, built_in)
    workflows = providers.Singleton(_workflows, found, pipelines)
    datasets = providers.Singleton(_datasets)

    read_datasets = providers.Singleton(ReadDatasets, store, datasets)
    catalog = providers.Singleton(Catalog, pipelines, workflows)
    backfill_progression = providers.Singleton(BackfillProgression, ids)
    progression = providers.Singleton(Progression, ids, backfill_progression)
    lifecycle = providers.Singleton(Lifecycle, progression, processes, chance)
    recorder = providers.Singleton(RunRecorder, store, clock, lifecycle)
    execute_run = providers.Singleton(
        ExecuteRun,
        store=store,
        sources=sources,
        datasets=read_datasets,
        clock=clock,
        progress=progress,
        secrets=secrets,
        catalog=catalog,
        recorder=recorder,
    )
    lease = providers.Singleton(lambda settings: timedelta(seconds=settings.lease), settings)
    run_pipeline = providers.Singleton(
        RunPipeline,
        execute=execute_run,
        lifecycle=lifecycle,
        ids=ids,
        processes=processes,
        executions=providers.Object(InlineExecution),
        lease=lease,
    )
    submit_run = providers.Singleton(SubmitRun, store, clock, ids, catalog, lifecycle)
    cancel_run = providers.Singleton(CancelRun, store, lifecycle)
    retry_run = providers.Singleton(RetryRun, store, clock, ids, catalog, lifecycle)
    purge_runs = providers.Singleton(PurgeRuns, store)
    create_backfill = providers.Singleton(
        CreateBackfill, store, clock, ids, catalog, lifecycle, surveys
    )
    control_backfill = providers.Singleton(ControlBackfill, store, lifecycle)
    read_backfills = providers.Singleton(ReadBackfills, store)
    read_runs = providers.Singleton(ReadRuns, store)
    drop = providers.Singleton(lambda settings: FolderDrop(settings.home / "uploads"), settings)
    file_roots = providers.Singleton(
        # Whole paths: who hears them is not where the server was started.
        lambda settings: LocalFileRoots(
            [folder.absolute() for folder in (*settings.file_roots, settings.home / "uploads")]
        ),
        settings,
    )
    opened_secrets = providers.Singleton(
        lambda settings: OpenedSecrets(
            LocalFileRoots(settings.secret_roots), settings.secret_names
        ),
        settings,
    )
    opened_files = providers.Singleton(
        OpenedFiles,
        file_roots,
        catalog,
        opened_secrets,
        providers.Object({REFRESH_WEEK: ("files",)}),
    )
    bring_file = providers.Singleton(
        BringFile, submit_run, opened_files, drop, settings.provided.upload_bytes
    )
    unguessable = providers.Singleton(SystemUnguessable)
    shared_keys = providers.Singleton(SharedKeys, store, unguessable)
    token_verifier = providers.Singleton(_token_verifier, settings, clock)
    authenticate = providers.Singleton(
        Authenticate, store, clock, token_verifier, settings.provided.client_roles
    )
    create_token = providers.Singleton(CreateToken, store, clock, ids, unguessable)
    list_tokens = providers.Singleton(ListTokens, store)
    revoke_token = providers.Singleton(RevokeToken, store, clock)
    audit_log = providers.Singleton(AuditLog, store, clock, ids)
    read_evidence = providers.Singleton(ReadEvidence, store)


def build_container(settings: Settings, progress: Progress) -> Container:
    """Everything wired for these settings; nothing is opened until it is used."""
    return Container(settings=settings, progress=progress)
