"""The connection to a server: options, TLS, and which methods may be called again."""

from __future__ import annotations

from functools import cache
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from ..v1 import (
    backfill_service_pb2,
    dataset_service_pb2,
    pipeline_service_pb2,
    run_service_pb2,
    system_service_pb2,
    workflow_service_pb2,
)
from .pem import certificates_in, key_in
from .target import Credentials, Target

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for file in (
        run_service_pb2,
        backfill_service_pb2,
        pipeline_service_pb2,
        workflow_service_pb2,
        dataset_service_pb2,
        system_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
)
"""All services of the API."""

_REPEATABLE = (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)
_REQUEST_ID = "request_id"

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # The server allows a ping every 20 s, also while nothing else is sent.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A server that is started again is found again within moments.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


def open_channel(target: Target, credentials: Credentials) -> grpc.Channel:
    """A channel, which connects when it is first used; raises a ConfigurationError for a file that
    cannot be read.
    """
    options = [*_OPTIONS]
    if target.local:
        options.append(("grpc.enable_http_proxy", 0))
    if not target.tls:
        return grpc.insecure_channel(target.address, options)
    tls = grpc.ssl_channel_credentials(*files_of(credentials))
    return grpc.secure_channel(target.address, tls, options)


def files_of(credentials: Credentials) -> tuple[bytes | None, bytes | None, bytes | None]:
    """What is in the files of the authority, our key and our certificate, where they are given.

    Raises a ConfigurationError for a file that cannot be read or is no PEM.
    """
    return (
        certificates_in(credentials.ca, "the file with trusted certificates"),
        key_in(credentials.key, "the key of the client certificate"),
        certificates_in(credentials.cert, "the client certificate"),
    )


def is_repeatable(path: str) -> bool:
    """Whether the same request twice does no more than once, of the method with that whole path.

    Either the proto says so of the method, or its request has an id by which the server knows it
    again, which this client always sends.
    """
    return path in _repeatable()


@cache
def _repeatable() -> frozenset[str]:
    return frozenset(
        f"/{service.full_name}/{method.name}"
        for service in SERVICES
        for method in service.methods
        if _does_no_more(method)
    )


def _does_no_more(method: MethodDescriptor) -> bool:
    options: Any = method.GetOptions()
    if options.idempotency_level in _REPEATABLE:
        return True
    return _REQUEST_ID in method.input_type.fields_by_name and not method.client_streaming
