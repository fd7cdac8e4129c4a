"""Entries: what a process executes tasks with, named by a text because code crosses no border.

An entry is ``package.module:factory``. The factory is called once in each process, with plain
settings; what it returns executes one task after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ....domain.errors import ConfigurationError, SpineError, as_spine_error
from ....ports.execution import Answer, Finished, Task

Execute = Callable[[Task], Answer]
"""Executes a claimed run, and records its outcome unless it answers it.

Answers or raises an error when nothing could be recorded.
"""


def check_entry(entry: str, settings: Mapping[str, Any]) -> None:
    """Raise a ConfigurationError for an entry or settings that another process cannot get."""
    module, _, factory = entry.partition(":")
    if not all(name.isidentifier() for name in (*module.split("."), *factory.split("."))):
        raise ConfigurationError(
            f"{entry!r} names nothing that executes runs", hint="write package.module:factory"
        )
    try:
        arrives = json.loads(json.dumps(dict(settings)))
    except (TypeError, ValueError) as error:
        raise _not_plain(entry, str(error)) from error
    if arrives != settings:
        changed = sorted(str(key) for key in settings if arrives.get(str(key)) != settings[key])
        raise _not_plain(entry, f"{', '.join(changed)} would arrive changed")


def load(entry: str, settings: Mapping[str, Any]) -> Execute:
    """What ``entry`` makes of ``settings``; raises a typed error when it cannot be had."""
    module, _, name = entry.partition(":")
    try:
        factory: Any = import_module(module)
        for part in name.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{entry}, which executes runs, cannot be imported: {error}",
            hint="it has to be installed, or in the working folder, wherever runs are executed",
            cause=error,
        ) from error
    execute: Execute = factory(settings)
    return execute


def attempt(execute: Callable[[Task], object], task: Task) -> Answer:
    """Execute the task; an error when nothing was recorded. Lets only exits and Ctrl-C pass."""
    try:
        answer = execute(task)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # also what is no Exception ends this task only
        return as_spine_error(error, doing=f"executing run {task.run}")
    if answer is None or isinstance(answer, SpineError | Finished):
        return answer
    return SpineError(
        f"whether run {task.run} was recorded is not known: its code answered {answer!r}",
        hint="what executes runs answers None, a SpineError or a Finished",
    )


def _not_plain(entry: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the settings of {entry} are not plain values: {why}",
        hint="give text, numbers, lists and objects, as JSON has them",
    )
