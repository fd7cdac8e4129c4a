"""Which server is asked, and by what both sides recognise each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from market_spine.bootstrap.remote_settings import RemoteSettings, remote_settings
from market_spine.bootstrap.settings import load_settings, unknown_variables
from market_spine.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SPINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_a_name_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote_settings(None) is None
    monkeypatch.setenv("SPINE_SERVER", "")
    monkeypatch.setenv("SPINE_TOKEN", "spine_x")
    assert remote_settings(None) is None


def test_the_option_wins_over_the_variable_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("spine.toml").write_text('server = "file:1"\ntoken = "of the file"\n')
    assert remote_settings(None) == RemoteSettings("file:1", "of the file")
    monkeypatch.setenv("SPINE_SERVER", "variable:1")
    monkeypatch.setenv("SPINE_TOKEN", "of the variable")
    assert remote_settings(None) == RemoteSettings("variable:1", "of the variable")
    assert remote_settings("option:1") == RemoteSettings("option:1", "of the variable")


def test_credentials_are_read_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("spine_secret\n")
    for name, value in (
        ("TOKEN_FILE", "token"),
        ("SERVER_CA", "ca.pem"),
        ("CLIENT_CERT", "cert.pem"),
        ("CLIENT_KEY", "key.pem"),
    ):
        monkeypatch.setenv(f"SPINE_{name}", value)

    found = remote_settings("a:1")

    assert found == RemoteSettings(
        "a:1", "spine_secret", Path("ca.pem"), Path("cert.pem"), Path("key.pem")
    )
    assert "spine_secret" not in repr(found)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_token_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    monkeypatch.setenv("SPINE_TOKEN_FILE", "token")

    with pytest.raises(ConfigurationError, match="cannot be read from token"):
        remote_settings("a:1")


def test_a_file_that_is_no_toml_is_named() -> None:
    Path("spine.toml").write_text("server = ")

    with pytest.raises(ConfigurationError, match=r"spine\.toml cannot be read"):
        remote_settings(None)


def test_they_are_settings_like_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVER", "TOKEN", "TOKEN_FILE", "SERVER_CA", "CLIENT_CERT", "CLIENT_KEY"):
        monkeypatch.setenv(f"SPINE_{name}", "hunter2")

    assert unknown_variables() == []
    found = load_settings()
    assert found.server == "hunter2"
    assert "hunter2" not in repr(found.token)
