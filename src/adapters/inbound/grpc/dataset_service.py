"""DatasetService: datasets, what is known about their data, and files that are brought."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ....application.bring_file import Announced, BringFile, Bringing
from ....application.read_datasets import ReadDatasets
from ....application.read_evidence import ReadEvidence
from ....domain.errors import Category, SpineError
from ....v1 import dataset_service_pb2, dataset_service_pb2_grpc
from .callers import still_welcome
from .evidence_reading import EvidenceReading
from .filters import read_filter
from .messages_catalog import dataset_message
from .messages_runs import run_message
from .paging import Pages, by_name, descending
from .query_stream import QueryStreams
from .resource_names import DATASETS, id_of, invalid_field, pipeline_id
from .sending import Recheck, send_all
from .values import values_of
from .work import Threads, heed_cancellation, to_its_end

_SAME = "= !="
_DEFAULT_PARAMETER = "file"
MOST_UPLOADS = 32
"""At once, of all callers: each holds a file open."""
UPLOAD_STALL = 60.0
"""Seconds of silence after which a file is not waited for any more."""


@dataclass(frozen=True, slots=True)
class DatasetUses:
    """The use cases behind the service."""

    read: ReadDatasets
    evidence: ReadEvidence
    bring: BringFile


class DatasetService(dataset_service_pb2_grpc.DatasetServiceServicer):
    """Translates requests to use cases, which run on ``threads``, and their answers to messages."""

    def __init__(
        self, uses: DatasetUses, threads: Threads, page_key: bytes, queries: QueryStreams
    ) -> None:
        self._uses = uses
        self._threads = threads
        self._evidence = EvidenceReading(uses.evidence, page_key)
        self._datasets = Pages("ListDatasets", page_key)
        self._queries = queries
        self._uploads = 0

    async def GetDataset(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.GetDatasetRequest, context: Any
    ) -> dataset_service_pb2.GetDatasetResponse:
        del context
        spec = self._uses.read.spec(id_of(DATASETS, request.name, field="name"))
        return dataset_service_pb2.GetDatasetResponse(dataset=dataset_message(spec))

    async def ListDatasets(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.ListDatasetsRequest, context: Any
    ) -> dataset_service_pb2.ListDatasetsResponse:
        del context
        return self._list(request)

    async def Query(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.QueryRequest, context: Any
    ) -> None:
        await send_all(self._queries.stream(request), context)

    async def ListCaptures(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.ListCapturesRequest, context: Any
    ) -> dataset_service_pb2.ListCapturesResponse:
        del context
        return await self._threads.do(partial(self._evidence.captures, request))

    async def ListManifestEntries(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.ListManifestEntriesRequest, context: Any
    ) -> dataset_service_pb2.ListManifestEntriesResponse:
        del context
        return await self._threads.do(partial(self._evidence.manifest, request))

    async def ListRejects(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.ListRejectsRequest, context: Any
    ) -> dataset_service_pb2.ListRejectsResponse:
        del context
        return await self._threads.do(partial(self._evidence.rejects, request))

    async def ListQualityResults(  # noqa: N802  # named by the protocol
        self, request: dataset_service_pb2.ListQualityResultsRequest, context: Any
    ) -> dataset_service_pb2.ListQualityResultsResponse:
        del context
        return await self._threads.do(partial(self._evidence.quality, request))

    async def UploadFile(  # noqa: N802  # named by the protocol
        self, request_iterator: AsyncIterator[dataset_service_pb2.UploadFileRequest], context: Any
    ) -> dataset_service_pb2.UploadFileResponse:
        del context
        if self._uploads >= MOST_UPLOADS:
            raise SpineError(
                f"{MOST_UPLOADS} files are being brought already",
                category=Category.RATE_LIMIT,
                retry_after=UPLOAD_STALL,
                hint="bring it in a while",
            )
        self._uploads += 1
        try:
            return await self._taken(request_iterator)
        finally:
            self._uploads -= 1

    async def _taken(
        self, request_iterator: AsyncIterator[dataset_service_pb2.UploadFileRequest]
    ) -> dataset_service_pb2.UploadFileResponse:
        bringing: Bringing | None = None
        recheck = Recheck()
        try:
            async for request in _unless_silent(request_iterator):
                part = request.WhichOneof("part")
                if bringing is None and part == "header":
                    announced = _announced(request.header)
                    bring = partial(self._uses.bring, announced)
                    bringing = await to_its_end(self._threads.do(bring))
                elif bringing is not None and part == "chunk":
                    await to_its_end(self._threads.do(partial(bringing.write, request.chunk)))
                else:
                    raise _out_of_order(part)
                heed_cancellation()
                await recheck()
            if bringing is None:
                raise _out_of_order(None)
            await still_welcome()
            run = await to_its_end(self._threads.do(bringing.finish))
            return dataset_service_pb2.UploadFileResponse(run=run_message(run), size=bringing.size)
        finally:
            if bringing is not None:
                bringing.give_up()

    def _list(
        self, request: dataset_service_pb2.ListDatasetsRequest
    ) -> dataset_service_pb2.ListDatasetsResponse:
        wanted = read_filter(request.filter, {"name": _SAME, "domain": _SAME})
        reverse = descending(request.order_by, "name", default=False)
        kept = [
            spec
            for spec in self._uses.read.list()
            if not wanted.differs("name", spec.name) and not wanted.differs("domain", spec.domain)
        ]
        page = self._datasets.page(
            request,
            (request.filter, reverse),
            by_name(kept, lambda spec: spec.name, reverse=reverse),
            dataset_message,
            lambda spec: (spec.name,),
        )
        return dataset_service_pb2.ListDatasetsResponse(
            datasets=page.items, next_page_token=page.next_page_token
        )


async def _unless_silent(
    requests: AsyncIterator[dataset_service_pb2.UploadFileRequest],
) -> AsyncIterator[dataset_service_pb2.UploadFileRequest]:
    """The same requests; raises a SpineError when none comes for too long."""
    iterator = aiter(requests)
    while True:
        try:
            async with asyncio.timeout(UPLOAD_STALL):
                request = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise SpineError(
                f"nothing of the file came for {UPLOAD_STALL:.0f} seconds",
                category=Category.RATE_LIMIT,
                retry_after=1.0,
                hint="bring it again, without a pause",
            ) from None
        yield request


def _announced(header: dataset_service_pb2.FileHeader) -> Announced:
    return Announced(
        name=header.file_name,
        size=header.size,
        digest=header.sha256,
        pipeline=pipeline_id(header.pipeline, field="header.pipeline"),
        parameter=header.file_parameter or _DEFAULT_PARAMETER,
        parameters=values_of(header.parameters, field="header.parameters"),
        request=header.request_id or None,
        force=header.force,
    )


def _out_of_order(part: str | None) -> Exception:
    return invalid_field(
        part or "part",
        f"a {part} came where it cannot be" if part else "an empty message came, or none",
        hint="send the header first, and then nothing but chunks",
    )
