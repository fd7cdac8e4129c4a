"""The servers that the contract is tried on, and what a test says that it has tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_calls import SEEN, Api
from api_claims import claims_of
from api_place import Home, Server
from api_target import TARGET, given_target

LOCAL = ("sqlite", "postgres")


def pytest_report_header() -> str:
    if TARGET:
        return f"contract: tried on {TARGET}"
    return f"contract: tried on servers of its own over {' and '.join(LOCAL)}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A server that was named learns nothing from tests that start others: they are left out."""
    if not TARGET:
        return
    apart = [item for item in items if "own_servers" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=apart)
    items[:] = [item for item in items if item not in apart]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TARGET:
        apart = len(terminalreporter.stats.get("deselected", ()))
        told = f"{apart} tests were left out: they start servers of their own"
        terminalreporter.write_line(f"contract of {TARGET}: {told}")


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    """A test has to have seen every code that it says it covers."""
    SEEN.calls.clear()
    answer = yield
    unseen = claims_of(pyfuncitem) - SEEN.calls
    assert not unseen, f"it says that it covers {sorted(unseen)}, but it saw {sorted(SEEN.calls)}"
    return answer


@pytest.fixture(scope="session", params=["given"] if TARGET else LOCAL)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """The server that the contract is tried on: the one that was named, or one for each store."""
    if request.param == "given":
        with given_target() as api:
            yield api
        return
    home = Home(tmp_path_factory.mktemp(f"api-{request.param}"))
    if request.param == "postgres":
        home.url = request.getfixturevalue("postgres_url_of_session")
    with Server(home, workers=2, SPINE_UPLOAD_LIMIT="2") as server, server.api() as api:
        yield api
        # Whatever the tests have asked: an unexpected error is a defect of the server.
        assert not server.defects


@pytest.fixture(scope="session")
def postgres_url_of_session(request: pytest.FixtureRequest) -> Iterator[str]:
    from postgres_server import own_schema

    with own_schema(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def api(target: Api) -> Api:
    """The server that the contract is tried on. It is shared: no test relies on an empty one."""
    return target


@pytest.fixture
def needs(api: Api) -> Callable[..., None]:
    """Skips a test when the server does not have one of the pipelines or workflows."""

    def check(*names: str) -> None:
        for name in names:
            found = {
                api.code("PipelineService.GetPipeline", name=f"pipelines/{name}"),
                api.code("WorkflowService.GetWorkflow", name=f"workflows/{name}"),
            }
            if "OK" not in found:
                pytest.skip(f"{api.address} has no {name}: it comes with the module api_pipelines")

    return check


@pytest.fixture(scope="session")
def own_servers() -> None:
    """Marks tests that start servers of their own."""


@pytest.fixture(scope="session")
def empty_home(own_servers: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose store has the schema and nothing in it, to be copied."""
    home = Home(tmp_path_factory.mktemp("schema"))
    home.container().store().close()
    return home.folder


@pytest.fixture
def home(tmp_path: Path, empty_home: Path) -> Home:
    """A home of the test's own, over SQLite."""
    import shutil

    return Home(Path(shutil.copytree(empty_home, tmp_path / "home")))


@pytest.fixture
def own(home: Home) -> Iterator[Server]:
    """A server of the test's own that executes nothing."""
    with Server(home) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_caller() -> Iterator[None]:
    """What the caller has set for its own use of the software is not meant for the tests."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    yield
    os.environ.update(kept)


def _is_setting(name: str) -> bool:
    return name.startswith("SPINE_") and not name.startswith("SPINE_TEST_")
