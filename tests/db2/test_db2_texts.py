"""Long texts are whole, however long they are, and take no more room than they need."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from market_spine.adapters.outbound.sql.column_types import FEW_BYTES
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.runs import RunState
from market_spine.testing.store_suite_samples import a_run

MEGABYTE = 1024 * 1024
LENGTHS = [0, 1, FEW_BYTES - 2, FEW_BYTES - 1, FEW_BYTES, MEGABYTE - 2, MEGABYTE - 1, 3 * MEGABYTE]


@pytest.fixture
def store(db2_url: str) -> Iterator[SqlStore]:
    store = SqlStore(db2_url)
    store.upgrade()
    yield store
    store.close()


@pytest.mark.parametrize("letter", ["x", "é", "\N{BANK}"])
def test_texts_of_all_lengths_come_back(store: SqlStore, letter: str) -> None:
    texts = [letter * (length // len(letter.encode())) + "." for length in LENGTHS]
    runs = [a_run(f"{letter}{number}", output=text) for number, text in enumerate(texts)]

    with store.write() as unit:
        unit.runs.add(*runs)
        unit.runs.finish(
            *(a_run(run.id, state=RunState.SUCCEEDED, output=[run.output]) for run in runs)
        )
        unit.commit()

    with store.read() as unit:
        found = [unit.runs.get(run.id) for run in runs]
    for run, text in zip(found, texts, strict=True):
        assert run is not None
        assert run.output == [text], f"{len(text)} characters"


def test_a_short_text_is_sent_without_room_for_the_longest(store: SqlStore) -> None:
    with store.write() as unit:
        unit.runs.add(a_run("first"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        unit.runs.add(*(a_run(f"run-{number}") for number in range(20)))
        pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert pages * resource.getpagesize() < 20 * MEGABYTE
