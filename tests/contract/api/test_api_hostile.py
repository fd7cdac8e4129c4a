"""Clients that want no answer: whatever they do, everybody else is served, and nothing stays."""

from __future__ import annotations

import os
import random
import resource
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from api_calls import WAIT, Api, Refusal, path_of
from api_claims import covers
from api_data import DOMAIN, bring, new_week, of_week, query, weekly_file
from api_frames import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Line,
    call,
    frame,
    frames,
    greeted,
    header_block,
    settings,
)
from api_place import Home, Server
from api_runs import submit, wait_for
from certificates import Authority

from market_spine.v1.dataset_service_pb2 import QueryRequest
from market_spine.v1.run_service_pb2 import WatchRunRequest
from market_spine.v1.system_service_pb2 import GetVersionRequest

PATIENCE = 10.0
"""Seconds within which everybody else is answered, on a machine that has other work as well."""
MORE = 40
"""Descriptors that the server may hold on to: connections to its store, of which it has a pool."""
USUAL_DESCRIPTORS = 1024
MEBIBYTE = 1024 * 1024
MOST_GROWTH = 150 * MEBIBYTE
GET_VERSION, SUBMIT = path_of("SystemService.GetVersion"), path_of("RunService.SubmitRun")


@pytest.fixture(scope="module")
def server(own_servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It starts with as few descriptors as most systems give; a thousand connections take more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_DESCRIPTORS, hard))
    try:
        with Server(Home(tmp_path_factory.mktemp("hostile")), workers=1) as running:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
            with running.api() as client:
                client.call("RunService.ListRuns")
            yield running
            assert not running.defects
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def unharmed(server: Server) -> Iterator[Api]:
    """Others are answered during and after it, and what it took is given back."""
    descriptors, memory = server.descriptors, server.memory
    with server.api() as before:
        answered(before)
        yield before
        answered(before)
    with server.api() as after:
        answered(after)
    try:
        wait_for("end of connections", lambda: server.descriptors <= descriptors + MORE)
    except AssertionError:
        left = Counter(item.partition(":")[0] for item in server.opened)
        raise AssertionError(f"{descriptors} descriptors became {left}") from None
    grown = server.memory - memory
    assert grown < MOST_GROWTH, f"{grown >> 20} MiB were kept"


def answered(client: Api) -> None:
    assert client.call("SystemService.GetVersion", timeout=PATIENCE).api == "v1"


def noise() -> Iterator[bytes]:
    """What may come in by mistake, or on purpose."""
    chance = random.Random(5)
    yield b""
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500)
    yield PREFACE
    yield PREFACE[:10]
    yield PREFACE + b"\xff" * 100
    yield PREFACE + settings() + frame(HEADERS, END_HEADERS, 0, b"\x00")
    yield PREFACE + settings() + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff")
    yield PREFACE + settings() + frame(DATA, 0, 1, b"unasked")
    yield PREFACE + settings() + frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x00\x00")
    yield PREFACE + settings() + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2
    yield PREFACE + settings() + frame(PING, 0, 0, b"short")
    yield PREFACE + settings() + frame(CONTINUATION, 0, 1, b"")
    yield PREFACE + settings() + frame(SETTINGS, 0, 0, b"\x00" * 5)
    yield PREFACE + settings(initial_window=2**32 - 1)
    yield PREFACE + settings() + frame(200, 255, 2**31 - 1, b"what is this")
    yield PREFACE + settings() + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"
    yield PREFACE + settings() + frame(GOAWAY, 0, 0, b"\x00" * 8)
    for _ in range(60):
        yield chance.randbytes(chance.randint(1, 3000))
        yield PREFACE + settings() + chance.randbytes(chance.randint(1, 3000))


