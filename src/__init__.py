"""Market Spine: market-data pipelines, from source to published dataset.

What a pipeline of your own needs stands here::

    from typing import Annotated
    from market_spine import Param, Result, RunContext, pipeline

    @pipeline("prices.daily.count")
    def count(context: RunContext, file: Annotated[str, Param("CSV of prices")]) -> Result:
        '''Count the rows of a file.'''
        found = context.source("file", path=file).fetch()
        return Result.success(metrics={"rows_read": found.rows})

Name its module in ``SPINE_MODULES`` (or in the entry-point group ``market_spine.modules`` of your
package), and ``spine pipelines list`` shows it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from .application.context import RunContext, RunOutcome
    from .domain.datasets import DatasetQuery
    from .domain.errors import (
        Category,
        ConfigurationError,
        ErrorContext,
        LoadError,
        SourceError,
        SpineError,
        TransformError,
        ValidationError,
    )
    from .domain.parameters import Param
    from .domain.partitions import PartitionSpace, days, weeks
    from .domain.pipelines import Pipeline, pipeline
    from .domain.result import Result
    from .domain.retries import Retry
    from .domain.workflows import Step, Workflow, workflow
    from .ports.sources import (
        LINE,
        MALFORMED_SCHEMA,
        Source,
        SourceBatch,
        SourceDescription,
        SourceResult,
        Tap,
        empty_malformed,
        fetch_all,
        register_source,
    )

_PLACES = {
    "application.context": ("RunContext", "RunOutcome"),
    "domain.datasets": ("DatasetQuery",),
    "domain.errors": (
        "Category",
        "ConfigurationError",
        "ErrorContext",
        "LoadError",
        "SourceError",
        "SpineError",
        "TransformError",
        "ValidationError",
    ),
    "domain.parameters": ("Param",),
    "domain.partitions": ("PartitionSpace", "days", "weeks"),
    "domain.pipelines": ("Pipeline", "pipeline"),
    "domain.result": ("Result",),
    "domain.retries": ("Retry",),
    "domain.workflows": ("Step", "Workflow", "workflow"),
    "ports.sources": (
        "LINE",
        "MALFORMED_SCHEMA",
        "Source",
        "SourceBatch",
        "SourceDescription",
        "SourceResult",
        "Tap",
        "empty_malformed",
        "fetch_all",
        "register_source",
    ),
}
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "LINE",
    "MALFORMED_SCHEMA",
    "Category",
    "ConfigurationError",
    "DatasetQuery",
    "ErrorContext",
    "LoadError",
    "Param",
    "PartitionSpace",
    "Pipeline",
    "Result",
    "Retry",
    "RunContext",
    "RunOutcome",
    "Source",
    "SourceBatch",
    "SourceDescription",
    "SourceError",
    "SourceResult",
    "SpineError",
    "Step",
    "Tap",
    "TransformError",
    "ValidationError",
    "Workflow",
    "__version__",
    "days",
    "empty_malformed",
    "fetch_all",
    "pipeline",
    "register_source",
    "weeks",
    "workflow",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: ``spine --help`` must not wait for polars."""
    if name == "__version__":
        return import_module("importlib.metadata").version("market-spine")
    if name in _MODULE_OF:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
