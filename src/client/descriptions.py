"""What can be run, as a server tells of it: all that its code declares, but not the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..domain.parameters import Param
from ..domain.partitions import PartitionSpace
from ..domain.retries import NO_RETRY, Retry

_UNTOLD = Param()


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    """One declared parameter; ``expected`` says in words what a value has to look like.

    ``default`` is None where there is none, and for secrets. ``is_file`` says that its value is
    the path of a file on the server.
    """

    name: str
    expected: str
    required: bool
    default: Any = None
    doc: Param = _UNTOLD
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class PipelineDescription:
    """A pipeline; ``timeout`` is in seconds, see :func:`market_spine.pipeline` for the rest."""

    name: str
    description: str
    parameters: tuple[ParameterDescription, ...]
    origin: str = "user"
    retry: Retry = NO_RETRY
    timeout: float | None = None
    pool: str = "default"
    max_active: int | None = None
    key: str | None = None
    partition: str | None = None
    partitions: PartitionSpace | None = None


@dataclass(frozen=True, slots=True)
class StepDescription:
    """One node of a workflow; ``pipeline`` is None when it runs a function.

    ``steps`` are those inside it, when it runs a workflow. ``timeout`` is in seconds.
    """

    name: str
    pipeline: str | None
    parameters: Mapping[str, Any]
    after: tuple[str, ...] = ()
    when: str | None = None
    each: str | None = None
    retry: Retry = NO_RETRY
    timeout: float | None = None
    pool: str = "default"
    even_if_skipped: bool = False
    steps: tuple[StepDescription, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowDescription:
    """A workflow; ``inputs`` are the parameters that its steps refer to."""

    name: str
    description: str
    inputs: tuple[str, ...]
    steps: tuple[StepDescription, ...]
    origin: str = "user"
