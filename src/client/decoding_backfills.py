"""Backfills and their partitions, from their messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ..domain.partitions import PartitionKey, PartitionState, Surveyed
from ..v1 import backfill_pb2
from .decoding_values import (
    last_part,
    moment,
    optional_id,
    set_day,
    set_moment,
    values_of,
    word,
    words,
)


@dataclass(frozen=True, slots=True)
class BackfillStanding:
    """A backfill, and how many of its partitions are in which state."""

    backfill: Backfill
    counts: Mapping[PartState, int]


def backfill_standing_of(message: backfill_pb2.Backfill) -> BackfillStanding:
    """A backfill with the numbers of its partitions, which are empty where they were not asked."""
    return BackfillStanding(
        backfill_of(message),
        {word(PartState, item, "state"): item.partitions for item in message.counts},
    )


def backfill_of(message: backfill_pb2.Backfill) -> Backfill:
    """The backfill of a message; how its runs are queued is the server's own affair."""
    return Backfill(
        id=last_part(message.name),
        pipeline=message.pipeline,
        state=word(BackfillState, message, "state"),
        first=set_day(message, "first_period"),
        last=set_day(message, "last_period"),
        only=words(PartitionState, message, "only"),
        parameters=values_of(message.parameters),
        max_active=message.max_active,
        force=message.force,
        created_at=set_moment(message, "create_time"),
        finished_at=moment(message, "end_time"),
    )


def part_of(message: backfill_pb2.BackfillPartition) -> BackfillPart:
    """One partition of a backfill."""
    return BackfillPart(
        backfill=last_part(message.backfill),
        number=message.number,
        partition=message.partition,
        parameters=values_of(message.parameters),
        reason=message.reason,
        state=word(PartState, message, "state"),
        run=optional_id(message.run),
    )


def surveyed_of(message: backfill_pb2.SurveyedPartition) -> Surveyed:
    """What a survey found about one partition."""
    return Surveyed(
        key=PartitionKey({part.parameter: part.value for part in message.key}),
        state=word(PartitionState, message, "state"),
        reason=message.reason,
        parameters=values_of(message.parameters),
    )
