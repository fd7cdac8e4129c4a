"""Where runs are executed, and what the processes that execute them are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from pydantic import SecretStr

from ..application.run_pipeline import RunPipeline
from ..domain.errors import ConfigurationError
from ..ports.execution import NOT_BEGUN, Answer, Execution, Task
from ..ports.progress import ProgressTask
from .settings import INLINE, Settings, is_dask, load_settings

ENTRY = f"{__name__}:make"
_SOFTWARE = "software"

Execute = Callable[[Task], Answer]


def make(given: Mapping[str, Any]) -> Execute:
    """What executes tasks in a process of its own, with these settings and the environment's.

    Raises a ConfigurationError when whoever asks for it is of another version of the software: a
    run must not fail for that, so nothing is begun.
    """
    from .container import build_container
    from .logs import configure_logs

    own = dict(given)
    asking, here = own.pop(_SOFTWARE, "another version"), _software()
    if asking != here:
        raise _replaced(asking, here)
    settings = load_settings(**own)
    configure_logs(settings.log_level, settings.log_format)
    return executing_here(build_container(settings, Silent()).run_pipeline())


def executing_here(run_pipeline: RunPipeline) -> Execute:
    """Executes tasks in the calling thread."""

    @lru_cache(maxsize=8)
    def for_parts(owner: str) -> RunPipeline:
        # The parts of a run are held by whoever holds the run.
        return replace(run_pipeline, owner=owner)

    def execute(task: Task) -> Answer:
        return run_pipeline.execute.task(task, task.secrets, for_parts(task.lease.owner))

    return execute


def execution_for(settings: Settings, slots: int, execute: Execute) -> Execution:
    """The execution that the settings ask for; ``execute`` is what this process would do."""
    if settings.execution == INLINE:
        from ..adapters.outbound.execution.inline import InlineExecution

        return InlineExecution(execute)
    if is_dask(settings.execution):
        from ..adapters.outbound.execution.dask import DaskExecution

        # Its workers have an environment of their own; a password must not cross the network.
        software = {_SOFTWARE: _software()}
        return DaskExecution(settings.execution, ENTRY, software, slots=slots)
    return local_processes(settings, slots)


def local_processes(settings: Settings, slots: int) -> Execution:
    """Processes of this machine."""
    from ..adapters.outbound.execution.processes import ProcessExecution

    limit = settings.execution_memory
    return ProcessExecution(
        ENTRY,
        {**_plain(settings), _SOFTWARE: _software()},
        slots=slots,
        memory_limit=None if limit is None else limit * 1024 * 1024,
    )


def _plain(settings: Settings) -> dict[str, Any]:
    """What was set, for a process of this machine: it goes through a pipe, secrets included."""
    found = settings.model_dump(mode="json", exclude_unset=True)
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            found[name] = value.get_secret_value()
    return found


def _software() -> str:
    """What has to be the same on both sides: an upgrade replaces it under a running worker."""
    from ..adapters.outbound.sql.revisions import HEAD

    return f"{version('market-spine')} with schema {HEAD}"


def _replaced(asking: str, here: str) -> ConfigurationError:
    return ConfigurationError(
        f"the software was replaced: this worker is {asking}, what would execute its runs is "
        f"{here}",
        hint="restart the worker (spine serve, spine worker), and Dask's where it uses them; "
        "its runs stay queued",
        metadata={NOT_BEGUN: True},
    )


class Silent:
    """Progress is told through the store; nobody looks at this process."""

    @contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: str = ""
    ) -> Iterator[ProgressTask]:
        del label, total, unit
        yield SilentTask()


class SilentTask:
    """A task of which nothing is shown."""

    def advance(self, amount: int = 1) -> None:
        """Nobody watches."""

    def describe(self, text: str) -> None:
        """Nobody watches."""
