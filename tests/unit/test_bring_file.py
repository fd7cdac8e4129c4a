"""A file that is brought is taken whole and as announced, or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from market_spine.adapters.outbound.files.drop import FolderDrop
from market_spine.adapters.outbound.system.opened_folders import LocalFileRoots
from market_spine.application.bring_file import Announced, BringFile
from market_spine.application.catalog import Catalog
from market_spine.application.opened_files import OpenedFiles
from market_spine.application.opened_secrets import OpenedSecrets
from market_spine.application.submissions import Submission
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.domain.pipelines import pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.workflows import Step, Workflow, workflow

CONTENT = b"a|b\n1|2\n"


@pipeline("take")
def take(context: Any, file: Path, other: Path | None = None, note: str = "") -> None:
    """Take a file."""


FLOW = workflow("flow", Step("one", "take", {"file": "${where}", "note": "${note}"}))


@dataclass
class House:
    """Where files are brought to; submissions are only remembered."""

    folder: Path
    submitted: list[Submission] = field(default_factory=list)

    def bring(self) -> BringFile:
        pipelines: Registry[Any] = Registry("pipeline")
        pipelines.add(take)
        workflows: Registry[Workflow] = Registry("workflow")
        workflows.add(FLOW)
        catalog = Catalog(pipelines, workflows)
        roots = LocalFileRoots([self.folder])
        files = OpenedFiles(roots, catalog, OpenedSecrets(roots))
        return BringFile(cast("Any", self.submitted.append), files, self.drop(), most_bytes=1_000)

    def drop(self) -> FolderDrop:
        return FolderDrop(self.folder / "uploads")

    def left(self) -> list[str]:
        uploads = self.folder / "uploads"
        return sorted(
            str(item.relative_to(uploads)) for item in uploads.rglob("*") if item.is_file()
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def announced(**changes: Any) -> Announced:
    whole = Announced("week.csv", len(CONTENT), hashlib.sha256(CONTENT).digest(), "take")
    return replace(whole, **changes)


def test_it_is_kept_under_its_content_and_submitted(house: House) -> None:
    for _ in range(2):
        bringing = house.bring()(announced(parameters={"note": "x"}, request="r", force=True))
        for piece in (CONTENT[:3], CONTENT[3:]):
            bringing.write(piece)
        bringing.finish()
        bringing.give_up()
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert house.left() == [f"{digest}/week.csv"]
    first, second = house.submitted
    assert first == second
    assert first.name == "take"
    assert first.parameters == {
        "file": str(house.folder / "uploads" / digest / "week.csv"),
        "note": "x",
    }
    assert (first.request, first.force) == ("r", True)
    assert Path(first.parameters["file"]).read_bytes() == CONTENT


def test_a_workflow_takes_it_by_the_parameter_that_reaches_a_file(house: House) -> None:
    bringing = house.bring()(
        announced(pipeline="flow", parameter="where", parameters={"note": "n"})
    )
    bringing.write(CONTENT)
    bringing.finish()
    assert set(house.submitted[0].parameters) == {"where", "note"}
    with pytest.raises(ValidationError, match="note is no parameter of flow that takes a file"):
        house.bring()(announced(pipeline="flow", parameter="note"))


@pytest.mark.parametrize("sent", [CONTENT[:-1], b"", CONTENT[:-1] + b"x"])
def test_less_or_something_else_is_refused_and_nothing_is_kept(house: House, sent: bytes) -> None:
    bringing = house.bring()(announced())
    bringing.write(sent)
    with pytest.raises(ValidationError, match="not the file that was announced"):
        bringing.finish()
    bringing.give_up()
    assert house.left() == []
    assert house.submitted == []


def test_more_is_refused_as_soon_as_it_comes(house: House) -> None:
    bringing = house.bring()(announced())
    bringing.write(CONTENT)
    with pytest.raises(ValidationError, match="more than 8 bytes"):
        bringing.write(b"x")
    bringing.give_up()
    assert house.left() == []


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b.csv", "..\\b.csv", "a\nb", "a\0b", "C:x", "x" * 201, "a*.csv"],
)
def test_names_that_are_no_plain_names_are_refused(house: House, name: str) -> None:
    with pytest.raises(ValidationError, match="no name") as caught:
        house.bring()(announced(name=name))
    assert caught.value.context.metadata["field"] == "header.file_name"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": -1}, "size"),
        ({"digest": b"x"}, "sha256"),
        ({"digest": b""}, "sha256"),
        ({"pipeline": "unknown"}, "no pipeline"),
        ({"parameter": "note"}, "takes a file"),
        ({"parameter": "none"}, "takes a file"),
    ],
)
def test_announcements_that_cannot_be_are_refused(
    house: House, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        house.bring()(announced(**changes))
    assert house.left() == []


def test_a_file_that_is_too_large_is_refused_before_it_comes(house: House) -> None:
    with pytest.raises(SpineError, match="1,001 bytes") as caught:
        house.bring()(announced(size=1_001))
    assert caught.value.category is Category.RESOURCE
    assert not caught.value.retryable


def test_other_files_are_named_only_where_they_are_opened(house: House, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("x")
    house.bring()(announced(parameters={"other": "list.csv"})).give_up()
    with pytest.raises(SpineError, match="not below a folder") as caught:
        house.bring()(announced(parameters={"other": "/etc/passwd"}))
    assert caught.value.category is Category.PERMISSION
    assert caught.value.context.metadata["field"] == "header.parameters.other"


def test_what_came_long_ago_and_what_never_came_whole_is_swept(house: House) -> None:
    drop = FolderDrop(house.folder / "uploads", kept_seconds=100)
    assert drop.sweep() == 0
    old, new = drop.begin(), drop.begin()
    for incoming, digest in ((old, "a" * 64), (new, "b" * 64)):
        incoming.write(CONTENT)
        incoming.keep(digest, "week.csv")
    (house.folder / "uploads" / "coming-x").write_bytes(b"of a server that died")
    before = time.time() - 101
    for item in (house.folder / "uploads").iterdir():
        for file in [item] if item.is_file() else item.iterdir():
            if "b" * 64 not in str(file):
                os.utime(file, (before, before))
    assert drop.sweep() == 2
    assert house.left() == [f"{'b' * 64}/week.csv"]
