"""One of a crowd on one SQLite file: python crowd_child.py HOME SECONDS

Submits runs and executes whatever it can take, its own or another one's. Prints how many runs it
has executed; ends with 1, and says why, when the store ever refused anything.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.application.submissions import Submission
from market_spine.application.worker import Worker, WorkerOptions
from market_spine.bootstrap.container import build_container
from market_spine.bootstrap.execution import executing_here
from market_spine.bootstrap.settings import load_settings


class Complaints(logging.Handler):
    """Keeps every warning: a worker survives what the store refuses, and only says so."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def main() -> None:
    complaints = Complaints()
    logging.getLogger("market_spine").addHandler(complaints)
    deadline = time.monotonic() + float(sys.argv[2])
    settings = load_settings(home=Path(sys.argv[1]), modules="worker_pipelines")
    container = build_container(settings, TerminalProgress(enabled=False))
    owner = f"{container.processes().identity()}#crowd"
    execution = InlineExecution(executing_here(replace(container.run_pipeline(), owner=owner)))
    parts = (container.store(), container.clock(), container.catalog(), container.lifecycle())
    done = 0
    while time.monotonic() < deadline:
        for number in range(3):
            container.submit_run()(Submission("w.silent", {"number": number}))
        worker = Worker(*parts, execution, WorkerOptions(owner, 2, poll=0.01))
        worker.run(until=lambda: True)
        done += worker.taken
    if complaints.told:
        sys.exit("\n".join(complaints.told[:10]))
    print(done)


if __name__ == "__main__":
    main()
