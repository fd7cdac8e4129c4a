"""``spine upload``: a file of this machine becomes a run of a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_server import RemoteSpine, serving
from cli_spine import DOMAIN, Spine, process, terminal, weekly_file

from market_spine.client.datasets import Datasets

REFRESH = f"{DOMAIN}.refresh_week"
NAME = "finra_otc_weekly_otc_20251215.csv"
ROW = "OTC|AAA|A Inc.|OTCN ATS|OTCN|100|2|2025-12-15"


@dataclass(frozen=True, slots=True)
class There:
    """A server with a worker, a file that it cannot reach by itself, and a folder to ask from."""

    spine: RemoteSpine
    file: Path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, "--workers", "1", env={"SPINE_EXECUTION": "inline"}) as address:
        yield address


@pytest.fixture
def there(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> There:
    monkeypatch.chdir(tmp_path)
    return There(RemoteSpine(address), weekly_file(tmp_path, NAME, ROW))


def test_a_file_is_brought_captured_and_may_be_given_to_other_runs(there: There) -> None:
    said = there.spine("upload", there.file, REFRESH, "--wait", "--force")

    assert "SUCCEEDED" in said.out
    assert said.err == "", "nobody watches a terminal"
    [given] = re.findall(r"^  -p (file=\S+)$", said.out, re.MULTILINE)
    assert given.endswith(f"/{NAME}")
    assert str(there.file) not in given
    again = there.spine("submit", REFRESH, "-p", given, "--wait")
    assert "already captured" in again.out
    direct = there.spine("submit", REFRESH, "-p", f"file={there.file}", code=4)
    assert "not below a folder" in direct.err


def test_the_document_is_that_of_a_run_that_is_submitted(there: There) -> None:
    words = ("upload", there.file, REFRESH, "--request-id", "mine", "-p", "tier=OTC", "--json")
    brought = there.spine(*words).json()
    again = there.spine(*words).json()

    assert again["id"] == brought["id"]
    assert brought["parameters"]["tier"] == "OTC"
    path = brought["parameters"]["file"]
    submitted = there.spine("submit", REFRESH, "-p", f"file={path}", "--json").json()
    assert set(submitted) == set(brought)


def test_what_to_do_next_asks_the_same_server(there: There) -> None:
    said = there.spine("upload", there.file, REFRESH)

    assert f"{NAME} has arrived" in said.out
    assert f"next: spine --server {there.spine.address} runs show " in said.out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nowhere.csv", REFRESH), 2, "there is no file nowhere.csv"),
        ((".", REFRESH), 2, "there is no file ."),
        ((NAME, f"{DOMAIN}.refresh_weak"), 3, "did you mean"),
        ((NAME, REFRESH, "-p", "file=other.csv"), 2, "is brought for it"),
        ((NAME, REFRESH, "--file-parameter", "tier"), 2, "these do: file"),
        ((NAME, REFRESH, "-p", "wek=1"), 2, "did you mean 'week'"),
        ((NAME, REFRESH, "tier=OTC"), 2, "write -p tier=OTC"),
        ((NAME,), 2, "PIPELINE"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_queued(
    there: There, words: tuple[str, ...], code: int, told: str
) -> None:
    def runs() -> list[Any]:
        return [run["id"] for run in there.spine("runs", "list", "--json").json()]

    before = runs()
    said = there.spine("upload", *words, code=code)

    assert told in said.err
    assert said.out == ""
    assert runs() == before


def test_a_store_of_ones_own_reads_the_file_where_it_is(spine: Spine, tmp_path: Path) -> None:
    file = weekly_file(tmp_path, NAME, ROW)
    said = spine("upload", file, REFRESH, code=2)

    assert "error [VALIDATION]" in said.err
    assert "spine run PIPELINE -p file=PATH" in said.err
    assert "SPINE_SERVER" in said.err
    assert not (tmp_path / ".spine").exists()


def test_how_much_is_sent_is_drawn_on_a_terminal(there: There, tmp_path: Path) -> None:
    rows = (ROW.replace("AAA", f"A{number:06}") for number in range(40_000))
    file = weekly_file(tmp_path, "finra_otc_weekly_otc_20251222.csv", *rows)
    words = ("--server", there.spine.address, "upload", file, REFRESH)
    said = terminal(*words, folder=tmp_path, columns=200)

    assert said.code == 0
    assert f"sending {file.name}" in said.out
    assert "KiB" in said.out
    assert "has arrived" in said.out


def test_ctrl_c_says_what_became_of_the_file(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Datasets, *words: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Datasets, "upload", interrupted)
    said = there.spine("upload", there.file, REFRESH, code=130)

    assert "has not arrived whole is forgotten" in said.err
    assert f"spine --server {there.spine.address} runs list" in said.err


def test_a_file_is_brought_by_the_process_as_well(there: There, tmp_path: Path) -> None:
    env = {"SPINE_SERVER": there.spine.address}
    said = process("upload", there.file, REFRESH, "--wait", "--json", folder=tmp_path, env=env)

    assert said.json()["state"] == "SUCCEEDED"
    assert not (tmp_path / ".spine").exists()
