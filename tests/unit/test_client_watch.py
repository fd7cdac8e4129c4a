"""Following a run: over streams that break, nothing is lost and nothing is told twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from scripted_server import ScriptedServer, fail, scripted

from market_spine.client import RunNews, SpineClient
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.domain.queueing import Progress
from market_spine.domain.runs import LogLine, Run, RunEvent
from market_spine.v1 import run_event_pb2, run_pb2, run_service_pb2

WATCH = "RunService/WatchRun"
NOON = datetime(2025, 12, 15, 12, tzinfo=UTC)
AWAY = SpineError("the server is stopped", category=Category.DEPENDENCY)
CUT_OFF = SpineError("read too slowly", category=Category.RESOURCE)


def run(state: str, name: str = "main") -> run_service_pb2.WatchRunResponse:
    message = run_pb2.Run(
        name=f"runs/{name}", pipeline="a.b", state=f"STATE_{state}", trigger="TRIGGER_REQUEST"
    )
    message.create_time.FromDatetime(NOON)
    return run_service_pb2.WatchRunResponse(source=f"runs/{name}", run=message)


def event(number: int, name: str = "main") -> run_service_pb2.WatchRunResponse:
    message = run_event_pb2.RunEvent(run=f"runs/{name}", number=number, kind="KIND_CLAIMED")
    message.time.FromDatetime(NOON + timedelta(seconds=number))
    step = "" if name == "main" else name
    return run_service_pb2.WatchRunResponse(source=f"runs/{name}", step=step, event=message)


def line(number: int, name: str = "main") -> run_service_pb2.WatchRunResponse:
    message = run_event_pb2.LogLine(
        run=f"runs/{name}", number=number, level="INFO", text=f"line {number}"
    )
    message.time.FromDatetime(NOON)
    return run_service_pb2.WatchRunResponse(source=f"runs/{name}", line=message)


def progress(done: int) -> run_service_pb2.WatchRunResponse:
    message = run_pb2.RunProgress(label="reading", done=done)
    return run_service_pb2.WatchRunResponse(source="runs/main", progress=message)


def streams(*each: list[Any]) -> Callable[..., Iterator[Any]]:
    """Each stream gives these messages; an error ends it as the server would."""
    left = list(each)

    def answer(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for item in left.pop(0) if len(left) > 1 else left[0]:
            if isinstance(item, SpineError):
                fail(context, item)
            yield item

    return answer


def short(news: RunNews) -> str:
    match news.what:
        case Run():
            return f"{news.run} {news.what.state}"
        case RunEvent():
            return f"{news.run} event {news.what.key}"
        case LogLine():
            return f"{news.run} line {news.what.number}"
        case Progress():
            return f"{news.run} at {news.what.done}"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted({}) as running:
        yield running


def told(server: ScriptedServer, **asked: Any) -> list[str]:
    with SpineClient(server.address) as client:
        return [short(news) for news in client.runs.watch("main", **asked)]


@pytest.mark.parametrize("end", [AWAY, CUT_OFF], ids=["away", "cut off"])
def test_a_stream_that_breaks_goes_on_where_it_was(server: ScriptedServer, end: SpineError) -> None:
    server.answers[WATCH] = streams(
        [run("RUNNING"), event(3), line(1), event(7, "step"), line(4, "step"), progress(5), end],
        # What was told comes once more, as from a server that does not know positions.
        [run("RUNNING"), event(3), event(7, "step"), progress(5), event(9), line(2), progress(6)],
        [run("SUCCEEDED")],
    )

    assert told(server) == [
        *("main RUNNING", "main event 3", "main line 1", "step event 7", "step line 4"),
        *("main at 5", "main event 9", "main line 2", "main at 6", "main SUCCEEDED"),
    ]

    first, second, third = (call.request for call in server.received)
    assert (first.after_event, first.after_line, list(first.after_steps)) == (0, 0, [])
    assert (second.after_event, second.after_line) == (3, 1)
    assert [(at.run, at.after_event, at.after_line) for at in second.after_steps] == [
        ("runs/step", 7, 4)
    ]
    assert (third.after_event, third.after_line) == (9, 2)


def test_it_begins_where_it_is_told_to(server: ScriptedServer) -> None:
    server.answers[WATCH] = streams([run("RUNNING"), event(8), run("FAILED")])

    assert told(server, after_event=7, after_line=2, lines=False) == [
        *("main RUNNING", "main event 8", "main FAILED"),
    ]
    asked = server.received[0].request
    assert (asked.after_event, asked.after_line, asked.without_lines) == (7, 2, True)


def test_a_run_that_is_over_already_is_told_once_and_ends_it(server: ScriptedServer) -> None:
    server.answers[WATCH] = streams([run("SUCCEEDED"), event(1), line(1), run("SUCCEEDED")])

    found = told(server)

    assert found[-1] == "main SUCCEEDED"
    assert [item for item in found if "event" in item or "line" in item] == [
        *("main event 1", "main line 1"),
    ]


def test_a_stream_that_breaks_behind_the_end_is_made_again(server: ScriptedServer) -> None:
    server.answers[WATCH] = streams(
        [run("SUCCEEDED"), event(1), AWAY],
        [run("SUCCEEDED"), event(1), event(2), line(1), run("SUCCEEDED")],
    )

    found = told(server)

    assert [item for item in found if "SUCCEEDED" not in item] == [
        *("main event 1", "main event 2", "main line 1"),
    ]
    assert found[-1] == "main SUCCEEDED"


def test_the_end_of_a_step_is_not_the_end(server: ScriptedServer) -> None:
    server.answers[WATCH] = streams(
        [run("RUNNING"), run("SUCCEEDED", "step"), AWAY],
        [run("RUNNING"), run("SUCCEEDED", "step"), run("FAILED")],
    )

    assert told(server) == ["main RUNNING", "step SUCCEEDED", "main FAILED"]


def test_news_of_a_kind_that_is_not_known_are_passed_over(server: ScriptedServer) -> None:
    unknown = event(2)
    unknown.event.kind = 99  # type: ignore[assignment]
    nothing = run_service_pb2.WatchRunResponse(source="runs/main")
    server.answers[WATCH] = streams([run("RUNNING"), unknown, nothing, run("CANCELLED")])

    assert told(server) == ["main RUNNING", "main CANCELLED"]


def test_what_a_repeat_cannot_help_is_raised(server: ScriptedServer) -> None:
    server.answers[WATCH] = streams([ValidationError("there is no run main")])

    with pytest.raises(ValidationError, match="no run main"):
        told(server)

    assert len(server.received) == 1


def test_a_reader_that_leaves_ends_the_call(server: ScriptedServer) -> None:
    left = threading.Event()

    def endless(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(left.set)
        yield run("RUNNING")
        left.wait(20)

    server.answers[WATCH] = endless
    with SpineClient(server.address) as client:
        news = client.runs.watch("main")
        assert isinstance(next(news).what, Run)
        assert not left.is_set()

        news.close()  # type: ignore[attr-defined]  # the iterator is a generator

        assert left.wait(20)
