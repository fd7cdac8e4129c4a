"""Copies a store in a process of its own, which may be told where to die.

    python copy_child.py SOURCE TARGET BATCH_ROWS DIE_AT

Dies of SIGKILL before its statement or commit number DIE_AT, counted from 1; 0 lets it live. Then
it prints how many there were, and the most memory that it needed, in kB.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any

from copy_tools import copy
from sqlalchemy import Engine, event


def main() -> None:
    source, target, batch_rows, die_at = sys.argv[1:]
    passed = 0

    def count(*given: Any) -> None:
        nonlocal passed
        passed += 1
        if passed == int(die_at):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    copy(source, target, batch_rows=int(batch_rows))
    print(passed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
