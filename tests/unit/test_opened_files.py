"""Whatever way a path or a secret takes through a workflow, it is held to what is opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from market_spine.adapters.outbound.system.opened_folders import LocalFileRoots
from market_spine.application.catalog import Catalog
from market_spine.application.opened_files import OpenedFiles
from market_spine.application.opened_secrets import OpenedSecrets
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.domain.parameters import Param
from market_spine.domain.pipelines import pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.workflows import Step, Workflow, workflow


@pipeline("login")
def login(context: Any, token: Annotated[str, Param(secret=True)] = "") -> None:
    """Take a secret."""


@pipeline("take")
def take(context: Any, file: Path | None = None, files: list[Path] | None = None) -> None:
    """Take files."""


def by_function(file: Path) -> None:
    """Take a file, as the step of one workflow only."""


def say(text: str) -> str:
    return text


FLOWS = (
    workflow("each.secret", Step("one", "login", {"token": "${item}"}, each="${xs}")),
    workflow("each.object", Step("one", "login", {"token": "${item.key}"}, each="${xs}")),
    workflow(
        "by.step",
        Step("said", say, {"text": "${xs}"}),
        Step("one", "login", {"token": "${steps.said}"}, after=("said",)),
    ),
    workflow("each.file", Step("one", "take", {"file": "${item}"}, each="${xs}")),
    workflow("each.file.object", Step("one", "take", {"file": "${item.at.path}"}, each="${xs}")),
    workflow("by.function", Step("one", by_function, {"file": "${xs}"})),
    workflow("inner", Step("one", "take", {"file": "${path}"})),
    workflow("nested", Step("one", "inner", {"path": "${item.path}"}, each="${xs}")),
    workflow("nested.each", Step("one", "each.file", {"xs": "${xs}"})),
)


@pytest.fixture
def opened(tmp_path: Path) -> OpenedFiles:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.csv").write_text("a")
    (tmp_path / "closed.csv").write_text("c")
    pipelines: Registry[Any] = Registry("pipeline")
    for item in (login, take):
        pipelines.add(item)
    workflows: Registry[Workflow] = Registry("workflow")
    for flow in FLOWS:
        workflows.add(flow)
    secrets = OpenedSecrets(LocalFileRoots([]), ("VENDOR_*",))
    roots = LocalFileRoots([tmp_path / "open"])
    return OpenedFiles(roots, Catalog(pipelines, workflows), secrets)


def refused(opened: OpenedFiles, name: str, key: str, value: Any) -> None:
    with pytest.raises(SpineError) as caught:
        opened.checked(name, {key: value}, place="parameters")
    assert caught.value.category is Category.PERMISSION, caught.value
    assert caught.value.context.metadata["field"] == f"parameters.{key}"


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("login", "token", "env:OWN"),
        ("login", "token", " env:OWN"),
        ("take", "file", "env:OWN"),
        ("each.secret", "xs", ["env:VENDOR_A", "env:OWN"]),
        ("each.secret", "xs", "env:VENDOR_A, file:/etc/passwd"),
        ("each.object", "xs", [{"key": "env:OWN"}]),
        ("by.step", "xs", "env:OWN"),
        ("by.step", "xs", {"deep": [{"er": "file:/etc/passwd"}]}),
    ],
)
def test_no_way_leads_to_a_secret_that_is_not_opened(
    opened: OpenedFiles, name: str, key: str, value: Any
) -> None:
    refused(opened, name, key, value)


def test_secrets_that_are_opened_go_any_way(opened: OpenedFiles) -> None:
    for name, value in (
        ("each.secret", ["env:VENDOR_A"]),
        ("each.object", [{"key": "env:VENDOR_A", "file": "anything, even this"}]),
        ("by.step", "no reference: env"),
    ):
        assert opened.checked(name, {"xs": value}, place="p") == {"xs": value}


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("take", "file", "{closed}"),
        ("take", "files", ["{open}/a.csv", "{closed}"]),
        ("take", "files", "{open}/a.csv,{closed}"),
        ("take", "files", "*,{closed}"),
        ("take", "files", "{open}/*.csv, {closed}"),
        ("take", "files", ["*,{closed}"]),
        ("each.file", "xs", ["{open}/a.csv", "{closed}"]),
        ("each.file", "xs", "{closed}"),
        ("each.file.object", "xs", [{"at": {"path": "{closed}"}}]),
        ("by.function", "xs", "{closed}"),
        ("nested", "xs", [{"path": "{closed}"}]),
        ("nested.each", "xs", ["{closed}"]),
    ],
)
def test_no_way_leads_to_a_file_that_is_not_opened(
    opened: OpenedFiles, tmp_path: Path, name: str, key: str, value: Any
) -> None:
    refused(opened, name, key, _filled(value, tmp_path))


@pytest.mark.parametrize(
    ("name", "key", "value", "found"),
    [
        ("take", "files", "a.csv,a.csv", ["{open}/a.csv", "{open}/a.csv"]),
        ("take", "files", ["a.csv"], ["{open}/a.csv"]),
        ("take", "file", None, None),
        ("each.file", "xs", ["a.csv"], ["{open}/a.csv"]),
        (
            "each.file.object",
            "xs",
            [{"at": {"path": "a.csv"}, "n": 1}, {"at": 7}],
            [{"at": {"path": "{open}/a.csv"}, "n": 1}, {"at": 7}],
        ),
        ("nested", "xs", [{"path": "a.csv"}], [{"path": "{open}/a.csv"}]),
        ("by.function", "xs", "a.csv", "{open}/a.csv"),
    ],
)
def test_paths_are_given_on_as_they_really_are(
    opened: OpenedFiles, tmp_path: Path, name: str, key: str, value: Any, found: Any
) -> None:
    expected = {key: _filled(found, tmp_path)}
    assert opened.checked(name, {key: value}, place="p") == expected


def test_an_earlier_run_is_held_to_what_is_opened_now(opened: OpenedFiles, tmp_path: Path) -> None:
    opened.still_opened("take", {"file": str(tmp_path / "open" / "a.csv")}, field="name")
    opened.still_opened("take", {"file": str(tmp_path / "open" / "gone.csv")}, field="name")
    with pytest.raises(SpineError, match="not below"):
        opened.still_opened("take", {"file": str(tmp_path / "closed.csv")}, field="name")
    with pytest.raises(SpineError, match="no secret that is opened"):
        opened.still_opened("login", {"token": "env:OWN"}, field="name")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("take", {"files": ["{open}/gone.csv"], "file": "{closed}"}),
        ("take", {"file": "{open}/gone.csv", "files": ["{closed}"]}),
        ("take", {"files": ["{open}/gone.csv", "{closed}"]}),
        ("take", {"files": "{open}/gone.csv,{closed}"}),
        ("nested", {"xs": [{"path": "{open}/gone.csv"}, {"path": "{closed}"}]}),
        ("take", {"files": ["{open}/gone.csv"], "file": "env:OWN"}),
        ("login", {"other": "file:{open}/gone", "token": "env:OWN"}),
        ("login", {"token": "file:{open}/gone,env:OWN"}),
        ("take", {"file": "file:{open}/gone", "files": "{closed}"}),
    ],
)
def test_what_is_gone_hides_nothing_that_is_not_opened(
    opened: OpenedFiles, tmp_path: Path, name: str, given: dict[str, Any]
) -> None:
    secrets = OpenedSecrets(LocalFileRoots([tmp_path / "open"]), ("VENDOR_*",))
    opened = replace(opened, secrets=secrets)
    given = _filled(given, tmp_path)
    with pytest.raises(SpineError) as caught:
        opened.still_opened(name, given, field="name")
    assert caught.value.category is Category.PERMISSION
    assert caught.value.context.metadata["field"] == "name"
    with pytest.raises(SpineError) as caught:
        opened.checked(name, given, place="parameters")
    assert caught.value.category is Category.PERMISSION


def test_what_is_gone_is_told_to_who_asks_for_it_now_alone(
    opened: OpenedFiles, tmp_path: Path
) -> None:
    opened = replace(opened, secrets=OpenedSecrets(LocalFileRoots([tmp_path / "open"])))
    for name, key, value in (
        ("take", "files", ["{open}/a.csv", "{open}/gone.csv"]),
        ("login", "token", "file:{open}/gone"),
    ):
        given = {key: _filled(value, tmp_path)}
        opened.still_opened(name, given, field="name")
        with pytest.raises(ValidationError, match="there is no") as caught:
            opened.checked(name, given, place="parameters")
        assert caught.value.context.metadata["field"] == f"parameters.{key}"


def _filled(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        closed = str(folder / "closed.csv")
        return value.replace("{open}", str(folder / "open")).replace("{closed}", closed)
    if isinstance(value, list):
        return [_filled(item, folder) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, folder) for name, item in value.items()}
    return value
