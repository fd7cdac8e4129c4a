"""Pipelines and workflows as a server tells of them: all that their code declares."""

from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from market_spine import Param, Retry, Step, days, pipeline, weeks, workflow
from market_spine.adapters.inbound.grpc import messages_catalog
from market_spine.application.catalog import Catalog
from market_spine.client.decoding_catalog import pipeline_of, workflow_of
from market_spine.domain.errors import Category
from market_spine.domain.parameters import plain
from market_spine.domain.pipelines import Pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.workflows import Workflow


class Side(Enum):
    BUY = "buy"


@pipeline(
    "prices.load",
    retry=Retry(3, 1.5, "fixed", 60.0, (Category.TIMEOUT, Category.SOURCE)),
    timeout=90.5,
    pool="io",
    max_active=2,
    key="{day}",
    partition="{day}/{symbol}",
    partitions=days("day", symbol=["AAPL", "MSFT"]),
)
def load(
    context: Any,
    day: Annotated[date, Param("The day", example="2025-11-10")],
    symbol: str,
    side: Side = Side.BUY,
    since: date = date(2025, 1, 1),
    share: float = 0.1,
    path: Annotated[Path | None, Param("A file", file=True)] = None,
    password: Annotated[str, Param("Of the source", secret=True)] = "env:NOBODY",
) -> None:
    """Load prices."""


@pipeline("prices.check", partitions=weeks("week"))
def check(context: Any) -> None:
    """Check prices."""


def counted(context: Any, rows: int) -> None: ...


inner = workflow("prices.inner", Step("check", "prices.check"), description="Inside.")
nightly = workflow(
    "prices.nightly",
    Step("load", "prices.load", {"day": "${day}", "symbol": "AAPL"}),
    Step(
        "count",
        counted,
        {"rows": "${steps.load.rows}"},
        after=("load",),
        when="${steps.load.rows} > 0",
        retry=Retry(2),
        timeout=5.0,
    ),
    Step("each", "prices.check", after=("count",), each="${days}", even_if_skipped=True),
    Step("inside", "prices.inner", pool="other"),
    description="Every night.",
)


def registry(kind: str, *items: Any) -> Registry[Any]:
    found: Registry[Any] = Registry(kind)
    for item in items:
        found.add(item)
    return found


def sent(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


def test_pipelines_come_back_with_all_that_they_declare() -> None:
    for item in (load, check):
        assert isinstance(item, Pipeline)
        found = pipeline_of(sent(messages_catalog.pipeline_message(item)))

        for name in ("name", "description", "origin", "retry", "timeout", "pool", "max_active"):
            assert getattr(found, name) == getattr(item, name), name
        assert (found.key, found.partition) == (item.key, item.partition)
        assert found.partitions == item.partitions
        for told, spec in zip(found.parameters, item.parameters, strict=True):
            assert (told.name, told.expected, told.required) == (
                *(spec.name, spec.expected, spec.required),
            )
            assert (told.doc.description, told.doc.example) == (
                *(spec.doc.description, spec.doc.example),
            )
            assert (told.doc.secret, told.is_file) == (spec.doc.secret, spec.is_file)
            hidden = spec.required or spec.doc.secret
            assert told.default == (None if hidden else plain(spec.default))


def test_workflows_come_back_and_functions_are_told_from_pipelines() -> None:
    catalog = Catalog(registry("pipeline", load, check), registry("workflow", inner, nightly))
    assert isinstance(nightly, Workflow)

    found = workflow_of(sent(messages_catalog.workflow_message(nightly, catalog.plan(nightly))))

    assert (found.name, found.description, found.origin) == (
        *("prices.nightly", "Every night.", "user"),
    )
    assert found.inputs == nightly.inputs
    by_name = {step.name: step for step in found.steps}
    assert [step.name for step in found.steps] == [step.name for step in nightly.steps]
    for step in nightly.steps:
        told = by_name[step.name]
        assert (told.pipeline, told.after, told.when, told.each) == (
            *(step.pipeline, step.after, step.when, step.each),
        )
        assert told.parameters == step.parameters
        assert told.even_if_skipped == step.even_if_skipped
    assert by_name["load"].retry == load.retry
    assert by_name["load"].timeout == 90.5
    assert (by_name["count"].retry, by_name["count"].timeout) == (Retry(2), 5.0)
    assert [step.pipeline for step in by_name["inside"].steps] == ["prices.check"]
