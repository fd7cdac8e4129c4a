"""docs/api.md says what the protos say, and all of its links lead somewhere."""

from __future__ import annotations

import difflib
import importlib.util
import re
import shutil
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "api.md"
SHOWN_LINES = 40


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_api", DOCS / "generate_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_protos_say(generator: ModuleType, page: str) -> None:
    wanted = generator.reference()
    if page != wanted:
        changes = difflib.unified_diff(
            page.splitlines(), wanted.splitlines(), "docs/api.md", "the protos", lineterm="", n=1
        )
        shown = "\n".join(islice(changes, SHOWN_LINES))
        pytest.fail(f"docs/api.md is not current; `make api` writes it\n{shown}", pytrace=False)


def test_a_link_leads_to_one_heading_or_to_a_file(generator: ModuleType, page: str) -> None:
    anchors = [generator.anchor(heading) for heading in re.findall(r"^#+ (.*)", page, re.M)]
    links = set(re.findall(r"\]\(([^)]+)\)", page))

    assert len(links) > 150
    assert len(set(anchors)) == len(anchors), "two headings have the same anchor"
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (DOCS / link).exists(), link


def test_each_method_tells_its_messages_its_role_and_whether_it_writes(
    generator: ModuleType, page: str
) -> None:
    protos = (path.read_text() for path in generator.PROTOS.glob("market_spine/v1/*.proto"))
    methods = [name for text in protos for name in re.findall(r"^  rpc (\w+)", text, re.M)]

    assert len(methods) > 30
    for method in methods:
        said = page[page.index(f"\n### {method}\n") :].splitlines()[3]
        assert re.search(r"\) → .*\) · (viewer|operator|admin) · (reads|writes)", said), said


def test_what_changes_in_a_proto_changes_the_page(
    generator: ModuleType, page: str, tmp_path: Path
) -> None:
    protos = shutil.copytree(generator.PROTOS, tmp_path / "proto")
    service = protos / "market_spine/v1/run_service.proto"
    text = service.read_text()
    new = '<One> run, "a|b" as GetRunRequest has it: FAILED, not run_id *.'
    for old in ("Gets one run.", "Asks for the next page."):
        assert text.count(old) == 1
        text = text.replace(old, new)
    service.write_text(text)

    changed = generator.reference(protos)

    link = "[GetRunRequest](#getrunrequest)"
    said = rf"\<One> run, `a|b` as {link} has it: `FAILED`, not `run_id` \*."
    wanted = page.replace("\nGets one run.\n", f"\n{said}\n")
    in_table = said.replace("|", r"\|")
    assert wanted.replace("| Asks for the next page.", f"| {in_table}") == changed


def test_protos_that_cannot_be_read_are_told(generator: ModuleType, tmp_path: Path) -> None:
    protos = shutil.copytree(generator.PROTOS, tmp_path / "proto")
    (protos / "market_spine/v1/run.proto").write_text('syntax = "proto3";\nmessage {')

    with pytest.raises(SystemExit, match="protoc failed"):
        generator.reference(protos)
