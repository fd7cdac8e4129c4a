"""What the doctor says of connections and room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from market_spine.adapters.outbound.archive.folder import FolderArchive
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.diagnose import Diagnose
from market_spine.domain.findings import Finding
from market_spine.ports.storage import StoreStatus

STATUS = StoreStatus("postgresql", "db", "18.4", "0002", "0002", 0.001)


class Told:
    """A store that says of itself what a test wants."""

    def __init__(self, status: StoreStatus) -> None:
        self._status = status

    def status(self) -> StoreStatus:
        return self._status

    def upgrade(self) -> StoreStatus:
        raise AssertionError("the doctor changes nothing")

    def ensure_ready(self) -> None:
        raise AssertionError("the doctor changes nothing")


def found(status: StoreStatus, tmp_path: Path) -> dict[str, Finding]:
    store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    store.ensure_ready()
    try:
        findings = Diagnose(
            facts={},
            unknown_settings=(),
            admin=Told(status),
            store=store,
            archive=FolderArchive(tmp_path / "archive"),
            modules=lambda: "none",
        )()
    finally:
        store.close()
    return {finding.name: finding for finding in findings}


@pytest.mark.parametrize(
    ("connections", "limit", "ok"), [(1, 17, True), (1, 16, False), (100, 100, False)]
)
def test_a_server_must_have_room_for_the_whole_pool(
    tmp_path: Path, connections: int, limit: int, ok: bool
) -> None:
    status = replace(STATUS, pool_size=8, connections=connections, connection_limit=limit)
    pool = found(status, tmp_path)["pool"]
    assert pool.ok is ok
    assert f"{connections} of {limit}" in pool.detail
    assert (pool.hint is None) is ok


@pytest.mark.parametrize(("free", "ok"), [(499_999_999, False), (500_000_000, True)])
def test_little_room_is_a_problem(tmp_path: Path, free: int, ok: bool) -> None:
    space = found(replace(STATUS, used=1_500_000, free=free), tmp_path)["space"]
    assert space.ok is ok
    assert "1.5 MB used" in space.detail


def test_what_the_server_does_not_tell_is_said_so(tmp_path: Path) -> None:
    told = found(STATUS, tmp_path)
    assert told["space"].ok
    assert "does not tell" in told["space"].detail
    assert told["pool"].ok


def test_a_file_tells_its_size_and_the_room_on_its_disk(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'other.db'}")
    store.ensure_ready()
    status = store.status()
    store.close()
    assert status.used == (tmp_path / "other.db").stat().st_size
    assert status.free
