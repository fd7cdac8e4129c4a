"""A worker for chaos, whose clock may be wrong: python chaos_worker.py SECONDS JOBS

It is configured by the environment, as any worker. Steps are executed in this process where
SPINE_EXECUTION is inline.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from dependency_injector import providers

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.system.runtime import SystemClock
from market_spine.bootstrap.application import Application
from market_spine.bootstrap.logs import configure_logs
from market_spine.bootstrap.settings import load_settings


class WrongClock(SystemClock):
    """The machine's clock, so many seconds off."""

    def __init__(self, off: float) -> None:
        self._off = timedelta(seconds=off)

    def now(self) -> datetime:
        return super().now() + self._off


def main() -> None:
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    application = Application(settings, TerminalProgress(enabled=False))
    application.container.clock.override(providers.Object(WrongClock(float(sys.argv[1]))))
    application.work(jobs=int(sys.argv[2]), pools=(), until_idle=False)


if __name__ == "__main__":
    main()
