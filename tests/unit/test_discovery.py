"""Modules of users are found by name, and what they declare is found in them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.bootstrap.container import Container, build_container
from market_spine.bootstrap.discovery import Discovered, discover
from market_spine.bootstrap.settings import Settings
from market_spine.domain.errors import ConfigurationError
from market_spine.domain.registry import Registry

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the working folder; it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    written: list[str] = []

    def module(name: str, text: str) -> str:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(name.split(".", maxsplit=1)[0])
        return name

    yield module
    for name in [name for name in sys.modules if name.split(".")[0] in written]:
        del sys.modules[name]


def names(found: Discovered) -> tuple[list[str], list[str], list[str]]:
    return (
        [item.name for item in found.pipelines],
        [item.name for item in found.workflows],
        [item.name for item in found.sources],
    )


DECLARING = """
from market_spine import Step, pipeline, register_source, workflow

@pipeline("discovered.work")
def work(context): ...

graph = workflow("discovered.graph", Step("only", "discovered.work"))

@register_source("discovered")
class Source: ...

class Unregistered(Source): ...

number = 5
"""


def test_all_kinds_are_found_in_the_working_folder(write: Write) -> None:
    found = discover([write("found_one", DECLARING)])

    assert names(found) == (["discovered.work"], ["discovered.graph"], ["discovered"])


def test_a_module_in_a_package_is_found(write: Write) -> None:
    found = discover([write("found_package.inner", DECLARING)])

    assert names(found)[0] == ["discovered.work"]


def test_a_module_named_twice_or_imported_by_another_counts_once(write: Write) -> None:
    first = write("found_first", DECLARING)
    second = write("found_second", "from found_first import Source, graph, work\n")

    found = discover([first, second, first])

    registry: Registry = Registry("pipeline")  # type: ignore[type-arg]  # of whatever is found
    for item in found.pipelines:
        registry.add(item)
    assert len(registry) == 1
    assert len({id(item) for item in found.sources}) == 1


def test_nothing_named_is_nothing_found() -> None:
    assert names(discover([])) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
        ("raise SystemExit(3)", "SystemExit"),
        ("from market_spine import workflow\nworkflow('a.b')", "has no steps"),
        (
            "from market_spine import pipeline\n@pipeline('a.b')\ndef work(context, x): ...",
            "parameter 'x' of pipeline a.b has no declared type",
        ),
    ],
)
def test_a_module_that_cannot_be_used_is_named_with_the_reason(
    write: Write, text: str, said: str
) -> None:
    name = write("found_broken", text)

    with pytest.raises(ConfigurationError) as raised:
        discover([name])

    assert "module found_broken" in raised.value.message
    assert said in raised.value.message


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="module found_nowhere cannot be imported"):
        discover(["found_nowhere"])


def test_the_working_folder_does_not_hide_installed_modules(write: Write, tmp_path: Path) -> None:
    write("zipapp", "raise RuntimeError('the wrong module')")

    assert names(discover(["zipapp"])) == ([], [], [])


def container_of(*modules: str, folder: Path) -> Container:
    settings = Settings(home=folder / "home", modules=modules)
    return build_container(settings, TerminalProgress(enabled=False))


def test_a_step_that_runs_nothing_known_is_found_before_anything_runs(
    write: Write, tmp_path: Path
) -> None:
    name = write(
        "bad_steps",
        "from market_spine import Step, workflow\n"
        "graph = workflow('mine.graph', Step('one', 'no.such'))\n",
    )
    with pytest.raises(ConfigurationError, match=r"step 'one' of workflow mine\.graph runs 'no"):
        container_of(name, folder=tmp_path).workflows()


def test_workflows_that_run_each_other_are_found_before_anything_runs(
    write: Write, tmp_path: Path
) -> None:
    name = write(
        "bad_circle",
        "from market_spine import Step, workflow\n"
        "one = workflow('mine.one', Step('two', 'mine.two'))\n"
        "two = workflow('mine.two', Step('one', 'mine.one'))\n",
    )
    with pytest.raises(ConfigurationError, match=r"runs itself: mine\.one -> mine\.two -> mine"):
        container_of(name, folder=tmp_path).catalog()


def test_a_pipeline_and_a_workflow_cannot_share_a_name(write: Write, tmp_path: Path) -> None:
    name = write(
        "same_name",
        "from market_spine import Step, pipeline, workflow\n"
        "@pipeline('mine.thing')\n"
        "def thing(context): return None\n"
        "graph = workflow('mine.thing', Step('one', 'mine.thing'))\n",
    )
    with pytest.raises(ConfigurationError, match=r"both named 'mine\.thing'"):
        container_of(name, folder=tmp_path).workflows()


def test_what_a_user_imports_can_be_listed_and_is_there() -> None:
    import market_spine

    assert dir(market_spine) == sorted(market_spine.__all__)
    assert all(getattr(market_spine, name) is not None for name in market_spine.__all__)
    assert market_spine.__version__ == version("market-spine")
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = market_spine.nothing_here  # type: ignore[attr-defined]  # it is not there
