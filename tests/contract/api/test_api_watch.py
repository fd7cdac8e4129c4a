"""Following a run: all of it, once, from wherever the reader has come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from api_calls import Api, Refusal
from api_claims import covers
from api_runs import FINAL, done, ended, get, running, state, submit

from market_spine.v1.run_event_pb2 import RunEvent
from market_spine.v1.run_pb2 import Run

Needs = Callable[..., None]
WATCH = "RunService.WatchRun"


def watched(api: Api, name: str, **fields: Any) -> list[Any]:
    return api.call(WATCH, name=name, role="viewer", **fields)


def told(news: list[Any], kind: str, source: str | None = None) -> list[Any]:
    return [
        getattr(item, kind)
        for item in news
        if item.WhichOneof("news") == kind and source in (None, item.source)
    ]


def lasting(news: list[Any]) -> list[tuple[str, str, int]]:
    """What is told exactly once: events and lines, by run and number."""
    return [
        (item.source, item.WhichOneof("news"), getattr(item, item.WhichOneof("news")).number)
        for item in news
        if item.WhichOneof("news") in ("event", "line")
    ]


def check_end(news: list[Any], name: str) -> Run:
    """The last message is the run in its final state, and no other one is."""
    assert news[-1].source == name
    assert news[-1].WhichOneof("news") == "run"
    finals = [run for run in told(news, "run", name) if run.state in FINAL]
    assert finals == [news[-1].run]
    return news[-1].run


@covers(WATCH)
def test_a_run_is_followed_from_its_beginning_to_its_end(api: Api, needs: Needs) -> None:
    needs("contract.slow")
    run = submit(api, "contract.slow", lines=30, pause=0.05)

    news = watched(api, run.name)

    assert news[0].run.name == run.name
    last = check_end(news, run.name)
    assert state(last) == "SUCCEEDED"
    assert last == get(api, run.name)
    kinds = [RunEvent.Kind.Name(item.kind) for item in told(news, "event")]
    assert kinds == ["KIND_SUBMITTED", "KIND_CLAIMED", "KIND_SUCCEEDED"]
    assert [line.text for line in told(news, "line")] == [f"line {n}" for n in range(1, 31)]
    assert [line.number for line in told(news, "line")] == list(range(1, 31))
    progress = told(news, "progress")
    assert progress
    assert progress[-1].total == 30
    assert [item.done for item in progress] == sorted(item.done for item in progress)
    assert {item.step for item in news} == {""}


def test_a_run_that_has_ended_is_told_at_once(api: Api, needs: Needs) -> None:
    needs("contract.slow")
    run = done(api, "contract.slow", lines=3, pause=0.0)

    news = watched(api, run.name)

    assert check_end(news, run.name) == run
    assert len(told(news, "line")) == 3
    assert len(told(news, "event")) == 3
    assert told(news, "progress") == []


def test_lines_may_be_left_out(api: Api, needs: Needs) -> None:
    needs("contract.slow")
    run = submit(api, "contract.slow", lines=20, pause=0.02)

    news = watched(api, run.name, without_lines=True)

    assert told(news, "line") == []
    assert len(told(news, "event")) == 3
    check_end(news, run.name)


def test_a_reader_goes_on_from_every_number_without_loss_or_repeat(api: Api, needs: Needs) -> None:
    needs("contract.slow")
    run = done(api, "contract.slow", lines=6, pause=0.0)
    events = api.call("RunService.ListRunEvents", parent=run.name).events
    lines = api.call("RunService.ListRunLogLines", parent=run.name).lines
    everything = {("event", item.number) for item in events} | {("line", n.number) for n in lines}

    for event in [0, *(item.number for item in events), 2**63 - 1]:
        for line in range(8):
            news = watched(api, run.name, after_event=event, after_line=line)
            found = [(kind, number) for _, kind, number in lasting(news)]
            wanted = {
                (kind, number)
                for kind, number in everything
                if number > (event if kind == "event" else line)
            }
            assert len(found) == len(set(found))
            assert set(found) == wanted
            check_end(news, run.name)


def positions(news: list[Any], name: str) -> dict[str, Any]:
    """The fields with which a reader goes on after what it has heard."""
    heard: dict[str, dict[str, int]] = {}
    for source, kind, number in lasting(news):
        place = heard.setdefault(source, {})
        place[f"after_{kind}"] = max(number, place.get(f"after_{kind}", 0))
    own = heard.pop(name, {})
    return {**own, "after_steps": [{"run": run, **place} for run, place in heard.items()]}


def pieces_of(api: Api, name: str, size: int) -> Iterator[list[Any]]:
    """The news of a run, by a reader that breaks off after so many messages, and goes on."""
    heard: list[Any] = []
    over = False
    while not over:
        answers = api.stream(WATCH, name=name, **positions(heard, name))
        piece = []
        for answer in answers:
            piece.append(answer)
            if len(piece) == size:
                break
        else:
            over = True
        answers.close()
        heard += piece
        yield piece


def test_a_live_run_is_heard_in_pieces_as_in_one(api: Api, needs: Needs) -> None:
    needs("contract.slow")
    run = submit(api, "contract.slow", lines=40, pause=0.02)
    heard = [item for piece in pieces_of(api, run.name, 7) for item in piece]

    assert len(lasting(heard)) == len(set(lasting(heard)))
    assert [line.number for line in told(heard, "line")] == list(range(1, 41))
    whole = watched(api, run.name)
    assert set(lasting(heard)) == set(lasting(whole))


def test_steps_are_told_with_the_way_to_them(api: Api, needs: Needs) -> None:
    needs("contract.nightly")
    run = submit(api, "contract.nightly", number=1, items=[4, 5])

    news = watched(api, run.name)

    check_end(news, run.name)
    steps = api.call("RunService.ListRunSteps", parent=run.name).steps
    ways = {item.source: item.step for item in news}
    assert ways.pop(run.name) == ""
    assert ways == {
        step.name: f"{step.step}[{step.item}]" if step.HasField("item") else step.step
        for step in steps
    }
    assert sorted(ways.values()) == ["count", "end", "never", "parts[0]", "parts[1]"]
    for step in steps:
        [*_, last] = told(news, "run", step.name)
        assert last.state == step.state
        events = api.call("RunService.ListRunEvents", parent=step.name).events
        assert told(news, "event", step.name) == list(events)
        lines = api.call("RunService.ListRunLogLines", parent=step.name).lines
        assert told(news, "line", step.name) == list(lines)


def test_a_workflow_is_heard_in_pieces_as_in_one(api: Api, needs: Needs) -> None:
    needs("contract.nightly")
    run = submit(api, "contract.nightly", number=1, items=[4, 5, 6])

    heard = [item for piece in pieces_of(api, run.name, 9) for item in piece]

    whole = watched(api, run.name)
    assert len(lasting(heard)) == len(set(lasting(heard))), "something was told twice"
    assert set(lasting(heard)) == set(lasting(whole)), "something was lost"


def test_many_readers_hear_the_same(api: Api, needs: Needs) -> None:
    from concurrent.futures import ThreadPoolExecutor

    needs("contract.slow")
    run = submit(api, "contract.slow", lines=30, pause=0.03)

    with ThreadPoolExecutor(16) as threads:
        heard = list(threads.map(lambda _: watched(api, run.name), range(16)))

    assert {tuple(lasting(news)) for news in heard} == {tuple(lasting(watched(api, run.name)))}
    assert {check_end(news, run.name).SerializeToString(deterministic=True) for news in heard} == {
        get(api, run.name).SerializeToString(deterministic=True)
    }


def test_a_cancellation_is_told(api: Api, needs: Needs) -> None:
    needs("contract.patient")
    run = running(api, submit(api, "contract.patient").name)
    answers = api.stream(WATCH, name=run.name)
    heard = [next(answers)]
    api.call("RunService.CancelRun", name=run.name)
    heard += answers

    assert state(check_end(heard, run.name)) == "CANCELLED"
    kinds = [RunEvent.Kind.Name(item.kind) for item in told(heard, "event")]
    assert kinds[-2:] == ["KIND_CANCEL_REQUESTED", "KIND_CANCELLED"]


@covers(WATCH, "INVALID_ARGUMENT", "NOT_FOUND")
def test_what_cannot_be_followed_is_refused(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    run = done(api, "contract.quick")
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"name": "runs/nothing"}, "NOT_FOUND"),
        ({"after_event": -1}, "INVALID_ARGUMENT"),
        ({"after_line": -(2**63)}, "INVALID_ARGUMENT"),
        ({"after_steps": [{"run": run.name, "after_event": -1}]}, "INVALID_ARGUMENT"),
        ({"after_steps": [{"run": run.name, "after_line": -1}]}, "INVALID_ARGUMENT"),
        ({"after_steps": [{"run": "nothing"}]}, "INVALID_ARGUMENT"),
        (
            {"after_steps": [{"run": f"runs/{number}"} for number in range(10_001)]},
            "INVALID_ARGUMENT",
        ),
    ]
    for fields, code in refusals:
        refused = api.refusal(WATCH, **{"name": run.name, **fields})
        assert refused.code == code, (str(fields)[:100], refused)


@covers(WATCH, "RESOURCE_EXHAUSTED")
def test_a_reader_that_takes_nothing_is_cut_off_and_may_go_on(api: Api, needs: Needs) -> None:
    """A workflow says ten thousand long lines: far more than a stream that is not read holds."""
    needs("contract.flood")
    run = submit(api, "contract.flood", items=list(range(20)))
    narrow = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 64 * 1024)]
    with api.again(*narrow) as reader:
        answers = reader.stream(WATCH, name=run.name)
        heard = [next(answers)]
        while not any(line.number > 25 for line in told(heard, "line")):
            heard.append(next(answers))
        ended(api, run.name)
        assert api.call("SystemService.GetVersion").api == "v1", "the server goes on"
        with pytest.raises(grpc.RpcError) as raised:
            heard.extend(answers)
    refused = Refusal.of(raised.value)

    assert refused.code == "RESOURCE_EXHAUSTED", refused
    assert refused.details["RetryInfo"].retry_delay.ToMilliseconds() > 0
    rest = watched(api, run.name, **positions(heard, run.name))
    both = lasting(heard) + lasting(rest)
    assert len(both) == len(set(both)), "something was told twice"
    lines = [item for item in both if item[1] == "line"]
    assert len(lines) == 40 + 20 * 500, "something was lost"


def test_readers_that_leave_are_forgotten(api: Api, needs: Needs) -> None:
    """Many readers come and go; the server still tells the next one."""
    needs("contract.patient")
    run = running(api, submit(api, "contract.patient").name)
    for _ in range(100):
        answers = api.stream(WATCH, name=run.name)
        assert next(answers).source == run.name
        answers.close()
    answers = api.stream(WATCH, name=run.name)
    assert next(answers).run.name == run.name
    answers.close()
    api.call("RunService.CancelRun", name=run.name)
    assert state(ended(api, run.name)) == "CANCELLED"
