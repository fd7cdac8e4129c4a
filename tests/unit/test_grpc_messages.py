"""Nothing is lost between a domain object and its message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc.messages_errors import error_message
from market_spine.adapters.inbound.grpc.messages_runs import run_message
from market_spine.adapters.inbound.grpc.values import (
    duration_message,
    value_message,
)
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    ErrorContext,
    ForeignCause,
    LoadError,
    SourceError,
    SpineError,
    TransformError,
    ValidationError,
)
from market_spine.domain.redaction import redact
from market_spine.domain.runs import Run, RunState
from market_spine.v1 import error_pb2, run_pb2, value_pb2

TYPES = [SpineError, SourceError, TransformError, LoadError, ValidationError, ConfigurationError]
NOON = datetime(2025, 12, 15, 12, 0, 0, 123456, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = texts.filter(lambda text: text == redact(text))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
contexts = st.builds(
    ErrorContext,
    run=st.none() | texts,
    pipeline=st.none() | texts,
    step=st.none() | texts,
    partition=st.none() | texts,
    metadata=st.dictionaries(texts, values, max_size=3),
)


def build_error(
    kind: type[SpineError],
    message: str,
    hint: str | None,
    retry_after: int | None,
    rest: dict[str, Any],
) -> SpineError:
    seconds = None if retry_after is None else retry_after / 1000
    return kind(message, hint=hint, retry_after=seconds, **rest)


def errors(causes: st.SearchStrategy[Any]) -> st.SearchStrategy[SpineError]:
    rest = st.fixed_dictionaries(
        {
            "category": st.sampled_from(Category),
            "retryable": st.none() | st.booleans(),
            "context": contexts,
            "cause": causes,
        }
    )
    hints = st.none() | texts
    delays = st.none() | st.integers(0, 10**9)
    return st.builds(build_error, st.sampled_from(TYPES), texts, hints, delays, rest)


any_error = errors(st.none() | st.builds(ForeignCause, texts, texts) | errors(st.none()))


def plain_value(message: value_pb2.Value) -> Any:
    kind = message.WhichOneof("kind")
    match kind:
        case None:
            raise AssertionError("a value without a kind")
        case "null_value":
            return None
        case "list_value":
            return [plain_value(item) for item in message.list_value.values]
        case "map_value":
            return {name: plain_value(item) for name, item in message.map_value.values.items()}
        case _:
            return getattr(message, kind)


def plain_error(message: error_pb2.Error) -> dict[str, Any]:
    """The error's dict form, rebuilt from its message alone."""

    def maybe(owner: Any, field: str) -> Any:
        return getattr(owner, field) if owner.HasField(field) else None

    delay = maybe(message, "retry_after")
    cause: dict[str, Any] | None = None
    if message.HasField("error_cause"):
        cause = plain_error(message.error_cause)
    elif message.HasField("foreign_cause"):
        cause = {"type": message.foreign_cause.type, "message": message.foreign_cause.message}
    where = message.context
    return {
        "type": message.type,
        "category": error_pb2.ErrorCategory.Name(message.category).removeprefix("ERROR_CATEGORY_"),
        "message": message.message,
        "hint": maybe(message, "hint"),
        "retryable": message.retryable,
        "retry_after": None if delay is None else delay.ToNanoseconds() / 1e9,
        "context": {
            **{name: maybe(where, name) for name in ("run", "pipeline", "step", "partition")},
            "metadata": {name: plain_value(item) for name, item in where.metadata.items()},
        },
        "cause": cause,
    }


@given(any_error)
def test_error_survives_the_wire_unchanged(error: SpineError) -> None:
    received = error_pb2.Error.FromString(error_message(error).SerializeToString())

    assert repr(plain_error(received)) == repr(_in_wire_order(error.to_dict(), received))


def _in_wire_order(expected: dict[str, Any], received: error_pb2.Error) -> dict[str, Any]:
    """Maps have no order on the wire: put the expected names into the received order."""

    def like(wanted: Any, got: Any) -> Any:
        if isinstance(wanted, dict) and isinstance(got, dict):
            assert wanted.keys() == got.keys()
            return {name: like(wanted[name], got[name]) for name in got}
        if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
            return [like(one, other) for one, other in zip(wanted, got, strict=True)]
        return wanted

    ordered = like(expected, plain_error(received))
    assert isinstance(ordered, dict)
    return ordered


def test_every_category_has_its_enum_value_and_no_other() -> None:
    named = {f"ERROR_CATEGORY_{category.value}" for category in Category}

    assert set(error_pb2.ErrorCategory.keys()) == named | {"ERROR_CATEGORY_UNSPECIFIED"}


def test_every_state_has_its_enum_value_and_no_other() -> None:
    named = {f"STATE_{state.value}" for state in RunState}

    assert set(run_pb2.Run.State.keys()) == named | {"STATE_UNSPECIFIED"}


