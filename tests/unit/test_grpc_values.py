"""What a request says is read as it was said, and what cannot be is named; enums fit the domain."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from google.type.decimal_pb2 import Decimal as DecimalMessage
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc.values import (
    date_message,
    date_of,
    moment_of,
    timestamp_message,
    value_map,
    value_message,
    value_of,
    values_of,
)
from market_spine.domain.access import Role
from market_spine.domain.backfills import BackfillState, PartState
from market_spine.domain.captures import Stage
from market_spine.domain.errors import Category, ValidationError
from market_spine.domain.partitions import PartitionState
from market_spine.domain.quality import CheckStatus, Severity
from market_spine.domain.queueing import QueueState
from market_spine.domain.runs import EventKind, RunState, Trigger
from market_spine.v1 import (
    access_pb2,
    backfill_pb2,
    capture_pb2,
    dataset_service_pb2,
    error_pb2,
    run_event_pb2,
    run_pb2,
    value_pb2,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_a_value_survives_the_wire(given_values: dict[str, Any]) -> None:
    sent = value_pb2.ValueMap(values=value_map(given_values))
    received = value_pb2.ValueMap.FromString(sent.SerializeToString())

    read = values_of(received.values, field="parameters")

    assert read == given_values
    assert {name: type(item) for name, item in read.items()} == {
        name: type(item) for name, item in given_values.items()
    }


def test_a_decimal_is_read_as_its_text_and_nothing_as_null() -> None:
    exact = value_pb2.Value(decimal_value=DecimalMessage(value="0.1000000000000000000001"))

    assert value_of(exact, field="x") == "0.1000000000000000000001"
    assert value_message(Decimal("1.50")).decimal_value.value == "1.50"
    assert value_of(value_pb2.Value(), field="x") is None


@pytest.mark.parametrize(("deep", "fits"), [(32, True), (33, False), (36, False)])
def test_a_value_may_be_nested_so_deep(deep: int, fits: bool) -> None:
    nested = value_pb2.Value(int64_value=1)
    for level in range(deep):
        if level % 2:
            nested = value_pb2.Value(list_value=value_pb2.ValueList(values=[nested]))
        else:
            nested = value_pb2.Value(map_value=value_pb2.ValueMap(values={"a": nested}))
    if fits:
        assert value_of(nested, field="parameters") is not None
        return
    with pytest.raises(ValidationError) as refused:
        value_of(nested, field="parameters")
    assert refused.value.context.metadata["field"] == "parameters"


Request = dataset_service_pb2.ListCapturesRequest


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_survives_the_wire(moment: datetime) -> None:
    assert moment_of(Request(as_of=timestamp_message(moment)), "as_of") == moment


@given(st.dates())
def test_a_date_survives_the_wire(day: date) -> None:
    assert date_of(Request(first_period=date_message(day)), "first_period") == day


def test_what_is_not_said_is_none() -> None:
    assert moment_of(Request(), "as_of") is None
    assert date_of(Request(), "first_period") is None


@pytest.mark.parametrize(
    "stamp",
    [
        {"seconds": 2**63 - 1},
        {"seconds": -(2**63)},
        {"seconds": 253_402_300_800},
        {"seconds": -62_135_596_801},
        {"nanos": -1},
        {"nanos": 1_000_000_000},
    ],
)
def test_a_time_that_no_calendar_has_is_refused(stamp: dict[str, int]) -> None:
    with pytest.raises(ValidationError) as refused:
        moment_of(Request(as_of=stamp), "as_of")
    assert refused.value.context.metadata["field"] == "as_of"


@pytest.mark.parametrize(
    "day",
    [
        {},
        {"year": 2025},
        {"year": 2025, "month": 2},
        {"year": 2025, "month": 2, "day": 29},
        {"year": 10_000, "month": 1, "day": 1},
        {"year": -1, "month": 1, "day": 1},
        {"year": 2**31 - 1, "month": 2**31 - 1, "day": -(2**31)},
    ],
)
def test_a_date_that_no_calendar_has_is_refused(day: dict[str, int]) -> None:
    with pytest.raises(ValidationError) as refused:
        date_of(Request(first_period=day), "first_period")
    assert refused.value.context.metadata["field"] == "first_period"


def test_a_fraction_of_a_microsecond_is_left_out() -> None:
    moment = moment_of(Request(as_of={"seconds": 0, "nanos": 1_999}), "as_of")

    assert moment == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Category, error_pb2.ErrorCategory, "ERROR_CATEGORY"),
        (RunState, run_pb2.Run.State, "STATE"),
        (Trigger, run_pb2.Run.Trigger, "TRIGGER"),
        (QueueState, run_pb2.QueueEntry.State, "STATE"),
        (EventKind, run_event_pb2.RunEvent.Kind, "KIND"),
        (Stage, capture_pb2.Stage, "STAGE"),
        (Severity, capture_pb2.QualityResult.Severity, "SEVERITY"),
        (CheckStatus, capture_pb2.QualityResult.Status, "STATUS"),
        (BackfillState, backfill_pb2.Backfill.State, "STATE"),
        (PartState, backfill_pb2.BackfillPartition.State, "STATE"),
        (PartitionState, backfill_pb2.PartitionState, "PARTITION_STATE"),
        (Role, access_pb2.Role, "ROLE"),
    ],
)
def test_every_word_of_the_domain_has_its_number_and_no_other(
    ours: type[StrEnum], theirs: Any, prefix: str
) -> None:
    named = {f"{prefix}_{item.value}" for item in ours} | {f"{prefix}_UNSPECIFIED"}

    assert set(theirs.keys()) == named
    assert theirs.Value(f"{prefix}_UNSPECIFIED") == 0
