"""What every Store has to keep, for adapters to prove themselves by."""

from __future__ import annotations

from .store_suite_captures import CaptureStoreSuite
from .store_suite_evidence import ManifestStoreSuite, QualityStoreSuite, RejectStoreSuite
from .store_suite_rows import RowStoreSuite
from .store_suite_runs import RunStoreSuite
from .store_suite_units import StoreAdminSuite, UnitOfWorkSuite


class StoreSuite(
    RunStoreSuite,
    CaptureStoreSuite,
    RowStoreSuite,
    RejectStoreSuite,
    QualityStoreSuite,
    ManifestStoreSuite,
    UnitOfWorkSuite,
    StoreAdminSuite,
):
    """Subclass it as ``Test...`` and give a fixture ``store``: a fresh store, ready for use."""
