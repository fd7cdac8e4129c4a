"""Following a run of a server: what there is by one look, what happens next by one stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from scripted_server import ScriptedServer, in_turn, scripted
from test_client_watch import AWAY, event, line, progress, run, streams

from market_spine.adapters.inbound.cli.follow import until_final
from market_spine.application.watch_run import Look
from market_spine.bootstrap.remote import RemoteApplication
from market_spine.bootstrap.remote_settings import RemoteSettings
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.queueing import Progress
from market_spine.domain.runs import LogLine, Run, RunEvent, RunState
from market_spine.v1 import run_service_pb2 as pb

WATCH = "RunService/WatchRun"
GET = "RunService/GetRun"
PLANNED = run("RUNNING")
PLANNED.run.attempt = 1


def standing(state: str) -> pb.GetRunResponse:
    found = pb.GetRunResponse(run=run(state).run)
    found.run.attempt = 1
    return found


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A run that has told an event and a line, with a step that has told two events."""
    step = run("RUNNING", "part").run
    step.attempt, step.step, step.parent_run = 1, "load", "runs/main"

    def events(request: Any, _: Any) -> Any:
        there = (
            [event(3)] if request.parent == "runs/main" else [event(4, "part"), event(5, "part")]
        )
        kept = [item.event for item in there if item.event.number > request.after_event]
        return pb.ListRunEventsResponse(events=kept)

    def lines(request: Any, _: Any) -> Any:
        mine = request.parent == "runs/main" and not request.after_line
        return pb.ListRunLogLinesResponse(lines=[line(1).line] if mine else [])

    def steps(request: Any, _: Any) -> Any:
        return pb.ListRunStepsResponse(steps=[step] if request.parent == "runs/main" else [])

    answers = {
        GET: in_turn(standing("RUNNING")),
        "RunService/ListRunSteps": steps,
        "RunService/ListRunEvents": events,
        "RunService/ListRunLogLines": lines,
    }
    with scripted(answers) as running:
        yield running


@pytest.fixture
def remote(server: ScriptedServer) -> Iterator[RemoteApplication]:
    made = RemoteApplication(RemoteSettings(server.address))
    yield made
    made.close()


def told(look: Look) -> list[str]:
    found = []
    for item in look.news:
        match item.what:
            case RunEvent() as what:
                found.append(f"{item.run.id}{item.where} event {what.key}")
            case LogLine() as what:
                found.append(f"{item.run.id}{item.where} line {what.number}")
            case Progress() as what:
                found.append(f"{item.run.id}{item.where} at {what.done}")
            case Run():
                pass
    return found


FIRST = ["main line 1", "main event 3", "partload event 4", "partload event 5"]


def test_what_there_is_is_read_once_and_what_comes_is_streamed_after_it(
    server: ScriptedServer, remote: RemoteApplication
) -> None:
    new_step = run("RUNNING", "late")
    new_step.run.step, new_step.step = "late", "late"
    server.answers[WATCH] = streams(
        [
            # What was read comes once more, as from a server that does not know positions.
            *(PLANNED, event(3), line(1), event(5, "part"), event(7), new_step),
            *(event(8, "late"), progress(4), line(2), run("SUCCEEDED")),
        ]
    )

    with remote.watch_run("main") as watch:
        looks = [watch.look()]
        unary = len(server.received)
        while not looks[-1].run.state.final:
            looks.append(watch.look())

    assert told(looks[0]) == FIRST
    assert [item for look in looks[1:] for item in told(look)] == [
        *("main event 7", "latelate event 8", "main at 4", "main line 2"),
    ]
    assert looks[-1].run.state is RunState.SUCCEEDED
    assert looks[-1].news == []
    [asked] = [call.request for call in server.received[unary:]]
    assert (asked.name, asked.after_event, asked.after_line) == ("runs/main", 3, 1)
    assert [(at.run, at.after_event) for at in asked.after_steps] == [("runs/part", 5)]


def test_a_stream_that_breaks_goes_on_and_an_answer_without_news_ends_the_outage(
    server: ScriptedServer, remote: RemoteApplication
) -> None:
    server.answers[WATCH] = streams(
        [PLANNED, event(7), AWAY], [AWAY], [PLANNED, event(9), AWAY], [run("FAILED")]
    )

    with remote.watch_run("main") as watch:
        heard = []
        while not heard or heard[-1] != "FAILED":
            try:
                look = watch.look()
            except SpineError as error:
                heard.append(error.message)
            else:
                heard.append(look.run.state.value if look.run.state.final else told(look))

    away = AWAY.message
    assert heard == [
        FIRST,
        [],
        ["main event 7"],
        away,
        away,
        [],
        ["main event 9"],
        away,
        [],
        "FAILED",
    ]
    assert server.calls(WATCH)[-1].request.after_event == 9


def test_a_stream_that_ends_before_its_run_is_a_break(
    server: ScriptedServer, remote: RemoteApplication
) -> None:
    server.answers[WATCH] = streams([PLANNED], [run("SUCCEEDED")])

    with remote.watch_run("main") as watch:
        watch.look()
        watch.look()
        with pytest.raises(SpineError, match="has not ended") as raised:
            watch.look()
        assert raised.value.retryable
        final = until_final(watch, lambda *_: None)

    assert final.state is RunState.SUCCEEDED


def test_a_first_look_that_fails_has_told_nothing(
    server: ScriptedServer, remote: RemoteApplication
) -> None:
    lines = server.answers["RunService/ListRunLogLines"]
    denied = SpineError("not now", category=Category.LOAD)
    server.answers["RunService/ListRunLogLines"] = in_turn(denied, lines)

    with remote.watch_run("main") as watch:
        with pytest.raises(SpineError, match="not now"):
            watch.look()
        assert told(watch.look()) == FIRST


def test_a_run_that_is_over_needs_no_stream(
    server: ScriptedServer, remote: RemoteApplication
) -> None:
    server.answers[GET] = in_turn(standing("SUCCEEDED"))

    with remote.watch_run("main") as watch:
        look = watch.look()

    assert look.run.state is RunState.SUCCEEDED
    assert told(look) == FIRST
    assert server.calls(WATCH) == []


def test_who_leaves_ends_the_stream(server: ScriptedServer, remote: RemoteApplication) -> None:
    left = threading.Event()

    def endless(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(left.set)
        yield PLANNED
        left.wait(20)

    server.answers[WATCH] = endless

    with remote.watch_run("main") as watch:
        watch.look()
        watch.look()
        assert not left.is_set()

    assert left.wait(20)
