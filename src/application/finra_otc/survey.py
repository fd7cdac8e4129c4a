"""What is known of weeks and tiers before a backfill: captures, their stages, and the files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ...domain.captures import (
    Capture,
    CaptureFilter,
    Partition,
    PartitionFilter,
    Stage,
)
from ...domain.errors import ValidationError
from ...domain.finra_otc.contract import HEADER
from ...domain.finra_otc.datasets import DOMAIN
from ...domain.finra_otc.weeks import name_evidence, week_published_on
from ...domain.partitions import PartitionKey, PartitionState, Surveyed
from ...domain.runs import RunFilter, RunState
from ...ports.sources import Sources
from ...ports.storage import UnitOfWork
from .services import Services

_FILES = "files"


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    published: date


@dataclass(frozen=True, slots=True)
class WeekSurvey:
    """Compares what was captured with the files of a folder, which ``files`` names."""

    services: Services
    sources: Sources

    def __call__(
        self, unit: UnitOfWork, keys: Sequence[PartitionKey], given: Mapping[str, Any]
    ) -> list[Surveyed]:
        """Raises a ValidationError without ``files``: nothing could be refreshed from."""
        if _FILES not in given:
            raise ValidationError(
                "it is not said where the weekly files are",
                hint="give -p files=FOLDER, or a glob such as -p files='downloads/*.csv'",
                metadata={"parameters": {_FILES: "is missing"}},
            )
        rest = {name: value for name, value in given.items() if name != _FILES}
        files = self._files(Path(str(given[_FILES])))
        if not keys:
            return []
        partitions = [_partition(key) for key in keys]
        weeks = [partition.period for partition in partitions]
        captures = _captures(unit, min(weeks), max(weeks))
        found: list[Surveyed] = []
        for key, partition in zip(keys, partitions, strict=True):
            file = files.get((partition.period, partition.segment))
            known = captures.get(partition, [])
            state, reason = self._state(unit, key, known, file)
            if file is None and state is not PartitionState.CURRENT:
                reason = f"{given[_FILES]} has no file for it ({reason})"
                state = PartitionState.UNAVAILABLE
            parameters = {**rest, **key.parameters}
            if file is not None:
                parameters["file"] = str(file.path)
            found.append(Surveyed(key, state, reason, parameters))
        return found

    def _files(self, where: Path) -> dict[tuple[date, str], _File]:
        """The newest file of each week and tier, as their names tell them."""
        found: dict[tuple[date, str], _File] = {}
        for path in self.services.files.find(where):
            tier, published = name_evidence(path.name)
            if tier is None or published is None:
                continue
            week = week_published_on(published, tier, self.services.next_session)
            if week is None:
                continue
            place = (week, tier.value)
            if place not in found or found[place].published <= published:
                found[place] = _File(path, published)
        return found

    def _state(
        self,
        unit: UnitOfWork,
        key: PartitionKey,
        known: Sequence[Capture],
        file: _File | None,
    ) -> tuple[PartitionState, str]:
        if not known:
            failed = _last_failure(unit, key)
            if failed is not None:
                return PartitionState.FAILED, failed
            return PartitionState.MISSING, "it was never captured"
        newest = known[0]
        entries = unit.manifest.list(PartitionFilter(capture=newest.id))
        reached = {entry.stage: entry for entry in entries}
        if any(entry.blocked for entry in reached.values()):
            return PartitionState.FAILED, f"the quality gate of capture {newest.id} is closed"
        if file is not None and self._digest(file.path) not in {item.digest for item in known}:
            return PartitionState.REVISED, f"{file.path.name} differs from what was captured"
        if Stage.MEASURED not in reached:
            last = max(reached, key=lambda stage: stage.order, default=None)
            return PartitionState.STALE, f"it is {last.value if last else 'captured'}, not measured"
        return PartitionState.CURRENT, f"capture {newest.id} is measured"

    def _digest(self, path: Path) -> str:
        """The SHA-256 of a file's uncompressed bytes, by which captures are recognised."""
        digest = hashlib.sha256()
        source = self.sources.open("file", path=str(path), columns=HEADER)
        for _ in source.stream(tap=digest.update):
            pass
        return digest.hexdigest()


def _partition(key: PartitionKey) -> Partition:
    week, tier = key.parameters["week"], key.parameters["tier"]
    return Partition(DOMAIN, date.fromisoformat(week), tier)


def _captures(unit: UnitOfWork, first: date, last: date) -> dict[Partition, list[Capture]]:
    """The captures of each partition, newest first."""
    found: dict[Partition, list[Capture]] = {}
    for item in unit.captures.list(
        CaptureFilter(domain=DOMAIN, first_period=first, last_period=last)
    ):
        found.setdefault(item.partition, []).append(item)
    return found


def _last_failure(unit: UnitOfWork, key: PartitionKey) -> str | None:
    """Why the newest run of a partition failed, when that is how it ended."""
    runs = unit.runs.list(RunFilter(partition=str(key), limit=1))
    if not runs or runs[0].state is not RunState.FAILED:
        return None
    return f"run {runs[0].id} failed: {runs[0].error}"
