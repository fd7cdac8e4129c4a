"""Progress bars on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from ....ports.progress import ProgressTask

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID


class _Silent:
    def advance(self, amount: int = 1) -> None:
        """Nobody watches."""

    def describe(self, text: str) -> None:
        """Nobody watches."""


class _Bar:
    def __init__(self, bars: RichBars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)

    def describe(self, text: str) -> None:
        self._bars.update(self._task, description=text)


class TerminalProgress:
    """Draws tasks on stderr while it is a terminal; tasks inside tasks share one display."""

    def __init__(self, *, enabled: bool | None = None) -> None:
        self._enabled = sys.stderr.isatty() if enabled is None else enabled
        self._bars: RichBars | None = None

    def task(
        self, label: str, *, total: int | None = None, unit: str = ""
    ) -> AbstractContextManager[ProgressTask]:
        return self._shown(label, total, unit)

    @contextmanager
    def _shown(self, label: str, total: int | None, unit: str) -> Iterator[ProgressTask]:
        if not self._enabled:
            yield _Silent()
            return
        outermost = self._bars is None
        bars = self._bars or _new_bars()
        if outermost:
            self._bars = bars
            bars.start()
        task = bars.add_task(label, total=total, unit=unit)
        try:
            yield _Bar(bars, task)
        finally:
            bars.remove_task(task)
            if outermost:
                bars.stop()
                self._bars = None


def _new_bars() -> RichBars:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
