"""Rows that arrive as Arrow, column types by their names, files that are brought."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scripted_server import ScriptedServer, fail, scripted

from market_spine.adapters.inbound.grpc import messages_catalog
from market_spine.application.finra_otc.datasets import finra_otc_datasets
from market_spine.client import SpineClient
from market_spine.client.decoding_datasets import dataset_of, dtype_of
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    SourceError,
    SpineError,
    ValidationError,
)
from market_spine.v1 import dataset_service_pb2 as pb
from market_spine.v1 import run_pb2

QUERY = "DatasetService/Query"
UPLOAD = "DatasetService/UploadFile"
AWAY = SpineError("the server is stopped", category=Category.DEPENDENCY)
FRAME = pl.DataFrame(
    {
        "day": [date(2025, 11, 10), None],
        "at": [datetime(2025, 11, 10, 9, 30, 0, 1, tzinfo=UTC), None],
        "price": [Decimal("12345678901234567890.123456"), None],
        "count": [2**63 - 1, None],
        "share": [0.1, None],
        "name": ["ä", None],
        "flag": [True, None],
    },
    schema_overrides={"price": pl.Decimal(38, 6)},
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted({}) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[SpineClient]:
    with SpineClient(server.address) as made:
        yield made


def arrow(frame: pl.DataFrame) -> pb.QueryResponse:
    written = io.BytesIO()
    frame.write_ipc_stream(written, compression="zstd")
    return pb.QueryResponse(arrow=written.getvalue(), rows=frame.height)


def test_rows_come_in_one_frame_as_they_were(server: ScriptedServer, client: SpineClient) -> None:
    server.answers[QUERY] = lambda *_: iter([arrow(FRAME[:1]), arrow(FRAME[1:]), arrow(FRAME[:0])])

    assert_frame_equal(client.query("a.b"), FRAME)
    assert [frame.height for frame in client.query_batches("a.b")] == [1, 1, 0]


def test_without_rows_there_are_columns_and_types(
    server: ScriptedServer, client: SpineClient
) -> None:
    server.answers[QUERY] = lambda *_: iter([arrow(FRAME[:0])])

    found = client.query("a.b")

    assert (found.height, found.schema) == (0, FRAME.schema)


def test_all_that_is_asked_reaches_the_server(server: ScriptedServer, client: SpineClient) -> None:
    server.answers[QUERY] = lambda *_: iter([arrow(FRAME)])

    client.query(
        "a.b",
        columns=["share", "day"],
        first_period=date(2025, 11, 3),
        last_period=date(2025, 11, 10),
        segment="OTC",
        symbols=["AAPL", "MSFT"],
        equals={"name": "ä", "rank": 1, "share": Decimal("1E+2"), "day": date(2025, 11, 3)},
        as_of=datetime(2025, 12, 16, 1, 2, 3, 4, tzinfo=UTC),
        limit=0,
    )
    client.query("datasets/a.b")

    first, second = (call.request for call in server.received)
    assert (first.dataset, second.dataset) == ("datasets/a.b", "datasets/a.b")
    assert list(first.columns) == ["share", "day"]
    assert (first.first_period.day, first.last_period.day) == (3, 10)
    assert (first.segment, list(first.symbols), dict(first.equals)) == (
        *("OTC", ["AAPL", "MSFT"]),
        {"name": "ä", "rank": "1", "share": "100", "day": "2025-11-03"},
    )
    assert first.as_of.ToDatetime(tzinfo=UTC) == datetime(2025, 12, 16, 1, 2, 3, 4, tzinfo=UTC)
    assert (first.HasField("limit"), first.limit, second.HasField("limit")) == (True, 0, False)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"equals": {"rank": None}}, "equals: None is no value to compare rank with"),
        ({"equals": {"flag": True}}, "equals: True is no value to compare flag with"),
        ({"equals": {"share": 0.5}}, "equals: 0.5 is no value"),
        (
            {"first_period": "2025-11-24", "last_period": "2025-11-10"},
            "first_period 2025-11-24 is later than last_period 2025-11-10",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_is_sent(
    server: ScriptedServer, client: SpineClient, wanted: Any, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        client.query("a.b", **wanted)
    assert not server.received


def test_rows_of_which_none_has_arrived_are_asked_for_again(
    server: ScriptedServer, client: SpineClient
) -> None:
    def answer(_: Any, context: grpc.ServicerContext) -> Iterator[pb.QueryResponse]:
        if len(server.received) < 3:
            fail(context, AWAY)
        yield arrow(FRAME)

    server.answers[QUERY] = answer

    assert_frame_equal(client.query("a.b"), FRAME)
    assert len(server.calls(QUERY)) == 3


@pytest.mark.parametrize("broken", [b"", b"no arrow", arrow(FRAME).arrow[:200]])
def test_rows_that_cannot_be_read_are_a_typed_error(
    server: ScriptedServer, client: SpineClient, broken: bytes
) -> None:
    server.answers[QUERY] = lambda *_: iter([pb.QueryResponse(arrow=broken)])

    with pytest.raises(SpineError, match=r"rows of dataset a\.b"):
        client.query("a.b")


def test_an_answer_of_nothing_is_a_typed_error(server: ScriptedServer, client: SpineClient) -> None:
    server.answers[QUERY] = lambda *_: iter([])

    with pytest.raises(SpineError, match="not even its columns"):
        client.query("a.b")


def test_rows_that_end_in_an_error_are_not_taken_for_all(
    server: ScriptedServer, client: SpineClient
) -> None:
    def half(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        yield arrow(FRAME)
        fail(context, AWAY)

    server.answers[QUERY] = half

    with pytest.raises(SpineError, match="the server is stopped"):
        client.query("a.b")
    assert len(server.received) == 1


@pytest.mark.parametrize("dataset", finra_otc_datasets(), ids=lambda dataset: dataset.name)
def test_every_dataset_comes_back(dataset: Any) -> None:
    message = messages_catalog.dataset_message(dataset.spec)

    assert dataset_of(type(message).FromString(message.SerializeToString())) == dataset.spec


@pytest.mark.parametrize(
    "dtype",
    [
        *(pl.Int8(), pl.UInt64(), pl.Int128(), pl.Float32(), pl.Boolean(), pl.String()),
        *(pl.Binary(), pl.Date(), pl.Time(), pl.Decimal(38, 6), pl.Decimal(10, 0)),
        *(pl.Datetime("us"), pl.Datetime("ns", "Europe/Berlin"), pl.Duration("ms")),
        *(pl.List(pl.Int64()), pl.List(pl.List(pl.Decimal(5, 2)))),
    ],
    ids=str,
)
def test_types_are_read_as_polars_writes_them(dtype: pl.DataType) -> None:
    assert dtype_of(str(dtype)) == dtype


def test_a_decimal_is_read_as_the_contract_writes_it() -> None:
    assert dtype_of("Decimal(38, 6)") == pl.Decimal(38, 6)


@pytest.mark.parametrize("text", ["", "Int65", "Decimal(x, 6)", "List(Foo)", "Date, Int64"])
def test_a_type_that_is_not_known_is_an_error_that_says_so(text: str) -> None:
    with pytest.raises(ConfigurationError, match="the type of a column"):
        dtype_of(text)


def uploaded() -> pb.UploadFileResponse:
    run = run_pb2.Run(name="runs/r1", state="STATE_PENDING", trigger="TRIGGER_REQUEST")
    run.create_time.FromDatetime(datetime(2025, 12, 15, tzinfo=UTC))
    return pb.UploadFileResponse(run=run)


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024 - 64, 3 * 1024 * 1024 + 5])
def test_a_file_arrives_as_it_is_in_messages_that_servers_take(
    server: ScriptedServer, client: SpineClient, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    (tmp_path / "week.csv").write_bytes(content)
    server.answers[UPLOAD] = lambda requests, _: received.extend(requests) or uploaded()
    received: list[pb.UploadFileRequest] = []

    run = client.datasets.upload(
        tmp_path / "week.csv", "a.b", parameters={"tier": "OTC"}, force=True
    )

    assert run.id == "r1"
    header = received[0].header
    assert (header.file_name, header.size, header.pipeline) == ("week.csv", size, "a.b")
    assert (header.file_parameter, header.force) == ("file", True)
    assert header.parameters["tier"].string_value == "OTC"
    assert header.request_id
    assert header.sha256 == hashlib.sha256(content).digest()
    assert b"".join(item.chunk for item in received[1:]) == content
    assert max(item.ByteSize() for item in received) <= 1024 * 1024


def test_a_file_is_sent_again_under_the_same_id_when_the_connection_breaks(
    server: ScriptedServer, client: SpineClient, tmp_path: Path
) -> None:
    (tmp_path / "week.csv").write_bytes(b"x" * 3_000_000)
    tries: list[tuple[str, int]] = []

    def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        header = next(requests).header
        if not tries:
            tries.append((header.request_id, len(next(requests).chunk)))
            return fail(context, AWAY)
        tries.append((header.request_id, sum(len(item.chunk) for item in requests)))
        return uploaded()

    server.answers[UPLOAD] = answer

    told: list[int] = []
    assert client.datasets.upload(tmp_path / "week.csv", "a.b", told=told.append).id == "r1"
    assert [size for _, size in tries] == [1024 * 1024 - 64, 3_000_000]
    assert tries[0][0] == tries[1][0]
    piece = 1024 * 1024 - 64
    assert told.count(0) == 2, "each time from its beginning"
    assert told[-4:] == [0, piece, 2 * piece, 3_000_000]


def test_a_file_that_takes_too_long_is_not_sent_again(
    server: ScriptedServer, client: SpineClient, tmp_path: Path
) -> None:
    (tmp_path / "week.csv").write_bytes(b"x")
    late = SpineError("it took too long", category=Category.TIMEOUT)
    server.answers[UPLOAD] = lambda _, context: fail(context, late)

    with pytest.raises(SpineError, match="it took too long"):
        client.datasets.upload(tmp_path / "week.csv", "a.b")

    assert len(server.calls(UPLOAD)) == 1


def test_a_server_that_refuses_at_once_is_not_sent_the_rest(
    server: ScriptedServer, client: SpineClient, tmp_path: Path
) -> None:
    (tmp_path / "week.csv").write_bytes(b"x" * 30_000_000)
    server.answers[UPLOAD] = lambda requests, context: fail(
        context, ValidationError(f"there is no pipeline {next(requests).header.pipeline}")
    )

    with pytest.raises(ValidationError, match=r"there is no pipeline a\.b"):
        client.datasets.upload(tmp_path / "week.csv", "a.b")


def test_a_file_that_cannot_be_read_is_named_before_anything_is_sent(
    server: ScriptedServer, client: SpineClient, tmp_path: Path
) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SourceError, match="cannot be read") as raised:
            client.datasets.upload(path, "a.b")
        assert str(path) in raised.value.message
    assert server.received == []
