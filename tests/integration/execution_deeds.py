"""Entries for the tests of executing in processes: what goes wrong in one of them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from market_spine.domain.errors import Category, SourceError, SpineError
from market_spine.ports.execution import Task

Execute = Callable[[Task], SpineError | None]


def swallow_memory(_: Mapping[str, Any]) -> Execute:
    """Takes more memory than there is: in Python, or in native code that can only abort."""

    def execute(task: Task) -> SpineError | None:
        if task.run == "python":
            bytearray(1 << 42)
        if task.run == "native":
            pl.select(pl.int_range(1 << 40, dtype=pl.Int64)).sum()
        return None

    return execute


def lose_touch(_: Mapping[str, Any]) -> Execute:
    """Closes every file that is open, as careless daemons do."""

    def execute(task: Task) -> SpineError | None:
        os.closerange(3, 256)
        time.sleep(3_600)
        return None

    return execute


def garble(_: Mapping[str, Any]) -> Execute:
    """Writes over what the process has to say."""

    def execute(task: Task) -> SpineError | None:
        os.write(int(sys.argv[1]), b"hello\n")
        time.sleep(3_600)
        return None

    return execute


def no_answer(_: Mapping[str, Any]) -> Callable[[Task], object]:
    return lambda task: f"{task.run} is done"


def fail_to_start(_: Mapping[str, Any]) -> Execute:
    raise SourceError("the store cannot be reached", category=Category.DEPENDENCY)


def exit_at_start(_: Mapping[str, Any]) -> Execute:
    os._exit(9)


def big_error(_: Mapping[str, Any]) -> Execute:
    """Answers an error that no pipe can hold at once, with what no JSON can hold."""

    def execute(task: Task) -> SpineError | None:
        error = SpineError("x" * 3_000_000)
        error.context.metadata["odd"] = {1, 2}
        return error

    return execute


def show(settings: Mapping[str, Any]) -> Execute:
    """Writes what a process sees of its surroundings."""

    def execute(task: Task) -> SpineError | None:
        print("said by a pipeline")
        seen = {
            "cwd": str(Path.cwd()),
            "path": sys.path,
            "settings": settings,
            "secrets": dict(task.secrets),
            "leads": os.getpid() == os.getpgid(0) == os.getsid(0),
            "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
            "terminate": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            "main": getattr(sys.modules["__main__"], "__file__", None),
        }
        Path(settings["file"]).write_text(json.dumps(seen))
        return None

    return execute