def test_frames_by_hand_are_answered(server: Server) -> None:
    """What follows attacks the server with these, so they have to be what a server takes."""
    line = greeted(server.port)
    for stream in (1, 3):
        line.say(call(GET_VERSION, stream))
        said = wait_for("answer", lambda: line.heard(PATIENCE))
        while DATA not in {kind for kind, *_ in frames(said)}:
            said += wait_for("answer", lambda: line.heard(PATIENCE))
        assert b"v1" in said
    line.close()


def test_garbage_is_passed_over(server: Server) -> None:
    with unharmed(server) as others:
        for number, said in enumerate(noise()):
            line = Line(server.port, said)
            line.heard()
            line.close()
            if number % 20 == 0:
                answered(others)


def test_a_body_that_is_no_message_ends_its_call_alone(server: Server) -> None:
    with unharmed(server) as others:
        line = greeted(server.port)
        bodies = [
            b"",
            b"\x00",
            b"\x00\x00\x00\x00\x05abc",
            b"\x01\x00\x00\x00\x01a",
            b"\x07\x00\x00\x00\x00",
            b"\x00\xff\xff\xff\xff",
            b"\x00\x00\x00\x00\x00" * 50,
        ]
        for number, body in enumerate(bodies):
            stream = 2 * number + 1
            line.say(frame(HEADERS, END_HEADERS, stream, header_block(SUBMIT)))
            line.say(frame(DATA, 1, stream, body))
        answered(others)
        line.close()


def test_connections_that_are_half_open_hold_nobody_up(server: Server) -> None:
    with unharmed(server) as others:
        beginnings = [b"", PREFACE[:7], PREFACE, PREFACE + settings()[:5]]
        lines = [Line(server.port, beginnings[number % 4]) for number in range(300)]
        answered(others)
        with server.api() as late:
            answered(late)
        for line in lines:
            line.close()


def test_calls_that_are_begun_and_not_ended_hold_nobody_up(server: Server) -> None:
    """The headers come, the message does not; each connection as often as it is allowed."""
    with server.api() as client:
        newest = client.call("SystemService.ListAuditEntries", page_size=1).entries
    with unharmed(server) as others:
        lines = [greeted(server.port) for _ in range(20)]
        for line in lines:
            for number in range(90):
                stream = 2 * number + 1
                if not line.say(frame(HEADERS, END_HEADERS, stream, header_block(SUBMIT))):
                    break
        answered(others)
        with server.api() as late:
            answered(late)
            assert late.code("RunService.ListRuns", timeout=WAIT) == "OK"
        for line in lines:
            line.close()
    with server.api() as client:
        assert client.call("SystemService.ListAuditEntries", page_size=1).entries == newest


@pytest.mark.parametrize("path", [GET_VERSION, SUBMIT, "/nothing/Nothing"])
def test_calls_that_are_taken_back_at_once_hold_nobody_up(server: Server, path: str) -> None:
    """Rapid reset: every call is taken back before it can be answered."""
    taken_back = frame(RST_STREAM, 0, 0, CANCEL.to_bytes(4, "big"))
    with unharmed(server) as others:
        for _ in range(5):
            lines = [greeted(server.port) for _ in range(4)]
            for line in lines:
                burst = b"".join(
                    call(path, stream) + taken_back[:5] + stream.to_bytes(4, "big") + taken_back[9:]
                    for stream in range(1, 4001, 2)
                )
                line.say(burst)
            answered(others)
            for line in lines:
                line.close()


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, b"12345678"),
        settings(table_size=0),
        frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\x00\x01"),
        frame(DATA, 0, 0, b""),
        frame(64, 0, 0, b"unknown"),
    ],
    ids=["ping", "settings", "window", "data", "unknown"],
)
def test_frames_that_ask_for_nothing_hold_nobody_up(server: Server, flood: bytes) -> None:
    with unharmed(server) as others:
        line = greeted(server.port)
        for _ in range(20):
            if not line.say(flood * 1000):
                break
            line.heard()
        answered(others)
        line.close()


