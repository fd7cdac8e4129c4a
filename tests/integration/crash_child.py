"""Runs one pipeline in a process of its own, which may be told where to die.

    python crash_child.py JOB        JOB is a :class:`Job` as JSON

Prints one JSON document with what came out, unless it dies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dependency_injector import providers
from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.application.context import RunOutcome
from market_spine.bootstrap.container import Container, build_container
from market_spine.bootstrap.settings import Settings
from market_spine.testing.faults import Faults, Moment

REFRESH = "finra.otc_transparency.refresh_week"
BACKFILL = "finra.otc_transparency.backfill"

# What only reads leaves nothing behind, whenever it ends.
_READS = ("get", "list", "live", "lineage", "read", "next", "describe", "contains", "open")


@dataclass(frozen=True, slots=True)
class Job:
    """What to run on the store in ``home``, and at which call to die.

    ``die_at`` is the number of a call that writes, ``die_at_statement`` of an SQL statement; both
    from 1. With ``wait`` the process says that it is ready, and begins when its input ends.
    """

    home: str
    parameters: dict[str, str]
    pipeline: str = REFRESH
    force: bool = False
    repeat: int = 1
    die_at: int | None = None
    moment: str = Moment.BEFORE.value
    die_at_statement: int | None = None
    wait: bool = False
    modules: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def writes(call: str) -> bool:
    """Whether the call changes the store or the archive, or opens what does."""
    return call.startswith(("store.write", "archive")) and not call.endswith(_READS)


def container_with(home: Path, faults: Faults | None = None) -> Container:
    """The real application over the store in ``home``; store and archive behind ``faults``."""
    container = build_container(
        Settings(home=home, database_url=None, modules=()), TerminalProgress(enabled=False)
    )
    if faults is not None:
        real_store, real_archive = container.store, container.archive
        container.store.override(
            providers.Singleton(lambda: faults.on(_original(real_store), "store"))
        )
        container.archive.override(
            providers.Singleton(lambda: faults.on(_original(real_archive), "archive"))
        )
    return container


def _original(provider: Any) -> Any:
    return provider


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    print(job)


if __name__ == "__main__":
    main()
