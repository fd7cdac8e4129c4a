"""Rows of a dataset as a stream of Arrow, at the pace of whoever reads it."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Lock
from typing import Literal, cast

import polars as pl

from ....application.read_datasets import ReadDatasets, schema_of
from ....domain.access import PrincipalKind
from ....domain.datasets import DatasetQuery
from ....domain.errors import Category, SpineError
from ....v1 import dataset_service_pb2
from .callers import caller_of
from .resource_names import DATASETS, id_of, invalid_field
from .values import date_of, moment_of
from .work import Threads

MOST_QUERIES = 4
"""Open at once: each holds a connection of the store, of which there are eight by default."""
MOST_OF_ONE = 2
"""Open at once for one caller, where callers are known: others want to read as well."""
PATIENCE = 10.0
"""Seconds that a query waits until another one ends."""
MESSAGE_BYTES = 1024 * 1024
MOST_SYMBOLS = 1_000

Codec = Literal["uncompressed", "zstd", "lz4"]
Response = dataset_service_pb2.QueryResponse
_COMPRESSION = dataset_service_pb2.QueryRequest.Compression
_CODECS: dict[int, Codec] = {
    _COMPRESSION.COMPRESSION_UNSPECIFIED: "uncompressed",
    _COMPRESSION.COMPRESSION_NONE: "uncompressed",
    _COMPRESSION.COMPRESSION_ZSTD: "zstd",
    _COMPRESSION.COMPRESSION_LZ4: "lz4",
}


class QueryStreams:
    """Reads datasets. A piece is read when the one before it was taken; no thread waits for that.

    The threads are its own: a long read holds nobody else up.
    """

    def __init__(self, read: ReadDatasets) -> None:
        self._read = read
        self._executor = ThreadPoolExecutor(MOST_QUERIES, thread_name_prefix="query")
        self._threads = Threads(self._executor)
        self._room = asyncio.Semaphore(MOST_QUERIES)
        self._open: Counter[str] = Counter()

    async def stream(
        self, request: dataset_service_pb2.QueryRequest
    ) -> AsyncGenerator[Response, None]:
        """The rows that are asked for; the first message is there even without any."""
        name = id_of(DATASETS, request.dataset, field="dataset")
        query, codec = _query(request), _codec(request.compression)
        empty = pl.DataFrame(schema=schema_of(self._read.spec(name), query))
        async with self._place():
            pieces = _Pieces(_pieces(self._read.stream(name, query), codec))
            sent = False
            try:
                while (piece := await self._threads.do(pieces.next)) is not None:
                    sent = True
                    yield piece
                if not sent:
                    yield _piece(empty, codec)
            finally:
                # Also when the client is gone: the snapshot it was read from ends.
                await asyncio.shield(self._threads.do(pieces.close))

    def close(self) -> None:
        """Let go of the threads; what is under way ends first."""
        self._executor.shutdown()

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None, None]:
        caller = caller_of()
        if caller.kind is not PrincipalKind.LOCAL and self._open[caller.name] >= MOST_OF_ONE:
            raise _busy(f"{caller.name} has {MOST_OF_ONE} queries open already")
        self._open[caller.name] += 1
        try:
            async with self._waited_for():
                yield
        finally:
            self._open[caller.name] -= 1
            if not self._open[caller.name]:
                del self._open[caller.name]

    @asynccontextmanager
    async def _waited_for(self) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._room.acquire()
        except TimeoutError:
            raise _busy(f"{MOST_QUERIES} queries are open already") from None
        try:
            yield
        finally:
            self._room.release()


class _Pieces:
    """Pieces that one thread reads while another may end it: who ends it waits for the reader."""

    def __init__(self, pieces: Generator[Response, None, None]) -> None:
        self._pieces = pieces
        self._guard = Lock()

    def next(self) -> Response | None:
        """The next one; None at the end."""
        with self._guard:
            return next(self._pieces, None)

    def close(self) -> None:
        with self._guard:
            self._pieces.close()


def _busy(message: str) -> SpineError:
    return SpineError(
        message,
        category=Category.RATE_LIMIT,
        retry_after=PATIENCE,
        hint="read them to their end, or ask again in a while",
    )


def _pieces(frames: Iterator[pl.DataFrame], codec: Codec) -> Generator[Response, None, None]:
    try:
        for frame in frames:
            rows = max(1, int(MESSAGE_BYTES * frame.height / max(1, frame.estimated_size())))
            for part in frame.iter_slices(rows):
                yield _piece(part, codec)
    finally:
        cast("Generator[pl.DataFrame, None, None]", frames).close()


def _piece(frame: pl.DataFrame, codec: Codec) -> Response:
    written = io.BytesIO()
    # The oldest form of text columns: not every reader knows the newer one.
    frame.write_ipc_stream(written, compression=codec, compat_level=pl.CompatLevel.oldest())
    return Response(arrow=written.getvalue(), rows=frame.height)


def _query(request: dataset_service_pb2.QueryRequest) -> DatasetQuery:
    if len(request.symbols) > MOST_SYMBOLS:
        raise invalid_field(
            "symbols",
            f"symbols names {len(request.symbols):,} symbols",
            hint=f"name at most {MOST_SYMBOLS:,}, or none for all",
        )
    limit = request.limit if request.HasField("limit") else None
    if limit is not None and limit < 0:
        raise invalid_field("limit", f"limit is {limit}", hint="give 0 or more")
    return DatasetQuery(
        first_period=date_of(request, "first_period"),
        last_period=date_of(request, "last_period"),
        segment=request.segment or None,
        symbols=tuple(request.symbols),
        equals=dict(request.equals),
        as_of=moment_of(request, "as_of"),
        limit=limit,
        columns=tuple(request.columns),
    )


def _codec(number: int) -> Codec:
    codec = _CODECS.get(number)
    if codec is None:
        raise invalid_field(
            "compression",
            f"compression is {number}, which is none",
            hint="give a value of Compression",
        )
    return codec
