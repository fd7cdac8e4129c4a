"""Clocks, ids and processes: the real ones and those for tests promise the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from market_spine.adapters.outbound.system.runtime import (
    LocalProcesses,
    SystemClock,
    UuidIds,
)
from market_spine.testing.runtime_suite import (
    ClockSuite,
    IdsSuite,
    ProcessesSuite,
)
from market_spine.testing.steady_runtime import (
    CountingIds,
    KnownProcesses,
    TickingClock,
)


class TestSystemClock(ClockSuite):
    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()


class TestTickingClock(ClockSuite):
    @pytest.fixture
    def clock(self) -> TickingClock:
        return TickingClock()


class TestUuidIds(IdsSuite):
    @pytest.fixture
    def ids(self) -> UuidIds:
        return UuidIds()


class TestCountingIds(IdsSuite):
    @pytest.fixture
    def ids(self) -> CountingIds:
        return CountingIds()


class TestLocalProcesses(ProcessesSuite):
    @pytest.fixture
    def processes(self) -> LocalProcesses:
        return LocalProcesses()

    @pytest.fixture
    def ended(self) -> str:
        script = (
            "from market_spine.adapters.outbound.system.runtime import LocalProcesses;"
            "print(LocalProcesses().identity())"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def test_a_number_that_is_used_again_is_another_process(
        self, processes: LocalProcesses
    ) -> None:
        host, number, started = processes.identity().split("/")
        assert started, "this kernel does not tell when a process started"
        assert not processes.alive(f"{host}/{number}/{int(started) - 1}")


class TestKnownProcesses(ProcessesSuite):
    @pytest.fixture
    def processes(self) -> KnownProcesses:
        return KnownProcesses("gone")

    @pytest.fixture
    def ended(self) -> str:
        return "gone"


@pytest.mark.parametrize("suite", [ClockSuite, IdsSuite, ProcessesSuite])
def test_each_suite_has_cases(suite: type) -> None:
    assert len([name for name in dir(suite) if name.startswith("test_")]) > 1
