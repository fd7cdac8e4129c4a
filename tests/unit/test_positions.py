from __future__ import annotations

import json
from datetime import date

import pytest

from market_spine.domain.captures import (
    CapturePosition,
    ManifestPosition,
    Partition,
    PartitionFilter,
    QualityPosition,
    RejectPosition,
    Stage,
)
from market_spine.domain.errors import ValidationError
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.store_suite_samples import (
    a_capture,
    a_check,
    a_run,
    an_entry,
    some_rejects,
)

CAPTURE = CapturePosition(Partition('a "b"', date(2025, 11, 10), "É\n,"), 2**31)


@pytest.mark.parametrize(
    "position",
    [
        CAPTURE,
        ManifestPosition(CAPTURE, Stage.MEASURED),
        RejectPosition(CAPTURE, 2**40),
        QualityPosition("run-1", 2**40),
    ],
    ids=lambda position: type(position).__name__,
)
def test_a_position_survives_json(
    position: CapturePosition | ManifestPosition | RejectPosition | QualityPosition,
) -> None:
    told = json.loads(json.dumps(position.to_list()))
    assert type(position).from_list(told) == position


def test_what_no_store_has_listed_has_no_position() -> None:
    entry, result = an_entry(a_capture()), a_check(a_capture(), "check")
    for item in (entry, result):
        with pytest.raises(ValidationError, match="no store has listed"):
            _ = item.position


def test_numbers_of_the_store_do_not_make_items_different() -> None:
    store = MemoryStore()
    with store.write() as unit:
        unit.runs.add(a_run())
        capture = unit.captures.add(a_capture())
        unit.manifest.record(an_entry(capture))
        unit.quality.add([a_check(capture, "check")] * 2)
        unit.rejects.replace(capture.key, some_rejects(1, 1))
        assert unit.manifest.list(PartitionFilter()) == [an_entry(capture)]
        first, second = unit.quality.list(PartitionFilter())
    assert first == second == a_check(capture, "check")
    assert hash(first) == hash(second)
    assert first.position != second.position
