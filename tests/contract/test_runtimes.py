"""Clocks, ids and processes: the real ones and those for tests promise the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from market_spine.adapters.outbound.system.runtime import (
    LocalProcesses,
    SystemChance,
    SystemClock,
    UuidIds,
)
from market_spine.adapters.outbound.system.secrets import PlacedSecrets
from market_spine.domain.errors import ConfigurationError
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
        host, number, started, numbering = processes.identity().split("/")
        assert started, "this kernel does not tell when a process started"
        assert not processes.alive(f"{host}/{number}/{int(started) - 1}/{numbering}")
        assert not processes.alive(f"{host}/{number}/{int(started) - 1}/{numbering}#part")

    def test_a_process_of_another_boot_or_namespace_is_not_known_to_be_gone(
        self, processes: LocalProcesses
    ) -> None:
        host, number, started, numbering = processes.identity().split("/")
        boot, _, space = numbering.partition(".")
        for elsewhere in (f"{boot}.{int(space) + 1}", f"other.{space}", ""):
            assert processes.alive(f"{host}/{number}/{int(started) - 1}/{elsewhere}")


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


def test_secrets_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "sesame")
    monkeypatch.delenv("NO_TOKEN", raising=False)
    place = tmp_path / "token"
    place.write_text("open\n")
    secrets = PlacedSecrets()

    assert (secrets.reveal("env:A_TOKEN"), secrets.reveal(f"file:{place}")) == ("sesame", "open")
    for missing in ("env:NO_TOKEN", f"file:{tmp_path / 'nothing'}", "sesame"):
        with pytest.raises(ConfigurationError) as caught:
            secrets.reveal(missing)
        assert "sesame" not in str(caught.value)


def test_chance_gives_numbers_from_zero_to_one() -> None:
    drawn = [SystemChance().draw() for _ in range(1000)]
    assert all(0 <= number < 1 for number in drawn)
    assert len(set(drawn)) > 900
