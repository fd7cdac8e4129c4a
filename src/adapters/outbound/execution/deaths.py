"""What the death of a process says about the run that it executed."""

from __future__ import annotations

import signal

from ....domain.errors import Category, ErrorContext, SpineError

_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
_LESS_MEMORY = "let it read fewer rows at a time, or give it more memory"
_LIBRARY = "a library in native code has failed; the log tells where, if it could be written"


def death_of(run: str, exit_code: int, memory_limit: int | None = None) -> SpineError:
    """The error of a run whose process ended with ``exit_code`` (negative: by that signal).

    ``memory_limit`` is what the process was allowed, in bytes.
    """
    if exit_code >= 0:
        return exit_of(run, exit_code)
    name = _name(-exit_code)
    if -exit_code == signal.SIGKILL:
        what = "was killed (signal 9), most likely for want of memory"
        return _error(run, what, Category.RESOURCE, _LESS_MEMORY)
    if -exit_code == signal.SIGABRT and memory_limit is not None:
        # Native code that is refused memory has no other way out.
        what = f"was aborted (SIGABRT), most likely at its limit of {memory_limit >> 20} MiB"
        return _error(run, what, Category.RESOURCE, _LESS_MEMORY)
    if -exit_code in _CRASHES:
        return _error(run, f"crashed ({name})", Category.INTERNAL, _LIBRARY)
    return _error(run, f"was ended from outside ({name})", Category.TRANSIENT, "run it again")


def exit_of(run: str, exit_code: object) -> SpineError:
    """The error of a run whose code has left its process, or tried to."""
    return _error(
        run,
        f"left with exit code {exit_code} before the run had an outcome",
        Category.INTERNAL,
        "code of a pipeline must not exit; it raises an error, or returns Result.failure",
    )


def lost_touch(run: str) -> SpineError:
    """The error of a run whose process lives, but cannot be understood any more."""
    return _error(
        run,
        "closed or garbled its connection, and was killed",
        Category.INTERNAL,
        "code of a pipeline must not close files that it has not opened",
    )


def _error(run: str, what: str, category: Category, hint: str) -> SpineError:
    return SpineError(
        f"the process that executed run {run} {what}",
        category=category,
        hint=hint,
        context=ErrorContext(run=run),
    )


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
