"""Whatever is sent, the answer is a documented one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from api_process import WAIT, ApiProcess
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market_spine.v1.run_service_pb2 import GetRunRequest, ListRunsRequest

GET_CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
LIST_CODES = {"OK", "INVALID_ARGUMENT"}

a_shared_server = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = texts | texts.map("runs/{}".format) | st.from_regex(r"runs/[\w.~-]{1,40}", fullmatch=True)
int32 = st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 8)


def code(call: Callable[[], Any]) -> str:
    try:
        call()
    except grpc.RpcError as error:
        problem: Any = error
        return str(problem.code().name)
    return "OK"


@a_shared_server
@given(name=names)
def test_any_name(api: ApiProcess, name: str) -> None:
    assert code(lambda: api.runs.GetRun(GetRunRequest(name=name), timeout=WAIT)) in GET_CODES
    assert "correlation id" not in api.log


@a_shared_server
@given(
    request=st.builds(
        ListRunsRequest,
        page_size=int32,
        page_token=texts,
        pipeline=texts,
        state=int32,
        parent_run=names | st.just(""),
        top_level_only=st.booleans(),
    )
)
def test_any_listing(api: ApiProcess, request: ListRunsRequest) -> None:
    assert code(lambda: api.runs.ListRuns(request, timeout=WAIT)) in LIST_CODES
    assert "correlation id" not in api.log


@a_shared_server
@given(method=st.sampled_from(["GetRun", "ListRuns"]), raw=st.binary(max_size=60))
def test_any_bytes(api: ApiProcess, method: str, raw: bytes) -> None:
    call = api.channel.unary_unary(f"/market_spine.v1.RunService/{method}")

    assert code(lambda: call(raw, timeout=WAIT)) in (
        GET_CODES if method == "GetRun" else LIST_CODES
    )
    assert "correlation id" not in api.log


@a_shared_server
@given(raw=st.lists(st.binary(max_size=40), max_size=3))
def test_any_bytes_to_reflection(api: ApiProcess, raw: list[bytes]) -> None:
    call = api.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    )

    assert code(lambda: list(call(iter(raw), timeout=WAIT))) in {"OK", "INVALID_ARGUMENT"}
    assert "correlation id" not in api.log
