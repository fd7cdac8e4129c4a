"""How a call failed, as the errors that the rest of the software speaks."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import (  # type: ignore[import-untyped]  # ships no py.typed
    error_details_pb2,
    status_pb2,
)
from grpc_status import rpc_status

from ..domain.errors import Category, ConfigurationError, SpineError
from ..v1 import error_pb2
from .decoding_errors import error_of
from .decoding_values import set_seconds

_DOMAIN = "market_spine"
_CATEGORIES = {
    grpc.StatusCode.UNAVAILABLE: Category.DEPENDENCY,
    grpc.StatusCode.DEADLINE_EXCEEDED: Category.TIMEOUT,
    grpc.StatusCode.UNAUTHENTICATED: Category.PERMISSION,
    grpc.StatusCode.PERMISSION_DENIED: Category.PERMISSION,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Category.RATE_LIMIT,
    grpc.StatusCode.INVALID_ARGUMENT: Category.VALIDATION,
    grpc.StatusCode.NOT_FOUND: Category.VALIDATION,
    grpc.StatusCode.ALREADY_EXISTS: Category.VALIDATION,
    grpc.StatusCode.OUT_OF_RANGE: Category.VALIDATION,
    grpc.StatusCode.FAILED_PRECONDITION: Category.CONFIGURATION,
    grpc.StatusCode.UNIMPLEMENTED: Category.CONFIGURATION,
    grpc.StatusCode.ABORTED: Category.TRANSIENT,
    grpc.StatusCode.CANCELLED: Category.TRANSIENT,
}
_HINTS = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "give it more time with timeout=, or ask for less",
    grpc.StatusCode.UNAUTHENTICATED: "give a token, or a client certificate, that the server knows",
    grpc.StatusCode.PERMISSION_DENIED: "ask the server's administrator for a role that may do it",
    grpc.StatusCode.UNIMPLEMENTED: "server and client are of different versions: update the older",
}
_NAMED_CA = "give ca= (SPINE_SERVER_CA) with the certificate of its authority"
_NO_CONNECTION = "failed to connect to all addresses"
_HANGS_UP = ": Socket closed"
_TLS_FAULTS = (
    # What gRPC's core says of the last connection that it tried, the meaning, and what to do.
    (
        "WRONG_VERSION_NUMBER",
        "the server there speaks no TLS",
        "start the server with --tls-cert and --tls-key, or leave out certificates and, where "
        "nobody can overhear, say insecure=True in Python",
    ),
    (
        "Hostname Verification Check failed",
        "the certificate of the server is for another name",
        "call the server by a name that is in its certificate",
    ),
    ("CERTIFICATE_VERIFY_FAILED", "nobody known has signed the server's certificate", _NAMED_CA),
    ("self signed", "nobody known has signed the server's certificate", _NAMED_CA),
    (
        "Failed to create security handshaker",
        "a file of certificates or keys is broken, or the key belongs to another certificate",
        "see that the files of ca=, cert= and key= (SPINE_SERVER_CA, SPINE_CLIENT_CERT, "
        "SPINE_CLIENT_KEY) are whole, and that cert and key are a pair",
    ),
    (
        _HANGS_UP,
        "the server hangs up before it has said anything, as one does that demands TLS or a "
        "client certificate",
        f"{_NAMED_CA}, and cert= and key= (SPINE_CLIENT_CERT, SPINE_CLIENT_KEY) where it asks for "
        "them",
    ),
    ("Failed parsing HTTP/2", "what is there speaks no gRPC without TLS", _NAMED_CA),
)
_TOO_LARGE = "larger than max"


def error_of_call(error: grpc.RpcError, method: str, address: str) -> SpineError:
    """The typed error for a call of ``method`` that failed.

    It is the server's own error where the status brings it; else what the other details tell, and
    without details what follows from the status code.
    """
    call: Any = error
    told = _status(call)
    found = _from_details(told) if told is not None else None
    return found or _from_code(call.code(), str(call.details() or ""), method, address)


def _status(call: Any) -> status_pb2.Status | None:
    try:
        return rpc_status.from_call(call)
    except ValueError:  # the details are not about this status
        return None


def _from_details(status: status_pb2.Status) -> SpineError | None:
    whole = error_pb2.Error()
    parts: dict[str, Any] = {}
    for detail in status.details:
        if detail.Unpack(whole):
            return error_of(whole)
        for name, kind in _PARTS.items():
            part = kind()
            if detail.Unpack(part):
                parts[name] = part
    info = parts.get("info")
    if info is None or info.domain != _DOMAIN or info.reason not in Category.__members__:
        return None
    return SpineError.from_dict(
        {
            "type": None,
            "category": info.reason,
            "message": status.message,
            "hint": info.metadata.get("hint"),
            "retryable": info.metadata["retryable"] == "true"
            if "retryable" in info.metadata
            else None,
            "retry_after": set_seconds(parts["retry"], "retry_delay") if "retry" in parts else None,
            "context": {"metadata": _metadata(parts)},
        }
    )


_PARTS = {
    "info": error_details_pb2.ErrorInfo,
    "retry": error_details_pb2.RetryInfo,
    "request": error_details_pb2.BadRequest,
    "resource": error_details_pb2.ResourceInfo,
}


def _metadata(parts: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    if "request" in parts and parts["request"].field_violations:
        found["field"] = parts["request"].field_violations[0].field
    if "resource" in parts:
        found["resource"] = parts["resource"].resource_name
    if "correlation_id" in parts["info"].metadata:
        found["correlation_id"] = parts["info"].metadata["correlation_id"]
    return found


def _from_code(code: grpc.StatusCode, text: str, method: str, address: str) -> SpineError:
    category = _CATEGORIES.get(code, Category.INTERNAL)
    hint = _HINTS.get(code)
    message = f"{method} at {address} failed: {code.name}: {text}".removesuffix(": ")
    if code is grpc.StatusCode.UNAVAILABLE:
        for sign, wrong, remedy in _TLS_FAULTS:
            if sign in text and _NO_CONNECTION in text:
                return ConfigurationError(
                    f"the connection to {address} cannot be protected as asked for: {wrong}",
                    hint=remedy,
                    # A server or proxy that starts may hang up too, for a moment.
                    retryable=sign == _HANGS_UP,
                    metadata={"code": code.name, "told": text},
                )
        message = f"no server answers at {address}: {text}"
        hint = f"see that it runs; 'spine serve --listen {address}' starts one on its machine"
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in text:
        category, hint = Category.RESOURCE, "ask for less at once"
    return SpineError.from_dict(
        {
            "type": None,
            "category": category.value,
            "message": message,
            "hint": hint,
            # Nobody waits for the answer of a call that was cancelled here.
            "retryable": False if code is grpc.StatusCode.CANCELLED else None,
            "context": {"metadata": {"code": code.name}},
        }
    )