def test_headers_without_an_end_are_cut_off(server: Server) -> None:
    """CONTINUATION after CONTINUATION: the server keeps no more of it than it takes."""
    with unharmed(server) as others:
        line = greeted(server.port)
        line.say(frame(HEADERS, 0, 1, header_block(GET_VERSION)))
        block = b"\x00\x01a\x7f\x81\x77" + b"x" * 15_360
        for _ in range(2000):
            if not line.say(frame(CONTINUATION, 0, 1, block)):
                break
        answered(others)
        line.close()


def test_metadata_that_is_too_large_is_refused(server: Server) -> None:
    with unharmed(server), server.api() as client:
        for size in (20_000, 100_000):
            with pytest.raises(grpc.RpcError) as raised:
                client.raw("SystemService.GetVersion")(
                    GetVersionRequest(), timeout=WAIT, metadata=[("x-much", "x" * size)]
                )
            assert Refusal.of(raised.value).code == "RESOURCE_EXHAUSTED"


def test_who_trickles_tls_holds_nobody_up(own_servers: None, home: Home, tmp_path: Path) -> None:
    authority = Authority("authority of tests")
    cert, key = authority.issue("localhost").written(tmp_path, "server")
    with Server(home, "--tls-cert", str(cert), "--tls-key", str(key)) as guarded:
        trusted = grpc.ssl_channel_credentials(authority.pem)
        with Api(f"localhost:{guarded.port}", credentials=trusted) as client:
            answered(client)
            hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
            lines = [Line(guarded.port, hello[: number % 12]) for number in range(200)]
            answered(client)
            with Api(f"localhost:{guarded.port}", credentials=trusted) as late:
                answered(late)
            for line in lines:
                line.close()
            context = ssl.create_default_context(cadata=authority.pem.decode())
            for _ in range(20):
                line = Line(guarded.port)
                with context.wrap_socket(line.socket, server_hostname="localhost") as wrapped:
                    wrapped.sendall(os.urandom(100))
            answered(client)
        assert not guarded.defects


def refusal_of(client: Api, asked: QueryRequest) -> Refusal | None:
    try:
        client.call("DatasetService.Query", asked)
    except grpc.RpcError as error:
        return Refusal.of(error)
    return None


@covers("DatasetService.Query", "RESOURCE_EXHAUSTED", "OK")
def test_who_takes_nothing_is_cut_off_after_a_minute(server: Server, tmp_path: Path) -> None:
    """As many queries as may be open at once, and readers of a run, that read nothing.

    Meanwhile a thousand clients are connected and idle, and everybody else is served.
    """
    week = new_week()
    with server.api() as client:
        bring(client, weekly_file(tmp_path, week))
        run = submit(client, "contract.without_parameters").name
    asked = QueryRequest(dataset=f"datasets/{DOMAIN}.venue_volume", **of_week(week))
    watch = WatchRunRequest(name=run)
    with unharmed(server) as others, ExitStack() as connected:
        deaf = [greeted(server.port, initial_window=0) for _ in range(8)]
        for line in deaf[:4]:
            line.say(call(path_of("DatasetService.Query"), 1, asked.SerializeToString()))
        for line in deaf[4:]:
            line.say(call(path_of("RunService.WatchRun"), 1, watch.SerializeToString()))
        refused = wait_for("refusal of one query more", lambda: refusal_of(others, asked))
        assert refused.code == "RESOURCE_EXHAUSTED", refused
        assert refused.details["RetryInfo"].retry_delay.ToMilliseconds() > 0
        idle = [greeted(server.port) for _ in range(1000)]
        for line in (*idle, *deaf):
            connected.callback(line.close)
        began = time.monotonic()
        while others.code("DatasetService.Query", asked, timeout=WAIT) != "OK":
            assert time.monotonic() - began < 2 * WAIT, "the deaf are not cut off"
            answered(others)
        with server.api() as late:
            assert query(late, "venue_volume", **of_week(week)).height
