"""The log of calls that change something, and the keys that all processes share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from access_house import ANN, AccessHouse

from market_spine.application.access.audit_log import AuditLog
from market_spine.application.access.shared_keys import KEY_BYTES, SharedKeys
from market_spine.domain.access import LOCAL, AuditFilter, Principal, PrincipalKind, Role
from market_spine.domain.errors import Category, ConflictError, SpineError, ValidationError
from market_spine.ports.storage import UnitOfWork
from market_spine.testing.known_identity import CountedSecrets
from market_spine.testing.steady_runtime import CountingIds


@pytest.fixture
def house() -> AccessHouse:
    return AccessHouse()


# The log of calls


def test_a_call_is_in_the_store_before_it_is_executed(house: AccessHouse) -> None:
    entry = house.audit.begin(ANN, "ipv4:1.2.3.4:5", "a.B/Do", "pipelines/p")
    [noted] = house.audit.list(AuditFilter())
    assert (noted.id, noted.caller, noted.role, noted.outcome) == (entry, "ann", ANN.role, None)
    assert (noted.peer, noted.method, noted.resource) == ("ipv4:1.2.3.4:5", "a.B/Do", "pipelines/p")
    assert noted.at == house.clock.now()
    assert house.audit.end(entry, "OK", "runs/7") is True
    assert house.audit.end(entry, "INTERNAL") is False
    [ended] = house.audit.list(AuditFilter(caller="ann"))
    assert (ended.outcome, ended.result) == ("OK", "runs/7")


def test_a_call_that_cannot_be_recorded_is_told_so(house: AccessHouse) -> None:
    class Full:
        @contextmanager
        def write(self) -> Iterator[UnitOfWork]:
            raise OSError(28, "No space left on device")
            yield

        read = write

    audit = AuditLog(Full(), house.clock, CountingIds())
    for call in (lambda: audit.begin(LOCAL, "p", "m", "r"), lambda: audit.end("id", "OK")):
        with pytest.raises(SpineError) as caught:
            call()
        assert caught.value.category is Category.RESOURCE


def test_secrets_of_callers_are_not_recorded(house: AccessHouse) -> None:
    text = house.made()
    secret = text.rpartition("_")[2]
    entry = house.audit.begin(ANN, f"token={secret}", f"m?password={secret}", f"runs/{text}")
    house.audit.end(entry, "OK", f"https://a:{secret}@b")
    [noted] = house.audit.list(AuditFilter())
    assert secret not in repr(noted)
    assert "***" in noted.resource


def test_whatever_callers_say_is_recorded(house: AccessHouse) -> None:
    for text in ("x" * 100_000, "\0", "\udcff", ""):
        entry = house.audit.begin(Principal(text, Role.VIEWER, PrincipalKind.JWT), text, text, text)
        assert house.audit.end(entry, "OK", text)
    assert len(house.audit.list(AuditFilter())) == 4
    assert len(house.audit.list(AuditFilter(caller="x" * 100_000))) == 1


def test_no_call_at_all_cannot_be_asked_for(house: AccessHouse) -> None:
    with pytest.raises(ValidationError):
        house.audit.list(AuditFilter(limit=0))


# Keys


def test_all_processes_on_a_store_have_one_key(house: AccessHouse) -> None:
    secrets = CountedSecrets()
    one, other = SharedKeys(house.store, secrets), SharedKeys(house.store, secrets)
    assert len(one("pages")) == KEY_BYTES
    assert one("pages") == other("pages") == one("pages")
    assert one("pages") != one("something else") == other("something else")


def test_who_comes_second_gets_the_key_of_who_came_first(house: AccessHouse) -> None:
    """The other process commits between the look and the commit of this one."""
    first = SharedKeys(house.store, CountedSecrets())

    class Late:
        read = house.store.read

        def __init__(self) -> None:
            self.tries = 0

        @contextmanager
        def write(self) -> Iterator[UnitOfWork]:
            self.tries += 1
            if self.tries == 1:
                first("pages")
                raise ConflictError("another process has stored it meanwhile")
            with house.store.write() as unit:
                yield unit

    secrets = CountedSecrets()
    secrets.draw(1)
    assert SharedKeys(Late(), secrets)("pages") == first("pages")
