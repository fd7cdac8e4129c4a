"""Published datasets on a server, what is known about their data, and files that are brought."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ..domain.captures import Capture, ManifestEntry, Reject, Stage
from ..domain.quality import QualityResult
from ..domain.runs import Run
from ..v1 import dataset_service_pb2 as pb
from .accepting import day_of, member_of, moment_of
from .calls import LONG, Calls, Listing, build
from .decoding_evidence import capture_of, entry_of, quality_of, reject_of
from .encoding import date_message, filter_of, optional_resource, resource, timestamp_message
from .selections import check_words
from .upload import Upload

if TYPE_CHECKING:
    import polars as pl

    from ..domain.datasets import DatasetSpec
    from .querying import Rows

_CAPTURES: Listing[Capture] = Listing(
    "DatasetService/ListCaptures", pb.ListCapturesResponse, "captures", capture_of
)
_MANIFEST: Listing[ManifestEntry] = Listing(
    "DatasetService/ListManifestEntries",
    pb.ListManifestEntriesResponse,
    "manifest_entries",
    entry_of,
)
_REJECTS: Listing[Reject] = Listing(
    "DatasetService/ListRejects", pb.ListRejectsResponse, "rejects", reject_of
)
_QUALITY: Listing[QualityResult] = Listing(
    "DatasetService/ListQualityResults",
    pb.ListQualityResultsResponse,
    "quality_results",
    quality_of,
)


class CaptureSelection(TypedDict, total=False):
    """Which captures are wanted; what is left out, or None, keeps all.

    Periods are inclusive. ``as_of`` hides what was captured later; ``stage`` keeps captures that
    have reached it and are not blocked there; ``latest_only`` the newest of each partition.
    """

    domain: str | None
    first_period: date | str | None
    last_period: date | str | None
    segment: str | None
    digest: str | None
    as_of: datetime | date | str | None
    stage: Stage | str | None
    latest_only: bool


class PartitionSelection(TypedDict, total=False):
    """Which partitions are told of; what is left out, or None, keeps all.

    ``run`` and ``capture`` are ids. ``as_of`` hides what was noted, or captured, later.
    """

    domain: str | None
    period: date | str | None
    segment: str | None
    run: str | None
    capture: str | None
    as_of: datetime | date | str | None


class Datasets:
    """``client.datasets``. Lists take ``limit``, and ``timeout`` in seconds for each page."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def get(self, name: str, *, timeout: float | None = None) -> DatasetSpec:
        """What the dataset of that name promises; raises a ValidationError when there is none."""
        # polars, which is slow to import, waits until somebody asks for types or rows.
        from .decoding_datasets import dataset_of

        request = build(pb.GetDatasetRequest, name=resource("datasets", name))
        method = "DatasetService/GetDataset"
        return dataset_of(
            self._calls.unary(method, request, pb.GetDatasetResponse, timeout).dataset
        )

    def list(
        self, *, domain: str | None = None, timeout: float | None = None
    ) -> Iterator[DatasetSpec]:
        """The datasets by name, all of them or those of a domain."""
        from .decoding_datasets import dataset_of

        listing = Listing(
            "DatasetService/ListDatasets", pb.ListDatasetsResponse, "datasets", dataset_of
        )
        request = build(pb.ListDatasetsRequest, filter=filter_of(("domain", "=", domain)))
        return self._calls.all(listing, request, None, timeout)

    def query(
        self, dataset: str, *, timeout: float | None = LONG, **wanted: Unpack[Rows]
    ) -> pl.DataFrame:
        """The rows of a dataset in one frame; with its columns and types also without rows."""
        from .querying import query

        return query(self._calls, dataset, wanted, timeout)

    def query_batches(
        self, dataset: str, *, timeout: float | None = LONG, **wanted: Unpack[Rows]
    ) -> Iterator[pl.DataFrame]:
        """The rows of a dataset in frames of about a mebibyte, as they arrive.

        There is always a first frame, with columns and types, even if no row matches. All rows
        are of one moment.
        """
        from .querying import query_batches

        return query_batches(self._calls, dataset, wanted, timeout)

    def captures(
        self,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        **wanted: Unpack[CaptureSelection],
    ) -> Iterator[Capture]:
        """Captures by partition, newest period and newest capture first."""
        check_words(wanted, CaptureSelection, "datasets.captures")
        stage = member_of(wanted.get("stage"), Stage, "stage")
        request = build(
            pb.ListCapturesRequest,
            domain=wanted.get("domain"),
            first_period=date_message(day_of(wanted.get("first_period"), "first_period")),
            last_period=date_message(day_of(wanted.get("last_period"), "last_period")),
            segment=wanted.get("segment"),
            digest=wanted.get("digest"),
            as_of=timestamp_message(moment_of(wanted.get("as_of"), "as_of")),
            stage=None if stage is None else f"STAGE_{stage.value}",
            latest_only=wanted.get("latest_only"),
        )
        return self._calls.all(_CAPTURES, request, limit, timeout)

    def manifest(
        self,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        **wanted: Unpack[PartitionSelection],
    ) -> Iterator[ManifestEntry]:
        """Which stages captures have reached, newest period and newest capture first."""
        check_words(wanted, PartitionSelection, "datasets.manifest")
        request = build(
            pb.ListManifestEntriesRequest,
            partitions=_partitions(wanted),
            as_of=timestamp_message(moment_of(wanted.get("as_of"), "as_of")),
        )
        return self._calls.all(_MANIFEST, request, limit, timeout)

    def rejects(
        self,
        *,
        reason: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
        **wanted: Unpack[PartitionSelection],
    ) -> Iterator[Reject]:
        """Rows that were refused, newest capture first, by line."""
        check_words(wanted, PartitionSelection, "datasets.rejects")
        request = build(
            pb.ListRejectsRequest,
            partitions=_partitions(wanted),
            reason=reason,
            as_of=timestamp_message(moment_of(wanted.get("as_of"), "as_of")),
        )
        return self._calls.all(_REJECTS, request, limit, timeout)

    def quality(
        self,
        *,
        limit: int | None = None,
        timeout: float | None = None,
        **wanted: Unpack[PartitionSelection],
    ) -> Iterator[QualityResult]:
        """Outcomes of checks, newest first."""
        check_words(wanted, PartitionSelection, "datasets.quality")
        request = build(
            pb.ListQualityResultsRequest,
            partitions=_partitions(wanted),
            as_of=timestamp_message(moment_of(wanted.get("as_of"), "as_of")),
        )
        return self._calls.all(_QUALITY, request, limit, timeout)

    def upload(
        self,
        path: Path | str,
        pipeline: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        file_name: str | None = None,
        file_parameter: str = "file",
        force: bool = False,
        request_id: str | None = None,
        told: Callable[[int], None] | None = None,
        timeout: float | None = LONG,
    ) -> Run:
        """Bring a file, and submit the pipeline that captures it; the run as it was queued.

        ``file_parameter`` is the parameter that gets the path of the file on the server,
        ``file_name`` its name there, by default the one that it has. The file is read in pieces,
        and sent again from its beginning when the connection breaks; ``told`` hears, in another
        thread, how many bytes of it are sent. Raises a SourceError for a file that cannot be read,
        and as :meth:`Runs.submit`.
        """
        upload = Upload(
            Path(path),
            pipeline,
            parameters or {},
            file_name,
            file_parameter,
            force,
            request_id,
            told,
        )
        return upload(self._calls, timeout)


def _partitions(wanted: PartitionSelection) -> pb.PartitionSelection:
    return build(
        pb.PartitionSelection,
        domain=wanted.get("domain"),
        period=date_message(day_of(wanted.get("period"), "period")),
        segment=wanted.get("segment"),
        run=optional_resource("runs", wanted.get("run")),
        capture=optional_resource("captures", wanted.get("capture")),
    )
