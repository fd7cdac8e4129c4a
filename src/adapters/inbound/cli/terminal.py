"""A console that knows when nobody reads any more."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

from .output import leave_quietly


class Terminal(Console):
    """Ends quietly where the reader has gone; the library would call it a failure."""

    def on_broken_pipe(self) -> NoReturn:
        leave_quietly()
