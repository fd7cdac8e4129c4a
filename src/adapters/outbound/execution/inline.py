"""Executing runs right here: for a single run, for tests and for debuggers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ....domain.errors import SpineError
from ....ports.execution import Ended, Task
from .entries import Execute, attempt


class InlineExecution:
    """Executes each task in the thread that starts it, before ``start`` returns."""

    isolated = False

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._ended: list[Ended] = []

    def start(self, task: Task) -> None:
        self._ended.append(Ended.of(task, attempt(self._execute, task)))

    def begun(self, run: str) -> bool:
        del run
        return True

    def wait(self, seconds: float) -> Sequence[Ended]:
        if not self._ended:
            # Nothing can come, but who calls in a loop counts on the pause.
            time.sleep(seconds)
        ended, self._ended = self._ended, []
        return ended

    def end(self, run: str, why: SpineError) -> None:
        """Nothing: whatever was started is over."""

    def close(self) -> None:
        """Nothing is held."""
