"""What every clock, source of ids and view of processes has to promise."""

from __future__ import annotations

from datetime import timedelta

from ..ports.runtime import Clock, Ids, Processes

_MANY = 1_000


class ClockSuite:
    """Subclasses give a fixture ``clock``."""

    def test_the_time_is_aware_and_utc(self, clock: Clock) -> None:
        assert clock.now().utcoffset() == timedelta(0)

    def test_the_monotonic_clock_never_goes_back(self, clock: Clock) -> None:
        readings = [clock.monotonic() for _ in range(_MANY)]
        assert readings == sorted(readings)


class IdsSuite:
    """Subclasses give a fixture ``ids``."""

    def test_ids_are_36_plain_characters(self, ids: Ids) -> None:
        new = ids.new()
        assert len(new) == len("00000000-0000-0000-0000-000000000000")
        assert new.isascii()
        assert new.replace("-", "").isalnum()

    def test_ids_are_unique_and_sort_by_creation(self, ids: Ids) -> None:
        made = [ids.new() for _ in range(_MANY)]
        assert len(set(made)) == _MANY
        assert made == sorted(made)


class ProcessesSuite:
    """Subclasses give the fixtures ``processes`` and ``ended``, the identity of one that ended."""

    def test_a_process_knows_itself_and_lives(self, processes: Processes) -> None:
        assert processes.identity() == processes.identity()
        assert processes.alive(processes.identity())

    def test_a_process_that_ended_is_not_alive(self, processes: Processes, ended: str) -> None:
        assert ended != processes.identity()
        assert not processes.alive(ended)

    def test_a_process_that_nothing_is_known_of_counts_as_alive(self, processes: Processes) -> None:
        assert processes.alive("another-host/1/1")
        assert processes.alive("not an identity of this kind")
