"""Backfills and their partitions as messages of the API."""

from __future__ import annotations

from collections.abc import Mapping

from ....domain.backfills import Backfill, BackfillPart, PartState
from ....domain.partitions import Surveyed
from ....domain.redaction import redact_mapping
from ....v1 import backfill_pb2
from .resource_names import BACKFILLS, RUNS, name_of
from .values import date_message, timestamp_message, value_map


def backfill_message(
    backfill: Backfill, counts: Mapping[PartState, int] | None = None
) -> backfill_pb2.Backfill:
    """A backfill, with how many of its partitions are in which state where that is known."""
    return backfill_pb2.Backfill(
        name=name_of(BACKFILLS, backfill.id),
        pipeline=backfill.pipeline,
        state=f"STATE_{backfill.state.value}",
        first_period=date_message(backfill.first),
        last_period=date_message(backfill.last),
        only=[f"PARTITION_STATE_{state.value}" for state in backfill.only],
        parameters=value_map(redact_mapping(backfill.parameters)),
        max_active=backfill.max_active,
        force=backfill.force,
        create_time=timestamp_message(backfill.created_at),
        end_time=timestamp_message(backfill.finished_at),
        counts=[
            backfill_pb2.BackfillCount(state=f"STATE_{state.value}", partitions=count)
            for state, count in (counts or {}).items()
        ],
    )


def part_message(part: BackfillPart) -> backfill_pb2.BackfillPartition:
    """One partition of a backfill."""
    return backfill_pb2.BackfillPartition(
        backfill=name_of(BACKFILLS, part.backfill),
        number=part.number,
        partition=part.partition,
        parameters=value_map(redact_mapping(part.parameters)),
        reason=part.reason,
        state=f"STATE_{part.state.value}",
        run=name_of(RUNS, part.run),
    )


def surveyed_message(item: Surveyed, *, wanted: bool) -> backfill_pb2.SurveyedPartition:
    """What a survey found about one partition."""
    return backfill_pb2.SurveyedPartition(
        partition=str(item.key),
        state=f"PARTITION_STATE_{item.state.value}",
        reason=item.reason,
        parameters=value_map(redact_mapping(item.parameters)),
        key=[
            backfill_pb2.KeyPart(parameter=name, value=value)
            for name, value in item.key.parameters.items()
        ],
        wanted=wanted,
    )
