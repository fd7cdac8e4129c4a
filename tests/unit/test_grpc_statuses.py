"""Which status an error becomes, and that it always fits where a status travels."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc.statuses import code_of, internal_status, status_of
from market_spine.domain.errors import Category, ErrorContext, SpineError, ValidationError
from market_spine.v1 import error_pb2

TABLE = {
    "INTERNAL": "INTERNAL",
    "CONFIGURATION": "FAILED_PRECONDITION",
    "VALIDATION": "INVALID_ARGUMENT",
    "SOURCE": "FAILED_PRECONDITION",
    "TRANSFORM": "FAILED_PRECONDITION",
    "LOAD": "FAILED_PRECONDITION",
    "TRANSIENT": "UNAVAILABLE",
    "DEPENDENCY": "UNAVAILABLE",
    "TIMEOUT": "DEADLINE_EXCEEDED",
    "RATE_LIMIT": "RESOURCE_EXHAUSTED",
    "PERMISSION": "PERMISSION_DENIED",
    "RESOURCE": "RESOURCE_EXHAUSTED",
}
SOFT_LIMIT_OF_A_CLIENT = 8 * 1024


def detail(status: status_pb2.Status, kind: Any) -> Any:
    """The one detail of that kind."""
    found = [packed for packed in status.details if packed.Is(kind.DESCRIPTOR)]
    assert len(found) == 1, f"{len(found)} {kind.DESCRIPTOR.name} in {status}"
    message = kind()
    found[0].Unpack(message)
    return message


def kinds(status: status_pb2.Status) -> list[str]:
    return [packed.TypeName().rpartition(".")[2] for packed in status.details]


@pytest.mark.parametrize("category", Category)
def test_code_by_category(category: Category) -> None:
    error = SpineError("it failed", category=category)

    assert code_of(error).name == TABLE[category.value]
    assert code_pb2.Code.Name(status_of(error).code) == TABLE[category.value]


def test_what_is_absent_is_not_found_and_named() -> None:
    status = status_of(ValidationError("there is no run 7", metadata={"resource": "runs/7"}))

    assert status.code == code_pb2.NOT_FOUND
    assert detail(status, error_details_pb2.ResourceInfo).resource_name == "runs/7"


def test_a_resource_named_by_another_category_is_not_absent() -> None:
    error = SpineError("busy", category=Category.TRANSIENT, metadata={"resource": "runs/7"})

    assert code_of(error) is grpc.StatusCode.UNAVAILABLE


def test_a_field_at_fault_is_named() -> None:
    status = status_of(ValidationError("page_size is -1", metadata={"field": "page_size"}))

    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.description) == ("page_size", "page_size is -1")


def test_when_to_retry_is_told() -> None:
    error = SpineError("slow down", category=Category.RATE_LIMIT, retry_after=1.5)

    status = status_of(error)

    delay = detail(status, error_details_pb2.RetryInfo).retry_delay
    assert (delay.seconds, delay.nanos) == (1, 500_000_000)
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("RATE_LIMIT", "market_spine")
    assert info.metadata["retryable"] == "true"


def test_the_error_itself_comes_along_with_cause_and_context() -> None:
    error = SpineError(
        "the store is away",
        category=Category.DEPENDENCY,
        hint="look at the disk",
        context=ErrorContext(run="7", step="load"),
        cause=OSError("no space"),
    )

    told = detail(status_of(error), error_pb2.Error)

    assert told.category == error_pb2.ERROR_CATEGORY_DEPENDENCY
    assert (told.context.run, told.context.step) == ("7", "load")
    assert told.foreign_cause.message == "no space"


def test_an_error_that_does_not_fit_leaves_the_smaller_details() -> None:
    error = ValidationError("bad", cause=OSError("no space " * 10_000), metadata={"field": "name"})

    assert kinds(status_of(error)) == ["ErrorInfo", "BadRequest"]


def test_internal_says_nothing_but_the_correlation_id() -> None:
    status = internal_status("c0ffee")

    assert status.code == code_pb2.INTERNAL
    assert "c0ffee" in status.message
    assert kinds(status) == ["ErrorInfo"]
    info = detail(status, error_details_pb2.ErrorInfo)
    assert info.reason == "INTERNAL"
    assert dict(info.metadata) == {"correlation_id": "c0ffee"}


texts = st.text(max_size=40) | st.text(min_size=1, max_size=3).map(lambda text: text * 2_000)


@given(
    texts,
    st.none() | texts,
    st.sampled_from(Category),
    st.dictionaries(st.sampled_from(["field", "resource", "else"]), texts),
)
def test_any_status_fits_into_the_trailers(
    message: str, hint: str | None, category: Category, metadata: dict[str, str]
) -> None:
    error = SpineError(
        message, hint=hint, category=category, metadata=metadata, cause=ValueError(message)
    )

    final = rpc_status.to_status(status_of(error))

    percent_encoded = 3 * len(final.details.encode())
    in_base64 = sum(4 * len(value) / 3 + len(key) for key, value in final.trailing_metadata)
    assert percent_encoded + in_base64 < SOFT_LIMIT_OF_A_CLIENT - 512
    assert final.details == status_pb2.Status.FromString(final.trailing_metadata[0][1]).message
