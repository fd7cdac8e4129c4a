"""The one place where it is decided who may call what, and where changes are recorded."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from ....application.access.audit_log import AuditLog
from ....application.access.authenticate import Authenticate
from ....domain.access import LOCAL, Principal, unauthenticated
from ....domain.errors import Category, SpineError
from .access_rules import Rule
from .call_meter import CallMeter
from .callers import set_caller
from .statuses import code_of
from .work import Threads, heed_cancellation, to_its_end
from .wrapping import Behaviour, Handler, kind_of, rewrapped

_log = logging.getLogger(__name__)

HEALTH = "/grpc.health.v1.Health/"
FIRST_MESSAGE = 60.0
"""Seconds that the first message of a stream may take; before it nothing is counted or noted."""
_NAMES = ("x509_common_name", "x509_subject_alternative_name")
_BEARER = "bearer "
_OK, _INTERNAL, _CANCELLED = (
    code.name for code in (grpc.StatusCode.OK, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED)
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Who is let in: with ``required``, nobody without credentials.

    Without ``certificates`` clients have none, and are not asked.
    """

    authenticate: Authenticate
    audit: AuditLog
    threads: Threads
    required: bool
    certificates: bool = True

    async def caller(self, context: Any) -> Principal:
        """The caller by its token, else by its certificate, else the local one.

        Raises a SpineError of category PERMISSION for credentials that are wrong or missing.
        """
        bearer = _bearer(context)
        if bearer is not None:
            known = self.authenticate.remembered(bearer)
            if known is not None:
                return known
            return await self.threads.do(partial(self.authenticate, bearer))
        names = _certificate_names(context) if self.certificates else []
        if names:
            return self.authenticate.principal_of_certificate(names)
        if self.required:
            raise unauthenticated(
                "this server demands credentials",
                hint="send 'authorization: Bearer TOKEN' ('spine auth token create' makes one), or "
                "connect with a client certificate",
            )
        return LOCAL


class AccessInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # no such at run time
    """Lets callers in as the rules of the methods say; records calls that may change something.

    A call that may change something is executed only once its entry is in the store. Health is
    open to everybody; what has no rule, such as reflection, to everybody who is known.
    """

    def __init__(self, gate: Gate, rules: Mapping[str, Rule], meter: CallMeter) -> None:
        self._gate = gate
        self._rules = rules
        self._meter = meter

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or method.startswith(HEALTH):
            return handler
        entry = _Entry(self._gate, self._rules.get(method), method, self._meter)
        behaviour = getattr(handler, kind_of(handler))
        return rewrapped(handler, entry.guarded(behaviour), handler.request_deserializer)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The way into one method."""

    gate: Gate
    rule: Rule | None
    method: str
    meter: CallMeter

    def guarded(self, behaviour: Behaviour) -> Behaviour:
        if inspect.isasyncgenfunction(behaviour):

            async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
                await self._let_in(context)
                async for reply in behaviour(request, context):
                    yield reply

            return stream

        async def call(request: Any, context: Any) -> Any:
            started, code = time.perf_counter(), _INTERNAL
            try:
                caller = await self._let_in(context)
                if self.rule is not None and self.rule.writes:
                    reply = await self._recorded(behaviour, caller, request, context)
                else:
                    reply = await behaviour(request, context)
                code = _OK
            except SpineError as error:
                code = code_of(error).name
                raise
            except asyncio.CancelledError:
                code = _CANCELLED
                raise
            finally:
                self.meter.note(self.method, code, time.perf_counter() - started)
            return reply

        return call

    async def _let_in(self, context: Any) -> Principal:
        caller = await self.gate.caller(context)
        if self.rule is not None and not caller.role.allows(self.rule.role):
            raise _not_allowed(caller, self.rule, self.method)
        set_caller(caller, partial(self._still_welcome, context))
        return caller

    async def _still_welcome(self, context: Any) -> None:
        """Raise as for a new call: what let a stream in may have been revoked, or have expired."""
        caller = await self.gate.caller(context)
        if self.rule is not None and not caller.role.allows(self.rule.role):
            raise _not_allowed(caller, self.rule, self.method)

    async def _recorded(
        self, behaviour: Behaviour, caller: Principal, request: Any, context: Any
    ) -> Any:
        if streaming := hasattr(request, "__aiter__"):
            request, first = await _peeked(request)
            # It may have been waited for: what let the caller in may be gone by now.
            await self._still_welcome(context)
        else:
            first = request
        begin = partial(
            self.gate.audit.begin, caller, str(context.peer()), self.method[1:], _subject(first)
        )
        # A client that gives up changes nothing about what was begun for it, nor about what has
        # to be noted. What it has not sent yet is another matter: that is not waited for.
        entry = await to_its_end(self.gate.threads.do(begin))
        outcome, result = _CANCELLED, None
        try:
            heed_cancellation()
            work = behaviour(request, context)
            reply = await (work if streaming else to_its_end(work))
            outcome, result = _OK, _result(reply)
        except asyncio.CancelledError:
            raise
        except SpineError as error:
            outcome = code_of(error).name
            raise
        except Exception:
            outcome = _INTERNAL
            raise
        finally:
            await to_its_end(self._end(entry, outcome, result))
        heed_cancellation()
        return reply

    async def _end(self, entry: str, outcome: str, result: str | None) -> None:
        try:
            await self.gate.threads.do(partial(self.gate.audit.end, entry, outcome, result))
        except SpineError:
            # The change is made, and known to have been asked for; its caller is told of it.
            _log.exception("the outcome %s of call %s could not be recorded", outcome, entry)


def _not_allowed(caller: Principal, rule: Rule, method: str) -> SpineError:
    return SpineError(
        f"{caller.name} is {caller.role.value.lower()}, and {method[1:]} takes "
        f"{rule.role.value.lower()}",
        category=Category.PERMISSION,
        hint="ask an administrator for a token with that role",
    )


def _bearer(context: Any) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            text = str(value)
            if text[: len(_BEARER)].lower() != _BEARER:
                raise unauthenticated(
                    "the header 'authorization' holds something else than a bearer token",
                    hint="send 'authorization: Bearer TOKEN'",
                )
            return text[len(_BEARER) :].strip()
    return None


def _certificate_names(context: Any) -> list[str]:
    found: Mapping[str, list[bytes]] = context.auth_context()
    return [name.decode(errors="replace") for key in _NAMES for name in found.get(key, ())]


async def _peeked(requests: Any) -> tuple[AsyncIterator[Any], Any]:
    """The same stream of requests, and its first one; None when there is none."""
    iterator = aiter(requests)
    try:
        async with asyncio.timeout(FIRST_MESSAGE):
            first = await anext(iterator, None)
    except TimeoutError:
        raise SpineError(
            f"nothing came for {FIRST_MESSAGE:.0f} seconds",
            category=Category.RATE_LIMIT,
            retry_after=1.0,
            hint="send the first message when the call begins",
        ) from None

    async def again() -> AsyncIterator[Any]:
        if first is not None:
            yield first
        async for request in iterator:
            yield request

    return again(), first


def _subject(request: Any) -> str:
    """What a request is about: the first of the fields that name a resource."""
    parts = (getattr(request, part, None) for part in ("plan", "header", "backfill"))
    for part in (request, *parts):
        for name in ("name", "parent", "pipeline"):
            value = getattr(part, name, "")
            if isinstance(value, str) and value:
                return value
    age = getattr(request, "older_than", None)
    return "" if age is None else f"runs that ended {age.seconds} s ago or longer"


def _result(reply: Any) -> str | None:
    for part in ("run", "backfill"):
        name = getattr(getattr(reply, part, None), "name", "")
        if name:
            return str(name)
    deleted = getattr(reply, "runs", None)
    return f"{deleted} runs deleted" if isinstance(deleted, int) else None
