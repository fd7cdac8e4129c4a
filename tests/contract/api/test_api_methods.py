"""Every method is covered by a test, and every code that is documented for it."""

from __future__ import annotations

import pytest
from api_calls import METHODS, SERVICES
from api_claims import all_claims
from api_documented import documented, of_every_method

from market_spine.v1 import access_pb2


def test_the_services_are_all_that_the_package_has() -> None:
    from google.protobuf.descriptor_pool import Default

    files = {service.file.name for service in SERVICES}
    known = {service.full_name for service in SERVICES}

    assert len(METHODS) > 30
    for name in files:
        for service in Default().FindFileByName(name).services_by_name.values():
            assert service.full_name in known


def test_the_documented_codes_are_found() -> None:
    assert documented("RunService.SubmitRun") == {
        "INVALID_ARGUMENT",
        "PERMISSION_DENIED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
    }
    assert documented("BackfillService.CancelBackfill") == {"INVALID_ARGUMENT", "NOT_FOUND"}
    assert documented("DatasetService.UploadFile") >= documented("RunService.SubmitRun")
    assert of_every_method() == {
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_covered_with_every_code_that_is_documented_for_it(method: str) -> None:
    covered = {code for name, code in all_claims() if name == method}

    assert covered >= {"OK"} | documented(method)


@pytest.mark.parametrize("code", sorted(of_every_method()))
def test_what_every_method_may_answer_is_covered_for_some(code: str) -> None:
    assert code in {found for _, found in all_claims()}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_says_who_may_call_it(method: str) -> None:
    options = METHODS[method].GetOptions()
    access = options.Extensions[access_pb2.access]

    assert access.role != access_pb2.ROLE_UNSPECIFIED
    if access.writes:
        assert access.role != access_pb2.ROLE_VIEWER
    assert (options.idempotency_level == options.NO_SIDE_EFFECTS) is not access.writes
