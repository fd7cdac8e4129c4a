"""The client of a server of Market Spine.

::

    from market_spine.client import SpineClient

    with SpineClient("127.0.0.1:50051") as client:
        run = client.runs.submit("finra.otc_transparency.refresh_week", {"file": "week.csv"})
        for news in client.runs.watch(run.id):
            print(news.what)
        frame = client.query("finra.otc_transparency.venue_share", segment="OTC")

What is answered are the objects of the domain, such as :class:`market_spine.domain.runs.Run`; what
fails raises :class:`market_spine.SpineError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .calls import Page
    from .client import SpineClient
    from .decoding_backfills import BackfillStanding
    from .decoding_runs import RunStanding
    from .decoding_system import ServerVersion
    from .descriptions import (
        ParameterDescription,
        PipelineDescription,
        StepDescription,
        WorkflowDescription,
    )
    from .run_watch import RunNews

_PLACES = {
    "Page": "calls",
    "SpineClient": "client",
    "BackfillStanding": "decoding_backfills",
    "RunStanding": "decoding_runs",
    "ServerVersion": "decoding_system",
    "ParameterDescription": "descriptions",
    "PipelineDescription": "descriptions",
    "StepDescription": "descriptions",
    "WorkflowDescription": "descriptions",
    "RunNews": "run_watch",
}

__all__ = [
    "BackfillStanding",
    "Page",
    "ParameterDescription",
    "PipelineDescription",
    "RunNews",
    "RunStanding",
    "ServerVersion",
    "SpineClient",
    "StepDescription",
    "WorkflowDescription",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: neither gRPC nor polars is needed to know of it."""
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
