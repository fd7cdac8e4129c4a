"""Tokens, callers and the log of calls over one store in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from durable_house import SetClock

from market_spine.application.access.audit_log import AuditLog
from market_spine.application.access.authenticate import Authenticate
from market_spine.application.access.tokens import CreateToken, ListTokens, RevokeToken
from market_spine.domain.access import Principal, PrincipalKind, Role
from market_spine.domain.errors import Category, SpineError
from market_spine.ports.storage import UnitOfWork
from market_spine.testing.known_identity import CountedSecrets, KnownVerifier
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.steady_runtime import CountingIds

DAY = timedelta(days=1)
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln"
ANN = Principal("ann", Role.OPERATOR, PrincipalKind.JWT)


class AccessHouse:
    """Use cases over one store in memory, whose time passes when the test says so."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.store = MemoryStore(self.clock.now)
        self.lookups = 0
        self.lookup_seconds = 0.0
        ids = CountingIds()
        self.create = CreateToken(self.store, self.clock, ids, CountedSecrets())
        self.list = ListTokens(self.store)
        self.revoke = RevokeToken(self.store, self.clock)
        self.audit = AuditLog(self.store, self.clock, ids)
        self.authenticate = Authenticate(
            _Counted(self), self.clock, KnownVerifier({JWT: ANN}), {"loader": Role.OPERATOR}
        )

    def made(self, role: Role = Role.VIEWER, expires_in: timedelta | None = DAY) -> str:
        return self.create("nightly", role, expires_in)[1]

    def refused(self, bearer: str) -> SpineError:
        with pytest.raises(SpineError) as caught:
            self.authenticate(bearer)
        error = caught.value
        assert error.category is Category.PERMISSION
        assert error.context.metadata["unauthenticated"] is True
        assert error.hint
        assert not error.retryable
        assert len(bearer) < 8 or bearer[-16:] not in str(error.to_dict())
        return error


class _Counted:
    """The store of the house; how often it is read is counted."""

    def __init__(self, house: AccessHouse) -> None:
        self._house = house
        self.write = house.store.write

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        self._house.lookups += 1
        with self._house.store.read() as unit:
            yield unit
        self._house.clock.pass_by(self._house.lookup_seconds)
