"""A workflow's graph is checked when it is declared, and ordered by its dependencies."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine import ConfigurationError, Step, workflow


def test_steps_stand_in_an_order_that_respects_their_dependencies() -> None:
    graph = workflow(
        "a.b",
        Step("publish", "x.publish", after=("check", "load")),
        Step("check", "x.check", after=("load",)),
        Step("load", "x.load", {"file": "${file}", "mode": "full"}),
    )
    assert [step.name for step in graph.steps] == ["load", "check", "publish"]
    assert graph.inputs == ("file",)


def test_a_cycle_is_refused_and_shown() -> None:
    with pytest.raises(ConfigurationError, match=r"form a cycle: .*a.* -> .*b") as caught:
        workflow("a.b", Step("a", "x", after=("b",)), Step("b", "x", after=("a",)))
    assert "a.b" in caught.value.message


def test_a_step_after_itself_is_a_cycle() -> None:
    with pytest.raises(ConfigurationError, match="cycle"):
        workflow("a.b", Step("a", "x", after=("a",)))


def test_an_unknown_step_is_refused_and_the_known_are_named() -> None:
    with pytest.raises(ConfigurationError, match="comes after 'c', which is no step") as caught:
        workflow("a.b", Step("a", "x"), Step("b", "x", after=("c",)))
    assert "a, b" in str(caught.value)


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two steps named 'a'"):
        workflow("a.b", Step("a", "x"), Step("a", "y"))


def test_a_workflow_without_steps_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no steps"):
        workflow("a.b")


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
)
def test_any_graph_is_either_ordered_or_refused(edges: list[tuple[int, int]]) -> None:
    steps = [
        Step(f"s{node}", "x", after=tuple(f"s{a}" for a, b in edges if b == node))
        for node in range(8)
    ]
    try:
        TopologicalSorter({s.name: s.after for s in steps}).prepare()
    except CycleError:
        with pytest.raises(ConfigurationError, match="cycle"):
            workflow("a.b", *steps)
        return
    graph = workflow("a.b", *steps)
    place = {step.name: index for index, step in enumerate(graph.steps)}
    assert len(place) == 8
    assert all(place[f"s{a}"] < place[f"s{b}"] for a, b in edges)
