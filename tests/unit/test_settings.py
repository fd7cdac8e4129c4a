"""Settings: defaults, then the TOML file, then the environment; wrong ones are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from market_spine.bootstrap.settings import load_settings
from market_spine.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SPINE_")]:
        monkeypatch.delenv(name)


def test_everything_has_a_default() -> None:
    settings = load_settings()

    assert settings.home == Path(".spine")
    assert settings.url == f"sqlite:///{Path.cwd() / '.spine' / 'spine.db'}"
    assert settings.modules == ()
    assert settings.log_level == "WARNING"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("spine.toml").write_text('home = "a"\nlog_level = "INFO"\nmodules = ["one", "two"]\n')
    monkeypatch.setenv("SPINE_HOME", "b")

    settings = load_settings()

    assert (settings.home, settings.log_level) == (Path("b"), "INFO")
    assert settings.modules == ("one", "two")


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("spine.toml").write_text('home = "a"\n')
    Path("other.toml").write_text('home = "c"\n')
    monkeypatch.setenv("SPINE_CONFIG", "other.toml")

    assert load_settings().home == Path("c")


@pytest.mark.parametrize(
    ("text", "modules"),
    [("one", ("one",)), ("one, two.three ,", ("one", "two.three")), (" ", ()), ("", ())],
)
def test_modules_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, modules: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SPINE_MODULES", text)

    assert load_settings().modules == modules


@pytest.mark.parametrize("name", ["HOME", "DATABASE_URL", "DATABASE_TIMEOUT", "CONFIG"])
def test_an_empty_variable_is_not_given(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    default = load_settings()
    monkeypatch.setenv(f"SPINE_{name}", "")

    assert load_settings() == default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_level", "LOUD"),
        ("log_format", "xml"),
        ("database_timeout", "0"),
        ("source_attempts", "0"),
        ("source_attempts", "many"),
        ("source_delay", "-1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SPINE_{name.upper()}", value)

    with pytest.raises(ConfigurationError, match=f"wrong settings: {name}"):
        load_settings()


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("spine.toml").write_text('hoem = "x"\nsource_delay = "long"\n')

    with pytest.raises(ConfigurationError) as raised:
        load_settings()

    assert set(raised.value.context.metadata["settings"]) == {"hoem", "source_delay"}
    assert "home" in (raised.value.hint or "")
    assert "spine.toml" in (raised.value.hint or "")


@pytest.mark.parametrize("text", ["home = ", "\x00", "[unclosed"])
def test_a_file_that_is_no_toml_is_named(text: str) -> None:
    Path("spine.toml").write_text(text)

    with pytest.raises(ConfigurationError, match=r"spine\.toml cannot be read"):
        load_settings()


def test_a_file_that_is_not_utf_8_is_named() -> None:
    Path("spine.toml").write_bytes(b'home = "\xff"')

    with pytest.raises(ConfigurationError, match=r"spine\.toml cannot be read"):
        load_settings()


def test_a_named_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_CONFIG", "nowhere.toml")

    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        load_settings()


def test_a_password_is_neither_shown_nor_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_DATABASE_URL", "postgresql://me:hunter2222@host/db")
    settings = load_settings()

    assert "hunter2222" in settings.url
    assert "hunter2222" not in repr(settings) + str(settings)
    monkeypatch.setenv("SPINE_LOG_LEVEL", "LOUD")
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert "hunter2222" not in str(raised.value.to_dict())
