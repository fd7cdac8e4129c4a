"""What every store has to keep of tokens, calls and shared keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from ..application.unit_attempts import undisturbed
from ..domain.access import AccessToken, AuditEntry, AuditFilter, Role
from ..domain.errors import LoadError, SpineError
from ..ports.access_storage import AccessStore
from ..ports.storage import Store
from .store_suite_run_samples import in_threads
from .store_suite_samples import NOON, TEXTS

EAST = timezone(timedelta(hours=5, minutes=45))
METHOD = "market_spine.v1.RunService/SubmitRun"


def a_token(number: int = 1, **changes: Any) -> AccessToken:
    """A token that never expires, made at noon."""
    values: dict[str, Any] = {"name": "loader", "role": Role.OPERATOR, "created_at": NOON}
    return AccessToken(id=f"token-{number}", **{**values, **changes})


def a_call(entry_id: str = "call-1", **changes: Any) -> AuditEntry:
    """A call at noon that is being executed."""
    values: dict[str, Any] = {
        "at": NOON,
        "caller": "loader",
        "role": Role.OPERATOR,
        "peer": "ipv4:10.0.0.7:40000",
        "method": METHOD,
        "resource": "pipelines/finra.refresh",
    }
    return AuditEntry(id=entry_id, **{**values, **changes})


def a_digest(number: int) -> str:
    """A digest, each number its own."""
    return f"{number:064x}"


def with_token(store: Store, token: AccessToken, number: int) -> None:
    """Commit a token with the digest of that number."""
    with store.write() as unit:
        unit.access.add_token(token, a_digest(number))
        unit.commit()


def with_calls(store: Store, *calls: AuditEntry) -> None:
    """Commit calls, all in one unit of work."""
    with store.write() as unit:
        for call in calls:
            unit.access.record_call(call)
        unit.commit()


def shared_key(store: Store, name: str, proposed: bytes) -> bytes:
    """Ask for a key, and commit."""
    with store.write() as unit:
        key = unit.access.shared_key(name, proposed)
        unit.commit()
    return key


class TokenSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_a_token_comes_back_as_it_was_written(self, store: Store) -> None:
        moment = timedelta(microseconds=1)
        every = [
            a_token(number, name=text, role=role)
            for number, (text, role) in enumerate(
                zip(TEXTS, (*Role, *Role, *Role, *Role), strict=False)
            )
        ]
        every[1] = replace(every[1], expires_at=NOON + moment)
        every[2] = replace(every[2], expires_at=NOON - moment, revoked_at=NOON + moment)
        for number, token in enumerate(every):
            with_token(store, token, number)
        with store.read() as unit:
            found = [unit.access.find_token(a_digest(number)) for number in range(len(every))]
            assert found == every
            assert unit.access.find_token(a_digest(99)) is None
            assert unit.access.find_token("") is None
            assert unit.access.find_token("x" * 5000) is None

    def test_times_come_back_in_utc_and_need_a_zone(self, store: Store) -> None:
        elsewhere = NOON.astimezone(EAST)
        with_token(store, a_token(created_at=elsewhere, expires_at=elsewhere), 1)
        with store.read() as unit:
            found = unit.access.find_token(a_digest(1))
        assert found is not None
        assert found.created_at.utcoffset() == timedelta(0)
        assert found.created_at == found.expires_at == NOON
        naive = datetime(2026, 1, 5)  # noqa: DTZ001  # that is what is refused
        for token in (a_token(2, created_at=naive), a_token(2, expires_at=naive)):
            with store.write() as unit, pytest.raises(LoadError, match="time zone"):
                unit.access.add_token(token, a_digest(2))

    def test_two_tokens_share_neither_id_nor_digest_but_names(self, store: Store) -> None:
        with_token(store, a_token(), 1)
        with_token(store, a_token(2), 2)
        for token, digest in ((a_token(), 3), (a_token(3), 1)):
            with store.write() as unit, pytest.raises(LoadError):
                unit.access.add_token(token, a_digest(digest))
        with store.read() as unit:
            assert len(unit.access.tokens()) == 2

    def test_tokens_are_listed_newest_first(self, store: Store) -> None:
        for number in (2, 4, 1, 3):
            with_token(store, a_token(number), number)
        with store.read() as unit:
            assert list(unit.access.tokens()) == [a_token(number) for number in (4, 3, 2, 1)]

    def test_a_token_is_revoked_once(self, store: Store) -> None:
        with_token(store, a_token(), 1)
        with_token(store, a_token(2), 2)
        with store.write() as unit:
            assert unit.access.revoke("token-1", NOON) is True
            assert unit.access.revoke("token-1", NOON + timedelta(days=1)) is False
            assert unit.access.revoke("unknown", NOON) is False
            unit.commit()
        with store.read() as unit:
            assert unit.access.find_token(a_digest(1)) == a_token(revoked_at=NOON)
            assert unit.access.find_token(a_digest(2)) == a_token(2)

    def test_what_is_not_committed_of_tokens_is_not_there(self, store: Store) -> None:
        with_token(store, a_token(), 1)
        with store.write() as unit:
            unit.access.add_token(a_token(2), a_digest(2))
            unit.access.revoke("token-1", NOON)
        with store.read() as unit:
            assert list(unit.access.tokens()) == [a_token()]

    def test_what_only_reads_changes_no_access(self, store: Store) -> None:
        writes: list[Callable[[AccessStore], object]] = [
            lambda access: access.add_token(a_token(), a_digest(1)),
            lambda access: access.revoke("token-1", NOON),
            lambda access: access.record_call(a_call()),
            lambda access: access.end_call("call-1", "OK"),
            lambda access: access.shared_key("pages", b"x"),
        ]
        for write in writes:
            with store.read() as unit, pytest.raises(SpineError):
                write(unit.access)
        with store.read() as unit:
            assert list(unit.access.tokens()) == []
            assert list(unit.access.calls(AuditFilter())) == []


class AuditSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_a_call_comes_back_as_it_was_written(self, store: Store) -> None:
        calls = [
            a_call(f"call-{number:02}", caller=text, peer=text, method=text, resource=text)
            for number, text in enumerate(TEXTS)
        ]
        calls[1] = replace(calls[1], outcome="OK", result="runs/1", role=Role.ADMIN)
        calls[2] = replace(calls[2], at=NOON.astimezone(EAST), outcome="", result="")
        with_calls(store, *calls)
        with store.read() as unit:
            found = unit.access.calls(AuditFilter())
        assert list(reversed(found)) == calls
        assert {call.at.utcoffset() for call in found} == {timedelta(0)}

    def test_two_calls_cannot_share_an_id(self, store: Store) -> None:
        with_calls(store, a_call())
        with store.write() as unit, pytest.raises(LoadError):
            unit.access.record_call(a_call(caller="somebody else"))

    @pytest.mark.parametrize("text", ["x" * 100_000, "株" * 5_000, "a\0b", "\udcff" * 300])
    def test_whatever_a_caller_says_is_recorded_cut_to_fit(self, store: Store, text: str) -> None:
        with_calls(store, a_call(caller=text, peer=text, method=text, resource=text))
        with store.write() as unit:
            assert unit.access.end_call("call-1", text, text)
            unit.commit()
        with store.read() as unit:
            (found,) = unit.access.calls(AuditFilter(caller=text, method=text))
        for kept in (found.caller, found.peer, found.method, found.resource, found.outcome):
            assert kept is not None
            assert len(kept.encode()) <= 500
            assert "\0" not in kept
            assert kept[:1] == text[:1] or kept.startswith("\\udcff")
            assert len(text) < 10 or kept.endswith("…")
        assert found.result == found.resource

    def test_a_call_ends_once(self, store: Store) -> None:
        with_calls(store, a_call(), a_call("call-2"), a_call("call-3"))
        with store.write() as unit:
            assert unit.access.end_call("call-1", "OK", "runs/7") is True
            assert unit.access.end_call("call-1", "INTERNAL") is False
            assert unit.access.end_call("call-3", "ABORTED") is True
            assert unit.access.end_call("unknown", "OK") is False
            unit.commit()
        with store.read() as unit:
            assert list(unit.access.calls(AuditFilter())) == [
                a_call("call-3", outcome="ABORTED"),
                a_call("call-2"),
                a_call(outcome="OK", result="runs/7"),
            ]

    def test_calls_are_found_by_caller_and_method_newest_first(self, store: Store) -> None:
        for number in range(8):
            caller = "ann" if number % 2 else "bob"
            method = "a/Do" if number % 4 < 2 else "a/Undo"
            with_calls(store, a_call(str(number), caller=caller, method=method))
        expected = {
            AuditFilter(): "76543210",
            AuditFilter(limit=3): "765",
            AuditFilter(limit=0): "",
            AuditFilter(before="5"): "43210",
            AuditFilter(before="0"): "",
            AuditFilter(caller="ann"): "7531",
            AuditFilter(caller="Ann"): "",
            AuditFilter(caller=""): "",
            AuditFilter(method="a/Do"): "5410",
            AuditFilter(caller="ann", method="a/Do", before="5", limit=2): "1",
            AuditFilter(caller="ann", before="6", limit=2): "53",
        }
        with store.read() as unit:
            found = {
                wanted: "".join(call.id for call in unit.access.calls(wanted))
                for wanted in expected
            }
        assert found == expected

    def test_pages_miss_and_repeat_nothing_while_calls_are_recorded(self, store: Store) -> None:
        with_calls(store, *(a_call(f"call-{number:03}") for number in range(10)))
        seen: list[str] = []
        before: str | None = None
        for newer in range(100, 110):
            with store.read() as unit:
                wanted = AuditFilter(caller="loader", before=before, limit=3)
                page = [call.id for call in unit.access.calls(wanted)]
            if not page:
                break
            seen += page
            before = page[-1]
            with_calls(store, a_call(f"call-{newer}"))
        assert seen == [f"call-{number:03}" for number in range(9, -1, -1)]

    def test_what_is_not_committed_of_calls_is_not_there(self, store: Store) -> None:
        with_calls(store, a_call())
        with store.write() as unit:
            unit.access.record_call(a_call("call-2"))
            unit.access.end_call("call-1", "OK")
        with store.read() as unit:
            assert list(unit.access.calls(AuditFilter())) == [a_call()]


class SharedKeySuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_the_first_key_of_a_name_stays(self, store: Store) -> None:
        every = bytes(range(128)), bytes(range(128, 256))
        for name, proposed, kept in (
            ("pages", every[0], every[0]),
            ("pages", b"other", every[0]),
            ("more", every[1], every[1]),
            ("pages", b"\0", every[0]),
            ("zero", b"\0", b"\0"),
            ("more", b"\0", every[1]),
        ):
            assert shared_key(store, name, proposed) == kept
        with store.read() as unit:
            assert unit.access.shared_key("pages", b"") == every[0]

    def test_a_key_is_the_same_within_its_unit_of_work(self, store: Store) -> None:
        with store.write() as unit:
            assert unit.access.shared_key("pages", b"a") == b"a"
            assert unit.access.shared_key("pages", b"b") == b"a"

    def test_a_key_that_was_rolled_back_was_never_stored(self, store: Store) -> None:
        with store.write() as unit:
            assert unit.access.shared_key("pages", b"a") == b"a"
        assert shared_key(store, "pages", b"b") == b"b"

    def test_all_who_propose_a_key_at_once_get_the_same(self, store: Store) -> None:
        got: list[bytes] = []

        def propose(proposed: bytes) -> None:
            got.append(undisturbed(lambda: shared_key(store, "pages", proposed)))

        in_threads(*(partial(propose, bytes([number])) for number in range(8)))
        assert len(got) == 8
        assert len(set(got)) == 1
        assert shared_key(store, "pages", b"late") == got[0]
