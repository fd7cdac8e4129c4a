"""Nobody calls what their role does not allow, and no change is made that is not on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from market_spine.adapters.inbound.grpc import access_interceptor, sending
from market_spine.adapters.inbound.grpc.access_interceptor import AccessInterceptor, Gate
from market_spine.adapters.inbound.grpc.access_rules import Rule, rules_of
from market_spine.adapters.inbound.grpc.api import RULES, SERVICES
from market_spine.adapters.inbound.grpc.call_meter import CallMeter
from market_spine.adapters.inbound.grpc.callers import caller_of
from market_spine.adapters.inbound.grpc.work import Threads
from market_spine.adapters.outbound.system.runtime import (
    SystemClock,
    SystemUnguessable,
    UuidIds,
)
from market_spine.application.access.audit_log import AuditLog
from market_spine.application.access.authenticate import Authenticate
from market_spine.application.access.token_cache import TokenCache
from market_spine.application.access.tokens import CreateToken, RevokeToken
from market_spine.domain.access import AuditFilter, Role
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    LoadError,
    SpineError,
    ValidationError,
)
from market_spine.testing.memory_store import MemoryStore
from market_spine.v1 import run_pb2, run_service_pb2

METHOD = "/market_spine.v1.RunService/CancelRun"
REQUEST = run_service_pb2.CancelRunRequest(name="runs/1")


@dataclass
class Context:
    """A call as the server sees it."""

    metadata: tuple[tuple[str, str], ...] = ()
    certificate: Mapping[str, list[bytes]] = field(default_factory=dict)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.metadata

    def auth_context(self) -> Mapping[str, list[bytes]]:
        return self.certificate

    def peer(self) -> str:
        return "ipv4:10.0.0.1:1"


def bearer(text: str) -> Context:
    return Context((("authorization", f"Bearer {text}"),))


@dataclass
class House:
    """A gate before one method, over a store in memory."""

    required: bool = True
    store: MemoryStore = field(default_factory=MemoryStore)
    called: int = 0
    error: Exception | None = None
    meter: CallMeter = field(default_factory=CallMeter)

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self.store, SystemClock(), UuidIds())

    def token(self, role: Role, expires: timedelta | None = None) -> str:
        make = CreateToken(self.store, SystemClock(), UuidIds(), SystemUnguessable())
        return make(role.value, role, expires)[1]

    def call(self, context: Context, rule: Rule | None, request: Any = REQUEST) -> Any:
        async def called() -> Any:
            with ThreadPoolExecutor(1) as pool:
                authenticate = Authenticate(
                    self.store, SystemClock(), certificate_roles={"loader": Role.OPERATOR}
                )
                gate = Gate(authenticate, self.audit, Threads(pool), self.required)
                rules = {} if rule is None else {METHOD: rule}
                interceptor = AccessInterceptor(gate, rules, self.meter)
                handler = grpc.unary_unary_rpc_method_handler(self._method)
                details = cast("grpc.HandlerCallDetails", SimpleNamespace(method=METHOD))
                guarded = await interceptor.intercept_service(_found(handler), details)
                return await guarded.unary_unary(request, context)

        return asyncio.run(called())

    async def _method(self, request: Any, context: Any) -> Any:
        self.called += 1
        if self.error is not None:
            raise self.error
        name = caller_of().name
        return run_service_pb2.CancelRunResponse(run=run_pb2.Run(name="runs/1", owner=name))

    def entries(self) -> list[tuple[str, str, str, str | None, str | None]]:
        return [
            (item.caller, item.method, item.resource, item.outcome, item.result)
            for item in self.audit.list(AuditFilter())
        ]


def _found(handler: Any) -> Any:
    async def continuation(details: grpc.HandlerCallDetails) -> Any:
        return handler

    return continuation


@pytest.mark.parametrize("needed", list(Role))
@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_lesser_ones_may(role: Role, needed: Role) -> None:
    house = House()
    if role.allows(needed):
        assert house.call(bearer(house.token(role)), Rule(needed, False)).run.owner == role.value
        return
    with pytest.raises(SpineError, match="takes") as caught:
        house.call(bearer(house.token(role)), Rule(needed, True))
    assert "unauthenticated" not in caught.value.context.metadata
    assert house.called == 0
    assert house.entries() == []


@pytest.mark.parametrize(
    "context",
    [
        Context(),
        bearer(""),
        bearer("spine_x"),
        bearer("a.b.c"),
        bearer("x" * 100_000),
        Context((("authorization", "Basic YTpi"),)),
        Context((("authorization", ""),)),
        bearer(f"spine_{'0' * 36}_{'0' * 64}"),
    ],
)
def test_without_credentials_or_with_wrong_ones_nobody_is_let_in(context: Context) -> None:
    house = House()
    with pytest.raises(SpineError) as caught:
        house.call(context, Rule(Role.VIEWER, False))
    assert caught.value.context.metadata["unauthenticated"] is True
    assert house.called == 0


def test_wrong_credentials_are_refused_also_where_none_are_needed() -> None:
    house = House(required=False)
    assert house.call(Context(), Rule(Role.ADMIN, False)).run.owner == "local"
    with pytest.raises(SpineError, match="token"):
        house.call(bearer("spine_x"), Rule(Role.VIEWER, False))


def test_a_certificate_stands_for_its_role() -> None:
    house = House()
    known = Context(certificate={"x509_common_name": [b"loader"]})
    assert house.call(known, Rule(Role.OPERATOR, False)).run.owner == "loader"
    with pytest.raises(SpineError, match="takes admin"):
        house.call(known, Rule(Role.ADMIN, False))
    with pytest.raises(SpineError, match="no role"):
        house.call(Context(certificate={"x509_common_name": [b"x"]}), Rule(Role.VIEWER, False))


def test_what_has_no_rule_takes_somebody_who_is_known() -> None:
    house = House()
    with pytest.raises(SpineError, match="credentials"):
        house.call(Context(), None)
    house.call(bearer(house.token(Role.VIEWER)), None)


def test_a_change_is_recorded_with_its_outcome() -> None:
    house = House()
    token = house.token(Role.OPERATOR)
    house.call(bearer(token), Rule(Role.OPERATOR, True))
    house.error = ValidationError("no", metadata={"resource": "runs/1"})
    with pytest.raises(ValidationError):
        house.call(bearer(token), Rule(Role.OPERATOR, True))
    house.error = RuntimeError("defect")
    with pytest.raises(RuntimeError):
        house.call(bearer(token), Rule(Role.OPERATOR, True))
    method = METHOD[1:]
    assert house.entries() == [
        ("OPERATOR", method, "runs/1", "INTERNAL", None),
        ("OPERATOR", method, "runs/1", "NOT_FOUND", None),
        ("OPERATOR", method, "runs/1", "OK", "runs/1"),
    ]


def test_what_cannot_be_recorded_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    token = house.token(Role.OPERATOR)

    def broken(*_: object) -> str:
        raise LoadError("the store is read-only")

    monkeypatch.setattr(AuditLog, "begin", broken)
    with pytest.raises(LoadError, match="read-only"):
        house.call(bearer(token), Rule(Role.OPERATOR, True))
    assert house.called == 0


def test_an_outcome_that_cannot_be_recorded_takes_nothing_from_the_caller(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    token = house.token(Role.OPERATOR)

    def broken(*_: object) -> bool:
        raise LoadError("the store is away")

    monkeypatch.setattr(AuditLog, "end", broken)
    assert house.call(bearer(token), Rule(Role.OPERATOR, True)).run.name == "runs/1"
    assert "could not be recorded" in caplog.text
    assert [item[3] for item in house.entries()] == [None]


def test_a_stream_of_requests_is_told_by_its_first_and_loses_none() -> None:
    house = House()
    requests = [run_service_pb2.CancelRunRequest(name=f"runs/{number}") for number in range(3)]
    seen: list[str] = []

    async def stream() -> AsyncIterator[Any]:
        for item in requests:
            yield item

    async def method(stream_of: Any, context: Any) -> Any:
        seen.extend([item.name async for item in stream_of])
        return run_service_pb2.CancelRunResponse()

    house._method = method  # type: ignore[method-assign]
    house.call(bearer(house.token(Role.OPERATOR)), Rule(Role.OPERATOR, True), stream())
    assert seen == ["runs/0", "runs/1", "runs/2"]
    assert [item[2] for item in house.entries()] == ["runs/0"]


def test_a_token_that_was_revoked_is_refused() -> None:
    house = House()
    make = CreateToken(house.store, SystemClock(), UuidIds(), SystemUnguessable())
    token, text = make("t", Role.VIEWER, None)
    RevokeToken(house.store, SystemClock())(token.id)
    with pytest.raises(SpineError, match="revoked"):
        house.call(bearer(text), Rule(Role.VIEWER, False))


def test_calls_are_counted_by_how_they_ended() -> None:
    house = House()
    token = house.token(Role.VIEWER)
    house.call(bearer(token), Rule(Role.VIEWER, False))
    with pytest.raises(SpineError):
        house.call(Context(), Rule(Role.VIEWER, False))
    assert {key: count.calls for key, count in house.meter.counts.items()} == {
        (METHOD, "OK"): 1,
        (METHOD, "UNAUTHENTICATED"): 1,
    }
    assert len(house.meter.told()) == 2
    assert house.meter.told() == []


def test_every_method_says_who_may_call_it_and_those_that_change_something_say_so() -> None:
    assert len(RULES) == sum(len(service.methods) for service in SERVICES)
    reading = ("Get", "List", "Watch", "Query", "Survey", "Diagnose")
    for path, rule in RULES.items():
        name = path.rpartition("/")[2]
        assert rule.writes is not name.startswith(reading), path
        assert rule.writes <= rule.role.allows(Role.OPERATOR), path


def test_a_method_that_says_nothing_keeps_the_server_from_starting() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="forgotten.proto", package="forgotten")
    file.message_type.add(name="Empty")
    method = file.service.add(name="Service").method.add(name="Do")
    method.input_type = method.output_type = ".forgotten.Empty"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(ConfigurationError, match=r"/forgotten\.Service/Do"):
        rules_of([pool.FindServiceByName("forgotten.Service")])


def test_a_client_that_gives_up_changes_nothing_about_what_is_noted() -> None:
    house = House()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def method(request: Any, context: Any) -> Any:
        begun.set()
        await go_on.wait()
        return run_service_pb2.CancelRunResponse(run=run_pb2.Run(name="runs/7"))

    async def scene() -> None:
        with ThreadPoolExecutor(1) as pool:
            authenticate = Authenticate(house.store, SystemClock())
            gate = Gate(authenticate, house.audit, Threads(pool), required=False)
            interceptor = AccessInterceptor(gate, {METHOD: Rule(Role.OPERATOR, True)}, house.meter)
            handler = grpc.unary_unary_rpc_method_handler(method)
            details = cast("grpc.HandlerCallDetails", SimpleNamespace(method=METHOD))
            guarded = await interceptor.intercept_service(_found(handler), details)
            call = asyncio.create_task(guarded.unary_unary(REQUEST, Context()))
            await begun.wait()
            call.cancel()
            await asyncio.sleep(0)
            assert [item[3] for item in house.entries()] == [None], "it is still executed"
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(scene())
    assert house.entries() == [("local", METHOD[1:], "runs/1", "OK", "runs/7")]


def test_a_stream_that_sends_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_interceptor, "FIRST_MESSAGE", 0.01)

    async def silent() -> AsyncGenerator[int, None]:
        await asyncio.Event().wait()
        yield 1

    with pytest.raises(SpineError, match="nothing came for") as raised:
        asyncio.run(access_interceptor._peeked(silent()))
    assert raised.value.category is Category.RATE_LIMIT


def test_a_stream_ends_once_its_token_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ASKED_AGAIN", 0.0)
    house = House()
    make = CreateToken(house.store, SystemClock(), UuidIds(), SystemUnguessable())
    token, text = make("t", Role.VIEWER, None)
    sent: list[int] = []

    async def messages() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number

    class Reader(Context):
        async def write(self, message: int) -> None:
            sent.append(message)
            RevokeToken(house.store, SystemClock())(token.id)

    async def method(request: Any, context: Any) -> Any:
        await sending.send_all(messages(), context)

    house._method = method  # type: ignore[method-assign]
    # Nothing is remembered: else it would be let in for some seconds more.
    monkeypatch.setattr(Authenticate, "remembered", lambda *_: None)
    monkeypatch.setattr(TokenCache, "get", lambda *_: None)
    reader = Reader((("authorization", f"Bearer {text}"),))
    with pytest.raises(SpineError, match="revoked"):
        house.call(reader, Rule(Role.VIEWER, False))
    assert sent == [0]
