"""How long work shows how far it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class ProgressTask(Protocol):
    """One bar: moved on as work is done."""

    def advance(self, amount: int = 1) -> None: ...

    def describe(self, text: str) -> None: ...


class Progress(Protocol):
    """Shows tasks to whoever watches; does nothing where nobody does."""

    def task(
        self, label: str, *, total: int | None = None, unit: str = ""
    ) -> AbstractContextManager[ProgressTask]:
        """A task of ``total`` units (None: unknown), shown until the context is left."""
        ...
