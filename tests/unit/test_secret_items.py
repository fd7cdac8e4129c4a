"""Secrets in the items of lists, and those that steps return, are never stored: only their places.

Where ``use`` is declared to take a secret, no way that a value can get to it stores that value.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from durable_house import DurableHouse

from market_spine.application.context import RunContext
from market_spine.domain.errors import Category, ConfigurationError, ValidationError
from market_spine.domain.parameters import Param
from market_spine.domain.pipelines import pipeline
from market_spine.domain.result import Result
from market_spine.domain.runs import RunState
from market_spine.domain.workflows import Step, Workflow, workflow

SECRET = "correct-horse-battery"
KEPT = "sesame-open-77"  # at env:TOKEN

taken: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_taken() -> None:
    taken.clear()


@pipeline("s.use")
def use(context: RunContext, token: Annotated[str | None, Param(secret=True)] = None) -> None:
    taken.append(token)


@pipeline("s.use")
def use_openly(context: RunContext, token: str | None = None) -> None:
    """As it was before somebody declared that it takes a secret."""
    raise ValidationError("it has failed")


@pipeline("s.make")
def make(context: RunContext, value: Any = SECRET) -> Result[Any]:
    return Result.success(value)


def take(context: RunContext, token: str) -> None:
    taken.append(token)


def flow(name: str, *parameters: str, runs: str = "s.use", each: str | None = None) -> Workflow:
    """One step; ``token=${item}`` and the like."""
    given = dict(text.split("=", 1) for text in parameters)
    return workflow(name, Step("one", runs, given, each=each))


FLOWS = (
    flow("each.text", "token=${item}", each="${xs}"),
    flow("each.object", "token=${item.token}", each="${xs}"),
    flow("each.deep", "token=${item.secrets.t}", each="${xs}"),
    flow("one", "token=${t}"),
    flow("each.inner", "t=${item.t}", runs="one", each="${xs}"),
    flow("inner.each", "xs=${things}", runs="each.object"),
    flow("each.each", "xs=${item.members}", runs="each.object", each="${xs}"),
    flow("all.each", "xs=${item}", runs="each.text", each="${xs}"),
)


def house_of(*more: Any, **how: Any) -> DurableHouse:
    return DurableHouse(use, make, *FLOWS, *more, **how)


def everything(house: DurableHouse) -> str:
    """All that runs have left in the store."""
    return json.dumps(
        [
            [dict(run.parameters), run.plan, run.error and run.error.to_dict(), run.warnings]
            for run in house.runs()
        ]
    )


LITERALS = [
    ("each.text", "xs", ["env:TOKEN", SECRET]),
    ("each.text", "xs", SECRET),
    ("each.text", "xs", [{"any": SECRET}]),
    ("each.text", "xs", [[SECRET]]),
    ("each.text", "xs", [20260105]),
    ("each.object", "xs", [{"token": "env:TOKEN"}, {"token": SECRET}]),
    ("each.object", "xs", [SECRET]),
    ("each.object", "xs", {"token": SECRET}),
    ("each.object", "xs", [{"token": [SECRET]}]),
    ("each.deep", "xs", [{"secrets": {"t": SECRET}}]),
    ("each.inner", "xs", [{"t": SECRET}]),
    ("inner.each", "things", [{"token": SECRET}]),
    ("each.each", "xs", [{"members": [{"token": "env:TOKEN"}, {"token": SECRET}]}]),
    ("all.each", "xs", [["env:TOKEN"], [SECRET]]),
]


@pytest.mark.parametrize(("name", "key", "value"), LITERALS)
@pytest.mark.parametrize("attached", [False, True])
def test_a_secret_in_an_item_is_refused_and_not_told(
    name: str, key: str, value: Any, attached: bool
) -> None:
    house = house_of()

    # What is no list is refused as such, and not told either.
    said = r"never stored.*env:NAME or file:PATH" if isinstance(value, list) else "xs is no list"
    with pytest.raises(ValidationError, match=said) as raised:
        (house.here if attached else house.submit)(name, {key: value})

    told = raised.value.to_dict()
    assert SECRET not in json.dumps(told)
    assert told["context"]["metadata"]["parameters"].keys() == {key}
    assert house.runs() == []


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("each.text", "xs", ["env:TOKEN", "env:TOKEN"]),
        ("each.object", "xs", [{"token": "env:TOKEN", "n": 1}, {"token": None, "n": None}]),
        ("each.deep", "xs", [{"secrets": {"t": "env:TOKEN"}}]),
        ("each.inner", "xs", [{"t": "env:TOKEN"}]),
        ("inner.each", "things", [{"token": "env:TOKEN"}]),
        ("each.each", "xs", [{"members": [{"token": "env:TOKEN"}]}, {"members": []}]),
        ("all.each", "xs", [["env:TOKEN"], []]),
    ],
)
@pytest.mark.parametrize("attached", [False, True])
def test_references_in_items_are_stored_as_they_are_and_read_by_who_executes(
    name: str, key: str, value: Any, attached: bool
) -> None:
    house = house_of()
    if attached:
        run = house.here(name, {key: value}).run
    else:
        run_id = house.submit(name, {key: value})
        house.work()
        run = house.run(run_id)

    assert run.state is RunState.SUCCEEDED, run.error
    assert run.parameters == {key: value}
    assert KEPT in taken
    assert set(taken) <= {KEPT, None}
    assert KEPT not in everything(house)


def test_references_are_stored_under_names_for_which_all_else_is_masked() -> None:
    named = flow("named", "token=${item.value}", each="${tokens}")
    listed = flow("listed", "token=${item}", each="${tokens}")
    house = house_of(named, listed)

    for name, value in (
        ("named", [{"value": "env:TOKEN"}, {"value": None}]),
        ("listed", ["env:TOKEN", None]),
        ("listed", []),
    ):
        run_id = house.submit(name, {"tokens": value})
        house.work()
        assert house.run(run_id).state is RunState.SUCCEEDED
        assert house.run(run_id).parameters == {"tokens": value}

    with pytest.raises(ValidationError, match="tokens of named is a secret"):
        house.submit("named", {"tokens": [{"value": "env:TOKEN", "user": SECRET}]})


def test_a_function_takes_the_secret_of_an_item_as_a_pipeline_beside_it_does() -> None:
    graph = workflow(
        "s.both",
        Step("use", "s.use", {"token": "${item.t}"}, each="${xs}"),
        Step("take", take, {"token": "${item.t}"}, each="${xs}"),
    )
    house = house_of(graph)

    house.submit("s.both", {"xs": [{"t": "env:TOKEN"}]})
    house.work()

    assert taken == [KEPT, KEPT]
    assert KEPT not in everything(house)


def test_what_was_stored_before_a_parameter_was_a_secret_is_not_stored_again() -> None:
    before = DurableHouse(use_openly, *FLOWS)
    old = before.submit("each.inner", {"xs": [{"t": SECRET}]})
    kept = before.submit("each.inner", {"xs": [{"t": "env:TOKEN"}]})
    before.work()
    now = house_of(beside=before)

    with pytest.raises(ValidationError, match="secrets in its items"):
        now.retry(old)
    again = now.retry(kept)
    now.work()

    assert now.run(again.id).state is RunState.SUCCEEDED
    assert taken == [KEPT]


def after_make(
    parameters: dict[str, Any],
    *,
    value: Any,
    runs: str = "s.use",
    each: str | None = None,
) -> Workflow:
    made = {"value": value}
    one = Step("one", runs, parameters, after=("make",), each=each)
    return workflow("s.two", Step("make", "s.make", made), one)


@pytest.mark.parametrize(
    "graph",
    [
        after_make({"token": "${steps.make}"}, value=SECRET),
        after_make({"token": "${steps.make.t}"}, value={"t": SECRET}),
        after_make({"token": "${steps.make}"}, value=[SECRET]),
        after_make({"token": "${steps.make}"}, value=["env:TOKEN"]),
        after_make({"token": "${steps.make}"}, value=20260105),
        after_make({"token": "${item}"}, value=["env:TOKEN", SECRET], each="${steps.make}"),
        after_make({"token": "${item.t}"}, value=[{"t": SECRET}], each="${steps.make}"),
        after_make({"t": "${steps.make}"}, value=SECRET, runs="one"),
        after_make({"t": "${item}"}, value=[SECRET], runs="one", each="${steps.make}"),
        after_make({"xs": "${steps.make}"}, value=[{"token": SECRET}], runs="each.object"),
        after_make({"xs": "${steps.make}"}, value=SECRET, runs="each.object"),
        after_make({"things": "${steps.make}"}, value=[{"token": SECRET}], runs="inner.each"),
    ],
)
@pytest.mark.parametrize("attached", [False, True])
def test_a_secret_that_a_step_returned_fails_the_step_that_it_gets_to(
    graph: Workflow, attached: bool
) -> None:
    house = house_of(graph)
    if attached:
        run = house.here("s.two").run
    else:
        run_id = house.submit("s.two")
        house.work()
        run = house.run(run_id)

    assert run.state is RunState.FAILED
    part = house.parts(run.id)["one"]
    assert part.state is RunState.FAILED
    assert part.error is not None
    assert part.error.category is Category.VALIDATION
    assert "is or holds a secret, which is never stored" in part.error.message
    assert taken == []
    left = [[dict(item.parameters), item.error and item.error.to_dict()] for item in house.runs()]
    assert SECRET not in json.dumps([one for one in left if one[0].keys() != {"value"}])


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        (after_make({"token": "${steps.make}"}, value="env:TOKEN"), [KEPT]),
        (after_make({"token": "${steps.make.t}"}, value={"t": None}), [None]),
        (after_make({"token": "${steps.make.t}"}, value={"t": "env:TOKEN", "u": "x"}), [KEPT]),
        (after_make({"token": "${item}"}, value=["env:TOKEN"], each="${steps.make}"), [KEPT]),
        (after_make({"t": "${steps.make}"}, value="env:TOKEN", runs="one"), [KEPT]),
        (after_make({"xs": "${steps.make}"}, value=["env:TOKEN"], runs="each.text"), [KEPT]),
    ],
)
def test_a_step_may_return_where_a_secret_is_kept(graph: Workflow, found: list[Any]) -> None:
    house = house_of(graph)

    run_id = house.submit("s.two")
    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED, house.run(run_id).error
    assert taken == found


def test_the_secret_of_an_attached_workflow_goes_on_to_each_of_its_steps() -> None:
    graph = workflow(
        "s.attached",
        Step("make", "s.make", {"value": [1, 2]}),
        Step("one", "one", {"t": "${t}"}, after=("make",)),
        Step("each", "s.use", {"token": "${t}"}, after=("make",), each="${steps.make}"),
    )
    house = house_of(graph)

    outcome = house.here("s.attached", {"t": SECRET})

    assert outcome.run.state is RunState.SUCCEEDED, outcome.run.error
    assert taken == [SECRET, SECRET, SECRET]
    assert SECRET not in everything(house)


@pytest.mark.parametrize(
    ("runs", "parameters"),
    [
        ("s.use", {"token": SECRET}),
        ("one", {"t": SECRET}),
        ("each.object", {"xs": [{"token": SECRET}]}),
    ],
)
def test_a_secret_in_the_code_of_a_workflow_is_refused_with_its_first_run(
    runs: str, parameters: dict[str, Any]
) -> None:
    house = house_of(workflow("s.code", Step("one", runs, parameters)))

    for begin in (house.submit, house.here):
        with pytest.raises(
            ConfigurationError, match=r"'one' of workflow .* gives a secret"
        ) as raised:
            begin("s.code")
        assert SECRET not in json.dumps(raised.value.to_dict())

    assert house.runs() == []


def test_the_code_of_a_workflow_may_say_where_a_secret_is_kept() -> None:
    house = house_of(workflow("s.code", Step("one", "s.use", {"token": "env:TOKEN"})))

    house.submit("s.code")
    house.work()

    assert taken == [KEPT]
