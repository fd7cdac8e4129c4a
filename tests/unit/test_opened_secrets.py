"""Who asks from elsewhere refers to secrets that are opened, and learns of no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_spine.adapters.outbound.system.opened_folders import LocalFileRoots
from market_spine.application.opened_secrets import OpenedSecrets
from market_spine.domain.errors import Category, SpineError, ValidationError


@pytest.fixture
def secrets(tmp_path: Path) -> OpenedSecrets:
    """A folder as Kubernetes mounts it: links that lead to links, which it replaces as one."""
    mounted = tmp_path / "secrets" / "..2026_01_05"
    mounted.mkdir(parents=True)
    (mounted / "key").write_text("k")
    (tmp_path / "secrets" / "..data").symlink_to(mounted)
    (tmp_path / "secrets" / "key").symlink_to(Path("..data") / "key")
    (tmp_path / "secrets" / "out").symlink_to("/etc/passwd")
    (tmp_path / "outside").write_text("o")
    return OpenedSecrets(LocalFileRoots([tmp_path / "secrets"]), ("VENDOR_*", "API_KEY"))


@pytest.mark.parametrize(
    "value", ["env:VENDOR_KEY", "env:API_KEY", "file:{}/secrets/key", "no reference", ""]
)
def test_what_is_opened_may_be_referred_to(
    secrets: OpenedSecrets, tmp_path: Path, value: str
) -> None:
    secrets.check(value.format(tmp_path), place="p.key")


@pytest.mark.parametrize(
    "value",
    [
        "env:HOME",
        "env:api_key",
        "env:",
        "env:API_KEY2",
        "env:SPINE_DATABASE_URL",
        "file:/etc/passwd",
        "file:{}/outside",
        "file:{}/secrets/out",
        "file:{}/secrets/../outside",
        "file:key",
        "file:",
        "file:{}/secrets/key\0",
    ],
)
def test_what_is_not_opened_is_refused(secrets: OpenedSecrets, tmp_path: Path, value: str) -> None:
    reference = value.format(tmp_path)
    with pytest.raises(SpineError) as refused:
        secrets.check(reference, place="parameters.key")
    error = refused.value
    assert error.category is Category.PERMISSION
    assert error.context.metadata["field"] == "parameters.key"
    assert "SPINE_SECRET_" in str(error.hint)


@pytest.mark.parametrize("name", ["SPINE_TOKEN", "spine_token", "SPINE_DATABASE_PASSWORD"])
def test_the_settings_of_the_software_are_never_opened(name: str) -> None:
    with pytest.raises(SpineError, match="is no secret that is opened"):
        OpenedSecrets(LocalFileRoots([])).check(f"env:{name}", place="p")


def test_below_what_is_opened_it_is_told_that_nothing_is_there(
    secrets: OpenedSecrets, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match="there is no"):
        secrets.check(f"file:{tmp_path}/secrets/kye", place="p")
