"""Whatever is sent, the answer is a documented one, and the server is as it was before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from api_calls import METHODS, WAIT, Api, path_of
from api_data import header, pieces
from api_documented import documented
from api_messages import garbled, messages, requests
from api_place import Home, Server
from api_seeds import seeds_of
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("SPINE_TEST_FUZZ", "200"))
LEAST = 100  # examples, of which some have to be what the server takes
MEBIBYTE = 1024 * 1024
MOST_GROWTH = 150 * MEBIBYTE
SHORT = 0.05
"""Seconds that a run is watched: most of them wait, and would be watched for ever."""
STREAMS_IN = [name for name, method in METHODS.items() if method.client_streaming]


def thorough(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )


def allowed(method: str) -> set[str]:
    """How a call may end on a server that is well and asks nobody for credentials."""
    codes = {"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"} | documented(method)
    if method == "RunService.WatchRun":
        codes.add("DEADLINE_EXCEEDED")  # that of this client
    return codes - {"UNAVAILABLE"}


class Attacked:
    """A server, and the names of what there is on it."""

    def __init__(self, server: Server, examples: int) -> None:
        self.server = server
        self.examples = examples
        self.api = server.api()
        self.memory = server.memory
        self.seeds = seeds_of(self.api)

    def check(self) -> None:
        """It answers as it did before, has kept little, and had no surprise."""
        assert not self.server.defects
        assert self.api.call("SystemService.GetVersion").api == "v1"
        assert self.api.code("RunService.ListRuns") == "OK"
        grown = self.server.memory - self.memory
        assert grown < MOST_GROWTH, f"{grown >> 20} MiB were kept"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def attacked(
    request: pytest.FixtureRequest, own_servers: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    home = Home(tmp_path_factory.mktemp(f"attacked-{request.param}"))
    if request.param == "postgres":
        home.url = request.getfixturevalue("postgres_url_of_session")
    with Server(home) as server:
        # What is read and checked before the store is the same over both.
        made = Attacked(server, EXAMPLES if home.url is None else EXAMPLES // 2)
        yield made
        made.api.close()


def ends(api: Api, method: str, raw: bytes | list[bytes]) -> str:
    """With which code a call of those bytes ends; of a stream of answers a few are read."""
    kind = METHODS[method]
    asks = "stream" if kind.client_streaming else "unary"
    answers = "stream" if kind.server_streaming else "unary"
    call = getattr(api.channel, f"{asks}_{answers}")(path_of(method))
    sent: Any = iter(raw) if isinstance(raw, list) else raw
    timeout = SHORT if method == "RunService.WatchRun" else WAIT
    try:
        answer = call(sent, timeout=timeout)
        if kind.server_streaming:
            for _ in answer:
                pass
    except grpc.RpcError as error:
        return str(error.code().name)  # type: ignore[attr-defined]
    return "OK"


@pytest.mark.parametrize("method", [name for name in METHODS if name not in STREAMS_IN])
def test_any_message_is_answered_as_documented(attacked: Attacked, method: str) -> None:
    codes = allowed(method)
    any_message = requests(METHODS[method].input_type, attacked.seeds)

    seen: set[str] = set()

    @thorough(attacked.examples)
    @given(any_message, st.integers(0, 3), st.data())
    def attack(message: Message, wrong: int, data: st.DataObject) -> None:
        raw = message.SerializeToString()
        if wrong == 0:
            raw = data.draw(garbled(raw))
        code = ends(attacked.api, method, raw)
        assert code in codes, f"{method} ends with {code} for {raw[:300]!r}"
        seen.add(code)

    attack()
    attacked.check()
    options = METHODS[method].GetOptions()
    if options.idempotency_level == options.NO_SIDE_EFFECTS and EXAMPLES >= LEAST:
        assert seen & {"OK", "DEADLINE_EXCEEDED"}, f"nothing that was sent makes sense: {seen}"


@pytest.mark.parametrize("method", STREAMS_IN)
def test_any_stream_of_messages_is_answered_as_documented(attacked: Attacked, method: str) -> None:
    codes = allowed(method)
    kind = METHODS[method].input_type
    content = b"0123456789" * 30
    good = [header(content, "a.csv", "contract.file"), *pieces(content, 100)]
    likely = st.lists(st.sampled_from(good), max_size=6) | st.just(good)
    unlikely = st.lists(messages(kind, attacked.seeds), max_size=4)
    mixed = st.tuples(st.just(good[:1]), unlikely).map(lambda both: both[0] + both[1])

    @thorough(attacked.examples)
    @given(st.one_of(likely, unlikely, mixed), st.integers(0, 4), st.data())
    def attack(stream: list[Message], wrong: int, data: st.DataObject) -> None:
        raw = [message.SerializeToString() for message in stream]
        if wrong == 0 and raw:
            raw[-1] = data.draw(garbled(raw[-1]))
        code = ends(attacked.api, method, raw)
        assert code in codes, f"{method} ends with {code} for {[item[:200] for item in raw]!r}"

    attack()
    attacked.check()


def deep(number: int, inside: bytes, levels: int) -> bytes:
    """A field inside itself, so many times; far more than a library would write."""
    for _ in range(levels):
        size = len(inside)
        length = bytearray()
        while size >= 128:
            length.append(size % 128 | 128)
            size //= 128
        inside = bytes([number << 3 | 2]) + bytes([*length, size]) + inside
    return inside


@pytest.mark.parametrize("levels", [30, 100, 1_000, 20_000])
def test_any_depth_is_answered(attacked: Attacked, levels: int) -> None:
    """A Value in a ValueList (field 6), in which it is field 1, in the value of a parameter."""
    nested = b""
    for _ in range(min(levels, 2_000)):
        nested = deep(6, deep(1, nested, 1), 1)
    entry = deep(2, b"\x0a\x01a" + deep(2, nested, 1), 1)
    code = ends(attacked.api, "RunService.SubmitRun", b"\x0a\x0econtract.quick" + entry)
    assert code == "INVALID_ARGUMENT"
    for number in (1, 2, 6):
        raw = deep(number, b"", levels)
        assert ends(attacked.api, "RunService.SubmitRun", raw) in allowed("RunService.SubmitRun")
    attacked.check()


@thorough(EXAMPLES)
@given(raw=st.lists(st.binary(max_size=40), max_size=3))
def test_any_bytes_to_reflection_are_answered(attacked: Attacked, raw: list[bytes]) -> None:
    call = attacked.api.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    )
    try:
        code = "OK" if list(call(iter(raw), timeout=WAIT)) is not None else ""
    except grpc.RpcError as error:
        code = str(error.code().name)  # type: ignore[attr-defined]

    assert code in {"OK", "INVALID_ARGUMENT"}
