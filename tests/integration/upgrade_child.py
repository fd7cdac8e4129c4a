"""Brings a schema up to date in a process of its own, which may be told where to die.

    python upgrade_child.py URL [NUMBER]     dies with SIGKILL before SQL statement NUMBER

Says that it is ready, begins when it is told to, and prints the revision it has reached.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import Any

from sqlalchemy import Engine, event

from market_spine.adapters.outbound.sql.store import SqlStore


def main() -> None:
    url, *at = sys.argv[1:]
    numbers = count(1)

    def about_to_run(*_: Any) -> None:
        if next(numbers) == int(at[0]):
            os.kill(os.getpid(), signal.SIGKILL)

    if at:
        event.listen(Engine, "before_cursor_execute", about_to_run)
    print("ready", flush=True)
    sys.stdin.readline()
    store = SqlStore(url)
    print(store.upgrade().revision)
    store.close()


if __name__ == "__main__":
    main()
