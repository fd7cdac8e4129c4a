"""Datasets of a server and what is known of their data, answered as by a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import polars as pl

from ..client.datasets import Datasets, PartitionSelection
from ..domain.captures import (
    Capture,
    CaptureFilter,
    ManifestEntry,
    PartitionFilter,
    Reject,
    RejectFilter,
)
from ..domain.datasets import DatasetQuery, DatasetSpec
from ..domain.quality import QualityResult
from ..domain.registry import Registry


@dataclass(frozen=True, slots=True)
class RemoteDataset:
    """A dataset that a server has."""

    spec: DatasetSpec

    @property
    def name(self) -> str:
        return self.spec.name


def remote_datasets(datasets: Datasets) -> Registry[RemoteDataset]:
    """All datasets of a server."""
    registry: Registry[RemoteDataset] = Registry("dataset")
    for spec in datasets.list():
        registry.add(RemoteDataset(spec))
    return registry


@dataclass(frozen=True, slots=True)
class RemoteDatasets:
    """The rows of a server's datasets."""

    datasets: Datasets
    catalog: Registry[RemoteDataset]

    def spec(self, name: str) -> DatasetSpec:
        return self.catalog.get(name).spec

    def stream(self, name: str, query: DatasetQuery) -> Iterator[pl.DataFrame]:
        """Frames with rows. What is wrong with the query is raised at once, as by a store."""
        symbols = [*query.symbols, *([query.symbol] if query.symbol is not None else [])]
        frames = self.datasets.query_batches(
            self.catalog.get(name).name,
            columns=query.columns,
            first_period=query.first_period,
            last_period=query.last_period,
            segment=query.segment,
            symbols=symbols,
            equals=query.equals,
            as_of=query.as_of,
            limit=query.limit,
        )
        first = next(frames)
        return (frame for frame in chain([first], frames) if frame.height)


@dataclass(frozen=True, slots=True)
class RemoteEvidence:
    """What a server has recorded of the data."""

    datasets: Datasets

    def captures(self, wanted: CaptureFilter) -> Sequence[Capture]:
        return [
            *self.datasets.captures(
                limit=wanted.limit,
                domain=wanted.domain,
                first_period=wanted.first_period,
                last_period=wanted.last_period,
                segment=wanted.segment,
                digest=wanted.digest,
                as_of=wanted.as_of,
                stage=wanted.stage,
                latest_only=wanted.latest_only,
            )
        ]

    def manifest(self, wanted: PartitionFilter) -> Sequence[ManifestEntry]:
        return [*self.datasets.manifest(limit=wanted.limit, **_selection(wanted))]

    def quality(self, wanted: PartitionFilter) -> Sequence[QualityResult]:
        return [*self.datasets.quality(limit=wanted.limit, **_selection(wanted))]

    def rejects(self, wanted: RejectFilter) -> Sequence[Reject]:
        selection = _selection(wanted)
        return [*self.datasets.rejects(limit=wanted.limit, reason=wanted.reason, **selection)]


def _selection(wanted: PartitionFilter | RejectFilter) -> PartitionSelection:
    return {
        "domain": wanted.domain,
        "period": wanted.period,
        "segment": wanted.segment,
        "run": wanted.run,
        "capture": wanted.capture,
        "as_of": wanted.as_of,
    }
