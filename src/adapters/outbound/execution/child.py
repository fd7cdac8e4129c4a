"""The inside of a process that executes runs, one after the other, until it is asked to leave."""

from __future__ import annotations

import faulthandler
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from ....domain.errors import (
    Category,
    ConfigurationError,
    ErrorContext,
    SpineError,
    as_spine_error,
)
from ....ports.execution import NOT_BEGUN, Task
from .deaths import exit_of
from .entries import Execute, attempt, load
from .messages import BEGUN, Reply, Start, read_task
from .orphans import die_with

_KILLED_FIRST = "500"


def main() -> None:
    """Serve the socket whose number is the first argument."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)  # it must close with this process, whatever it has started
    _take_place()
    with connection, connection.makefile("rb") as lines, suppress(BrokenPipeError):
        first = lines.readline()
        if not first:
            return
        start = Start.read(first)
        die_with(start.parent, connection)
        execute = _made(start)
        for line in lines:
            task = read_task(line)
            connection.sendall(BEGUN)
            reply = _reply(execute, task)
            connection.sendall(reply.line())
            if reply.leaving:
                return


def _take_place() -> None:
    """Be the one that the kernel kills when memory is short, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdout = sys.stderr  # the parent's stdout belongs to what it has to say
    faulthandler.enable()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_KILLED_FIRST)


def _made(start: Start) -> Execute | SpineError:
    try:
        if start.memory_limit is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            most = start.memory_limit if hard == resource.RLIM_INFINITY else hard
            resource.setrlimit(resource.RLIMIT_AS, (min(start.memory_limit, most), hard))
        return load(start.entry, start.settings)
    except BaseException as error:  # told as the outcome of the task that waits for it
        failed = as_spine_error(error, doing=f"starting a process by {start.entry}")
        if isinstance(error, (ImportError, SyntaxError, ConfigurationError)):
            # Whoever started this process has all of it: it was changed meanwhile, say by an
            # upgrade, and the run has nothing to do with that.
            failed = failed.within(ErrorContext(metadata={NOT_BEGUN: True}))
        return failed


def _reply(execute: Execute | SpineError, task: Task) -> Reply:
    if isinstance(execute, SpineError):
        return Reply(task.run, execute, leaving=True)
    try:
        answer = attempt(execute, task)
    except (KeyboardInterrupt, SystemExit) as left:
        code = left.code or 0 if isinstance(left, SystemExit) else type(left).__name__
        return Reply(task.run, exit_of(task.run, code), leaving=True)
    # Memory that was short is handed back by a process that ends, and by no other.
    short = isinstance(answer, SpineError) and answer.category is Category.RESOURCE
    return Reply(task.run, answer, leaving=short)


if __name__ == "__main__":
    main()