def test_a_chain_of_causes_too_deep_for_a_reader_keeps_its_text() -> None:
    error = SpineError("innermost")
    for level in range(200):
        error = SpineError(f"level {level}", cause=error)

    received = error_pb2.Error.FromString(error_message(error).SerializeToString())

    depth = 0
    while received.HasField("error_cause"):
        received, depth = received.error_cause, depth + 1
    assert depth == 16
    assert received.foreign_cause.message == "level 182"


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, "bool_value", True),
        (1, "int64_value", 1),
        (2**53 + 1, "int64_value", 9007199254740993),
        (2**63 - 1, "int64_value", 9223372036854775807),
        (2**63, "string_value", "9223372036854775808"),
        (-(2**63) - 1, "string_value", "-9223372036854775809"),
        (1.0, "double_value", 1.0),
        (0.1, "double_value", 0.1),
        ("1E5", "string_value", "1E5"),
        (NOON.date(), "string_value", "2025-12-15"),
    ],
)
def test_value_keeps_type_and_digits(value: Any, kind: str, expected: Any) -> None:
    message = value_message(value)

    assert message.WhichOneof("kind") == kind
    assert getattr(message, kind) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, None),
        (float("nan"), None),
        (0.0, (0, 0)),
        (0.1, (0, 100_000_000)),
        (1.9999999999, (2, 0)),
        (-1.5, (-1, -500_000_000)),
        (86400.25, (86400, 250_000_000)),
        (float("inf"), (315_576_000_000, 0)),
        (float("-inf"), (-315_576_000_000, 0)),
    ],
)
def test_duration_is_exact_and_within_what_a_duration_can_say(
    seconds: float | None, expected: tuple[int, int] | None
) -> None:
    message = duration_message(seconds)

    assert (message and (message.seconds, message.nanos)) == expected


def finished_run() -> Run:
    return Run(
        id="0198c5e2-0001",
        pipeline="finra.otc_transparency.refresh_week",
        parameters={"file": "a.csv", "force": True, "weeks": [1, {"n": None}], "big": 2**53 + 1},
        state=RunState.FAILED,
        created_at=NOON,
        started_at=NOON + timedelta(seconds=1),
        finished_at=NOON + timedelta(seconds=3.5),
        parent="0198c5e2-0000",
        step="2025-11-10/OTC",
        owner="host:1:2",
        metrics={"rows_read": 2**53 + 1, "share": 0.1, "note": "x", "ok": True, "none": None},
        warnings=("first", "second"),
        error=SourceError("the file is cut off", hint="fetch it again"),
    )


def test_run_has_every_field_of_the_domain() -> None:
    message = run_message(finished_run())

    assert message.name == "runs/0198c5e2-0001"
    assert message.pipeline == "finra.otc_transparency.refresh_week"
    assert message.state == run_pb2.Run.STATE_FAILED
    assert message.create_time.ToDatetime(tzinfo=UTC) == NOON
    assert message.start_time.ToDatetime(tzinfo=UTC) == NOON + timedelta(seconds=1)
    assert message.end_time.ToDatetime(tzinfo=UTC) == NOON + timedelta(seconds=3.5)
    assert message.duration.ToTimedelta() == timedelta(seconds=2.5)
    assert message.parent_run == "runs/0198c5e2-0000"
    assert message.step == "2025-11-10/OTC"
    assert message.owner == "host:1:2"
    assert list(message.warnings) == ["first", "second"]
    assert message.error.message == "the file is cut off"
    assert {name: plain_value(value) for name, value in message.metrics.items()} == {
        "rows_read": 9007199254740993,
        "share": 0.1,
        "note": "x",
        "ok": True,
        "none": None,
    }
    assert {name: plain_value(value) for name, value in message.parameters.items()} == {
        "file": "a.csv",
        "force": True,
        "weeks": [1, {"n": None}],
        "big": 9007199254740993,
    }


def test_what_has_not_happened_yet_is_absent() -> None:
    pending = Run("r", "p", {}, RunState.PENDING, created_at=NOON)

    message = run_message(pending)

    absent = ("start_time", "end_time", "duration", "error")
    assert [name for name in absent if message.HasField(name)] == []
    assert (message.parent_run, message.step, message.owner) == ("", "", "")


def test_a_time_of_another_zone_is_the_same_instant() -> None:
    from zoneinfo import ZoneInfo

    local = NOON.astimezone(ZoneInfo("America/New_York"))

    assert run_message(Run("r", "p", {}, RunState.PENDING, created_at=local)).create_time == (
        run_message(Run("r", "p", {}, RunState.PENDING, created_at=NOON)).create_time
    )


def test_no_secret_among_the_parameters_gets_out() -> None:
    given_by_people = {
        "url": "postgresql://spine:hunter2@db/spine",
        "api_key": "hunter2",
        "nested": {"password": "hunter2", "list": ["api_key=hunter2"]},
    }

    message = run_message(Run("r", "p", given_by_people, RunState.PENDING, created_at=NOON))

    assert b"hunter2" not in message.SerializeToString()
    nested = plain_value(message.parameters["nested"])
    assert nested == {"password": "***", "list": ["api_key=***"]}


def test_where_a_secret_is_kept_is_no_secret() -> None:
    given_by_people = {"password": "env:DB_PASSWORD", "api_key": "file:/run/secrets/key"}

    message = run_message(Run("r", "p", given_by_people, RunState.PENDING, created_at=NOON))

    assert {name: plain_value(item) for name, item in message.parameters.items()} == (
        given_by_people
    )


@given(st.dictionaries(texts, values, max_size=4))
def test_any_parameters_can_be_told_and_written_as_json(parameters: dict[str, Any]) -> None:
    from google.protobuf.json_format import MessageToJson

    message = run_message(Run("r", "p", parameters, RunState.PENDING, created_at=NOON))

    assert set(message.parameters.keys()) == set(parameters)
    MessageToJson(message)
