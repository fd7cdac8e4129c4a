"""``spine auth`` against a server: the log of calls is the same, tokens are for its own store."""

from __future__ import annotations

import json
from pathlib import Path

from cli_server import RemoteSpine, serving
from cli_spine import Spine


def test_the_log_of_calls_is_the_same_asked_of_the_server(spine: Spine, tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        remote = RemoteSpine(address)
        for number in range(3):
            words = ("-p", f"file=nowhere-{number}.csv")
            remote("submit", "finra.otc_transparency.refresh_week", *words, code=2)
        listed = json.loads(remote("auth", "log", "--json").out)
        assert [entry["caller"] for entry in listed] == ["local"] * 3
        assert all(entry["outcome"] for entry in listed)
        middle = listed[1]["id"]
        for words in (
            ("-n", "2"),
            ("-n", "1", "--before", middle),
            ("--caller", "local", "--method", "RunService/SubmitRun"),
            ("--caller", "nobody"),
            ("-n", "0"),
        ):
            for form in ((), ("--json",)):
                here = spine("auth", "log", *words, *form)
                assert remote("auth", "log", *words, *form) == here
        said = remote("auth", "token", "list", code=2)
        assert "store of one's own" in said.err
