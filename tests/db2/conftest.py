"""The Db2 tests, in a pytest process of their own: a fault inside the driver ends the process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from db2_rig import URL_VARIABLE, Rig, RigMissingError, built_rig, require_driver
from db2_schemas import own_schema

_SAID = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def db2_server(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of the server that all tests of this process share."""
    given = os.environ.get(URL_VARIABLE)
    try:
        require_driver()
        if given:
            pytestconfig.stash[_SAID] = f"Db2: run against the server of {URL_VARIABLE}."
            yield given
            return
        rig = Rig(built_rig(), tmp_path_factory.mktemp("db2") / "rig")
        rig.start()
    except RigMissingError as error:
        pytestconfig.stash[_SAID] = f"Db2 was NOT run: {error}."
        pytest.skip(f"no Db2: {error}")
    pytestconfig.stash[_SAID] = (
        "Db2: run against an EMULATION (patched Apache Derby behind IBM's real driver), not Db2."
        f" Set {URL_VARIABLE} to run the same tests on a real one."
    )
    with rig.behind_front() as url:
        yield url
    rig.stop()


@pytest.fixture
def db2_url(db2_server: str) -> Iterator[str]:
    """The URL of an empty schema of its own; dropped after the test where the server stays."""
    with own_schema(db2_server, drop=URL_VARIABLE in os.environ) as url:
        yield url


@pytest.fixture
def mortal_db2(db2_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A server of the test's own, which it may kill and start again."""
    if URL_VARIABLE in os.environ:
        pytest.skip(f"the server of {URL_VARIABLE} is not ours to kill")
    rig = Rig(built_rig(), tmp_path_factory.mktemp("mortal") / "rig")
    rig.start()
    yield rig
    rig.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Say in the very last line what the tests were run against."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        said = session.config.stash.get(_SAID, "Db2 was NOT run: no test asked for it.")
        reporter.write_line(said, bold=True)
