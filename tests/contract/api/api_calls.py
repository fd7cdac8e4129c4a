"""A client that knows the contract and an address, and nothing else: stubs, grpc, and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from market_spine.v1 import (
    backfill_service_pb2,
    backfill_service_pb2_grpc,
    dataset_service_pb2,
    dataset_service_pb2_grpc,
    error_pb2,
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    system_service_pb2,
    system_service_pb2_grpc,
    workflow_service_pb2,
    workflow_service_pb2_grpc,
)

WAIT = 60.0
"""Seconds after which an answer is taken not to come."""

STUBS: dict[str, tuple[Any, Any]] = {
    "PipelineService": (pipeline_service_pb2, pipeline_service_pb2_grpc.PipelineServiceStub),
    "WorkflowService": (workflow_service_pb2, workflow_service_pb2_grpc.WorkflowServiceStub),
    "RunService": (run_service_pb2, run_service_pb2_grpc.RunServiceStub),
    "BackfillService": (backfill_service_pb2, backfill_service_pb2_grpc.BackfillServiceStub),
    "DatasetService": (dataset_service_pb2, dataset_service_pb2_grpc.DatasetServiceStub),
    "SystemService": (system_service_pb2, system_service_pb2_grpc.SystemServiceStub),
}
SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    module.DESCRIPTOR.services_by_name[name] for name, (module, _) in STUBS.items()
)
METHODS: Mapping[str, MethodDescriptor] = {
    f"{service.name}.{method.name}": method for service in SERVICES for method in service.methods
}
"""Every method of the API, as "RunService.GetRun"."""

ROLES = ("viewer", "operator", "admin")
_DETAILS = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.ResourceInfo,
    error_details_pb2.RetryInfo,
    error_pb2.Error,
)


def message_of(method: str) -> type[Message]:
    """The class of a method's requests."""
    return GetMessageClass(METHODS[method].input_type)


def path_of(method: str) -> str:
    """The path of a method on the wire."""
    service, _, name = method.partition(".")
    return f"/market_spine.v1.{service}/{name}"


@dataclass(frozen=True)
class Refusal:
    """How a call failed: the name of its code, its text, and its details by their type."""

    code: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: Any) -> Refusal:
        status = rpc_status.from_call(error)
        found = {}
        for packed in status.details if status is not None else ():
            kinds = [kind for kind in _DETAILS if packed.Is(kind.DESCRIPTOR)]
            assert len(kinds) == 1, f"a detail of an undocumented type: {packed.type_url}"
            message = kinds[0]()
            packed.Unpack(message)
            found[kinds[0].DESCRIPTOR.name] = message
        return cls(error.code().name, error.details() or "", found)

    @property
    def field(self) -> str | None:
        """The field at fault; None when none is named."""
        bad = self.details.get("BadRequest")
        return bad.field_violations[0].field if bad else None

    @property
    def resource(self) -> str | None:
        """What is absent, or there already."""
        info = self.details.get("ResourceInfo")
        return info.resource_name if info else None


class Seen:
    """Which methods have ended with which codes."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str]] = set()

    def note(self, method: str, code: str) -> None:
        self.calls.add((method, code))


SEEN = Seen()


class Api:
    """Calls a server. ``tokens`` are by role; without any the server has to ask for none."""

    def __init__(
        self,
        address: str,
        *,
        tokens: Mapping[str, str] | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        options: Iterable[tuple[str, Any]] = (),
    ) -> None:
        self.address = address
        self._credentials = credentials
        self.tokens = dict(tokens or {})
        given = [("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = (
            grpc.insecure_channel(address, given)
            if credentials is None
            else grpc.secure_channel(address, credentials, given)
        )
        self._stubs = {name: stub(self.channel) for name, (_, stub) in STUBS.items()}

    def again(self, *options: tuple[str, Any]) -> Api:
        """The same caller by another connection."""
        return Api(self.address, tokens=self.tokens, credentials=self._credentials, options=options)

    def close(self) -> None:
        self.channel.close()

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def raw(self, method: str) -> Any:
        """What grpc calls the method with, without noting anything."""
        service, _, name = method.partition(".")
        return getattr(self._stubs[service], name)

    def metadata(self, role: str | None, token: str | None = None) -> list[tuple[str, str]]:
        """The credentials of a role: its token, or that of the next higher role there is."""
        if token is None and role is not None and self.tokens:
            wanted = ROLES[ROLES.index(role) :]
            token = next((self.tokens[item] for item in wanted if item in self.tokens), None)
            assert token is not None, f"there is no token for {role}"
        return [("authorization", f"Bearer {token}")] if token is not None else []

    def call(
        self,
        method: str,
        request: Message | None = None,
        *,
        role: str | None = "admin",
        token: str | None = None,
        timeout: float = WAIT,
        **fields: Any,
    ) -> Any:
        """The answer of a method; a list of them when it streams."""
        asked = message_of(method)(**fields) if request is None else request
        if METHODS[method].server_streaming:
            return list(self.stream(method, asked, role=role, token=token, timeout=timeout))
        with _noted(method):
            return self.raw(method)(asked, timeout=timeout, metadata=self.metadata(role, token))

    def stream(
        self,
        method: str,
        request: Message | None = None,
        *,
        role: str | None = "admin",
        token: str | None = None,
        timeout: float = WAIT,
        **fields: Any,
    ) -> Iterator[Any]:
        """The answers of a method one by one."""
        asked = message_of(method)(**fields) if request is None else request
        call = self.raw(method)(asked, timeout=timeout, metadata=self.metadata(role, token))
        try:
            with _noted(method):
                yield from call
        finally:
            call.cancel()

    def send(
        self,
        method: str,
        requests: Iterable[Message],
        *,
        role: str | None = "admin",
        token: str | None = None,
        timeout: float = WAIT,
    ) -> Any:
        """The answer to a stream of requests."""
        metadata = self.metadata(role, token)
        with _noted(method):
            return self.raw(method)(iter(requests), timeout=timeout, metadata=metadata)

    def refusal(self, method: str, request: Any = None, **fields: Any) -> Refusal:
        """How a method refuses; fails when it does not. ``request`` may be a list of them."""
        given = self.send if isinstance(request, list) else self.call
        try:
            answer = given(method, request, **fields)
        except grpc.RpcError as error:
            return Refusal.of(error)
        asked = str(request or fields)[:300]
        raise AssertionError(f"{method} was to refuse {asked}; it answered {str(answer)[:300]}")

    def code(self, method: str, request: Any = None, **fields: Any) -> str:
        """The name of the code with which a call ends."""
        given = self.send if isinstance(request, list) else self.call
        try:
            given(method, request, **fields)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    def pages(self, method: str, items: str, **fields: Any) -> list[list[Any]]:
        """All pages of a list, each as its items."""
        pages: list[list[Any]] = []
        token = ""
        while token or not pages:
            answer = self.call(method, page_token=token, **fields)
            pages.append(list(getattr(answer, items)))
            token = answer.next_page_token
        return pages


class _noted:  # noqa: N801  # read as a word: with _noted(...)
    """Notes with which code a call has ended."""

    def __init__(self, method: str) -> None:
        self._method = method

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            SEEN.note(self._method, "OK")
        elif isinstance(error, grpc.RpcError):
            SEEN.note(self._method, str(error.code().name))  # type: ignore[attr-defined]
