"""Pages of what is known about the data: captures, stages, refused rows, outcomes of checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from google.protobuf.message import Message

from ....application.read_evidence import ReadEvidence
from ....domain.captures import (
    CaptureFilter,
    CapturePosition,
    ManifestPosition,
    PartitionFilter,
    QualityPosition,
    RejectFilter,
    RejectPosition,
    Stage,
)
from ....v1 import capture_pb2, dataset_service_pb2
from .messages_data import capture_message, manifest_message, quality_message, reject_message
from .paging import Page, Pages
from .resource_names import CAPTURES, RUNS, invalid_field, optional_id
from .values import date_of, moment_of

M = TypeVar("M", bound=Message)


class EvidenceReading:
    """Translates requests to :class:`ReadEvidence`, and its answers to messages."""

    def __init__(self, read: ReadEvidence, page_key: bytes) -> None:
        self._read = read
        self._page_key = page_key

    def captures(
        self, request: dataset_service_pb2.ListCapturesRequest
    ) -> dataset_service_pb2.ListCapturesResponse:
        """A page of captures."""
        wanted = CaptureFilter(
            domain=request.domain or None,
            first_period=date_of(request, "first_period"),
            last_period=date_of(request, "last_period"),
            segment=request.segment or None,
            digest=request.digest or None,
            as_of=moment_of(request, "as_of"),
            stage=_stage(request.stage),
            latest_only=request.latest_only,
        )
        page = self._page(
            "ListCaptures",
            request,
            wanted,
            CapturePosition.from_list,
            self._read.captures,
            capture_message,
        )
        return dataset_service_pb2.ListCapturesResponse(
            captures=page.items, next_page_token=page.next_page_token
        )

    def manifest(
        self, request: dataset_service_pb2.ListManifestEntriesRequest
    ) -> dataset_service_pb2.ListManifestEntriesResponse:
        """A page of the manifest."""
        page = self._page(
            "ListManifestEntries",
            request,
            _partitions(request),
            ManifestPosition.from_list,
            self._read.manifest,
            manifest_message,
        )
        return dataset_service_pb2.ListManifestEntriesResponse(
            manifest_entries=page.items, next_page_token=page.next_page_token
        )

    def quality(
        self, request: dataset_service_pb2.ListQualityResultsRequest
    ) -> dataset_service_pb2.ListQualityResultsResponse:
        """A page of outcomes of checks."""
        page = self._page(
            "ListQualityResults",
            request,
            _partitions(request),
            QualityPosition.from_list,
            self._read.quality,
            quality_message,
        )
        return dataset_service_pb2.ListQualityResultsResponse(
            quality_results=page.items, next_page_token=page.next_page_token
        )

    def rejects(
        self, request: dataset_service_pb2.ListRejectsRequest
    ) -> dataset_service_pb2.ListRejectsResponse:
        """A page of refused rows."""
        chosen = _partitions(request)
        wanted = RejectFilter(
            domain=chosen.domain,
            period=chosen.period,
            segment=chosen.segment,
            run=chosen.run,
            capture=chosen.capture,
            as_of=chosen.as_of,
            reason=request.reason or None,
        )
        page = self._page(
            "ListRejects",
            request,
            wanted,
            RejectPosition.from_list,
            self._read.rejects,
            reject_message,
        )
        return dataset_service_pb2.ListRejectsResponse(
            rejects=page.items, next_page_token=page.next_page_token
        )

    def _page(
        self,
        method: str,
        request: Any,
        wanted: Any,
        position: Callable[[Sequence[Any]], Any],
        read: Callable[[Any], Sequence[Any]],
        message: Callable[[Any], M],
    ) -> Page[M]:
        """A page of one of four lists that are filtered, read and gone on with alike."""
        return Pages(method, self._page_key).page(
            request,
            (repr(replace(wanted, limit=None)),),
            lambda after, limit: read(
                replace(wanted, after=None if after is None else position(after), limit=limit)
            ),
            message,
            lambda item: item.position.to_list(),
        )


def _partitions(request: Any) -> PartitionFilter:
    chosen = request.partitions
    return PartitionFilter(
        domain=chosen.domain or None,
        period=date_of(chosen, "period"),
        segment=chosen.segment or None,
        run=optional_id(RUNS, chosen.run, field="partitions.run"),
        capture=optional_id(CAPTURES, chosen.capture, field="partitions.capture"),
        as_of=moment_of(request, "as_of"),
    )


def _stage(number: int) -> Stage | None:
    names = {value: name for name, value in capture_pb2.Stage.items()}
    if number not in names:
        raise invalid_field(
            "stage", f"stage is {number}, which is no stage", hint="give a value of Stage"
        )
    return Stage(names[number].removeprefix("STAGE_")) if number else None
