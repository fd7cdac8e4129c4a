"""All ways of executing runs promise the same; those that are isolated promise more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from market_spine.adapters.outbound.execution.dask import DaskExecution
from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.adapters.outbound.execution.processes import ProcessExecution
from market_spine.ports.execution import Execution
from market_spine.testing.execution_entry import ENTRY, make
from market_spine.testing.execution_suite import ExecutionSuite, IsolatedExecutionSuite, task


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A Dask cluster that others use as well; its address."""
    cluster = LocalCluster(
        host="127.0.0.1",
        n_workers=1,
        threads_per_worker=2,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
    )
    with cluster:
        yield cluster.scheduler_address.replace("tcp://", "dask://")


class TestInlineExecution(ExecutionSuite):
    @pytest.fixture
    def execution(self, folder: Path) -> InlineExecution:
        return InlineExecution(make({"folder": str(folder)}))

    def test_it_says_that_it_is_not_isolated(self, execution: Execution) -> None:
        assert not execution.isolated

    def test_an_exit_is_not_kept_from_its_process(self, execution: Execution) -> None:
        with pytest.raises(SystemExit):
            execution.start(task("leave"))
        assert execution.wait(0.0) == []


class TestProcessExecution(IsolatedExecutionSuite):
    @pytest.fixture
    def execution(self, folder: Path) -> Iterator[ProcessExecution]:
        made = ProcessExecution(ENTRY, {"folder": str(folder)}, slots=2)
        yield made
        made.close()


class TestDaskExecution(IsolatedExecutionSuite):
    @pytest.fixture
    def execution(self, folder: Path, scheduler: str) -> Iterator[DaskExecution]:
        made = DaskExecution(scheduler, ENTRY, {"folder": str(folder)}, slots=2)
        yield made
        made.close()

    @pytest.fixture
    def own(self, folder: Path) -> Iterator[DaskExecution]:
        made = DaskExecution("dask", ENTRY, {"folder": str(folder)}, slots=2)
        yield made
        made.close()


@pytest.mark.parametrize("suite", [ExecutionSuite, IsolatedExecutionSuite])
def test_each_suite_has_cases(suite: type) -> None:
    assert len([name for name in vars(suite) if name.startswith("test_")]) > 1
