"""What every Store has to keep, for adapters to prove themselves by."""

from __future__ import annotations

from .store_suite_access import AuditSuite, SharedKeySuite, TokenSuite
from .store_suite_backfills import BackfillStoreSuite
from .store_suite_captures import CaptureStoreSuite
from .store_suite_evidence import ManifestStoreSuite, QualityStoreSuite, RejectStoreSuite
from .store_suite_history import StatisticsSuite
from .store_suite_journal import RunJournalSuite
from .store_suite_keys import KeySuite
from .store_suite_leases import LeaseSuite
from .store_suite_many import ManySuite
from .store_suite_pages import PageSuite
from .store_suite_purge import PurgeSuite
from .store_suite_queue import RunQueueSuite
from .store_suite_queue_threads import QueueThreadsSuite
from .store_suite_rows import RowStoreSuite
from .store_suite_run_pages import RunPageSuite
from .store_suite_run_states import RunStateSuite
from .store_suite_runs import RunStoreSuite
from .store_suite_units import StoreAdminSuite, UnitOfWorkSuite


class StoreSuite(
    RunStoreSuite,
    RunStateSuite,
    RunQueueSuite,
    LeaseSuite,
    KeySuite,
    ManySuite,
    QueueThreadsSuite,
    RunJournalSuite,
    RunPageSuite,
    StatisticsSuite,
    PurgeSuite,
    BackfillStoreSuite,
    CaptureStoreSuite,
    RowStoreSuite,
    RejectStoreSuite,
    QualityStoreSuite,
    ManifestStoreSuite,
    PageSuite,
    TokenSuite,
    AuditSuite,
    SharedKeySuite,
    UnitOfWorkSuite,
    StoreAdminSuite,
):
    """Subclass it as ``Test...`` and give a fixture ``store``: a fresh store, ready for use."""
