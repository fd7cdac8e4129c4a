"""docs/client.md works as it is written, against a server of a newcomer's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from certificates import Authority
from test_docs_grpc import Reader
from written_examples import ROOT, examples, newcomer

PAGE = ROOT / "docs" / "client.md"


def test_every_example_of_the_page_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list(examples(PAGE))
    assert sum(bool(example.shown) for example in found) >= 7
    reading = Reader(newcomer(tmp_path))
    (tmp_path / "server.pem").write_bytes(Authority("the page").pem)
    monkeypatch.chdir(tmp_path)
    try:
        for example in found:
            reading.do(example)
    finally:
        reading.close()

    assert not reading.wrong, "\n\n".join(reading.wrong)
