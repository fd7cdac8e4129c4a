"""The use cases behind the API, from the container."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from ..adapters.inbound.grpc.api import ApiUses
from ..adapters.inbound.grpc.backfill_service import BackfillUses
from ..adapters.inbound.grpc.dataset_service import DatasetUses
from ..adapters.inbound.grpc.run_service import RunUses
from ..adapters.inbound.grpc.system_service import SystemUses
from ..application.diagnose import Diagnose
from .container import Container

_PAGE_KEY = "pages"


def api_uses(container: Container, diagnose: Callable[[], Diagnose]) -> ApiUses:
    """What one server of the API needs; makes the database's schema where there is none."""
    files = container.opened_files()
    return ApiUses(
        catalog=container.catalog(),
        runs=RunUses(
            read=container.read_runs(),
            submit=container.submit_run(),
            cancel=container.cancel_run(),
            retry=container.retry_run(),
            purge=container.purge_runs(),
            files=files,
        ),
        backfills=BackfillUses(
            create=container.create_backfill(),
            control=container.control_backfill(),
            read=container.read_backfills(),
            files=files,
        ),
        datasets=DatasetUses(
            read=container.read_datasets(),
            evidence=container.read_evidence(),
            bring=container.bring_file(),
        ),
        system=SystemUses(
            version=version("market-spine"),
            diagnose=diagnose(),
            audit=container.audit_log(),
        ),
        authenticate=container.authenticate(),
        audit=container.audit_log(),
        page_key=container.shared_keys()(_PAGE_KEY),
    )
