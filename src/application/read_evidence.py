"""Read what was recorded about the data: captures, manifest, quality, rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.captures import (
    Capture,
    CaptureFilter,
    ManifestEntry,
    PartitionFilter,
    Reject,
    RejectFilter,
)
from ..domain.quality import QualityResult
from ..ports.storage import Store


@dataclass(frozen=True, slots=True)
class ReadEvidence:
    """One question, one read-only snapshot."""

    store: Store

    def captures(self, wanted: CaptureFilter) -> Sequence[Capture]:
        with self.store.read() as unit:
            return unit.captures.list(wanted)

    def manifest(self, wanted: PartitionFilter) -> Sequence[ManifestEntry]:
        with self.store.read() as unit:
            return unit.manifest.list(wanted)

    def quality(self, wanted: PartitionFilter) -> Sequence[QualityResult]:
        with self.store.read() as unit:
            return unit.quality.list(wanted)

    def rejects(self, wanted: RejectFilter) -> Sequence[Reject]:
        with self.store.read() as unit:
            return unit.rejects.list(wanted)
