"""No path that is named from elsewhere leads out of the folders that are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_spine.adapters.outbound.system.opened_folders import LocalFileRoots
from market_spine.domain.errors import ValidationError


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Two opened folders, and a secret outside of them."""
    for name in ("one/deep", "two", "closed"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "one" / "week.csv").write_text("a")
    (tmp_path / "one" / "deep" / "week.csv").write_text("a")
    (tmp_path / "two" / "other.csv").write_text("a")
    (tmp_path / "closed" / "secret.csv").write_text("s")
    return tmp_path


@pytest.fixture
def roots(house: Path) -> LocalFileRoots:
    return LocalFileRoots([house / "one", house / "two"])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("one/week.csv", "one/week.csv"),
        ("one/deep/../week.csv", None),
        ("one", "one"),
        ("one/*.csv", "one/*.csv"),
        ("one/de*/week.csv", "one/de*/week.csv"),
        ("two/other.csv", "two/other.csv"),
        ("closed/secret.csv", None),
        ("closed", None),
        ("closed/*", None),
        ("one/../closed/secret.csv", None),
        ("", None),
        ("onewards/week.csv", None),
        ("*/week.csv", None),
        ("one/*/../../closed/secret.csv", None),
    ],
)
def test_absolute_paths(roots: LocalFileRoots, house: Path, asked: str, found: str | None) -> None:
    expected = None if found is None else str(house / found)
    assert roots.opened(str(house / asked)) == expected


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("week.csv", "one/week.csv"),
        ("other.csv", "two/other.csv"),
        ("deep/week.csv", "one/deep/week.csv"),
        ("../closed/secret.csv", None),
        ("", None),
        ("week.csv\0", None),
    ],
)
def test_relative_paths_are_below_the_folders(
    roots: LocalFileRoots, house: Path, asked: str, found: str | None
) -> None:
    assert roots.opened(asked) == (None if found is None else str(house / found))


def test_links_out_are_not_followed(roots: LocalFileRoots, house: Path) -> None:
    (house / "one" / "file.csv").symlink_to(house / "closed" / "secret.csv")
    (house / "one" / "folder").symlink_to(house / "closed")
    for asked in (
        "one/file.csv",
        "one/folder",
        "one/folder/secret.csv",
        "one/folder/*",
        "one/fo*/*",
    ):
        assert roots.opened(str(house / asked)) is None, asked
    # What holds a link that leads out is not opened as a whole either.
    assert roots.opened(str(house / "one")) is None
    assert roots.opened(str(house / "one/*.csv")) is None
    assert roots.opened(str(house / "one/week.csv")) == str(house / "one/week.csv")


def test_links_between_opened_folders_are_followed(roots: LocalFileRoots, house: Path) -> None:
    (house / "one" / "link.csv").symlink_to(house / "two" / "other.csv")
    assert roots.opened("link.csv") == str(house / "two" / "other.csv")
    assert roots.opened(str(house / "one")) == str(house / "one")


def test_an_opened_folder_may_be_a_link_itself(house: Path) -> None:
    (house / "alias").symlink_to(house / "one")
    roots = LocalFileRoots([house / "alias"])
    assert roots.opened("week.csv") == str(house / "one" / "week.csv")
    assert roots.opened(str(house / "alias" / "week.csv")) == str(house / "one" / "week.csv")


def test_a_circle_of_links_is_nothing(roots: LocalFileRoots, house: Path) -> None:
    (house / "one" / "a").symlink_to(house / "one" / "b")
    (house / "one" / "b").symlink_to(house / "one" / "a")
    with pytest.raises(ValidationError, match="there is no a"):
        roots.opened("a")


def test_a_name_that_looks_like_a_glob_is_a_name(roots: LocalFileRoots, house: Path) -> None:
    (house / "one" / "[1].csv").write_text("a")
    assert roots.opened("[1].csv") == str(house / "one" / "[1].csv")


def test_without_folders_nothing_is_opened(house: Path) -> None:
    assert LocalFileRoots([]).opened(str(house / "one" / "week.csv")) is None


@pytest.mark.parametrize("asked", ["one/missing.csv", "one/deep/missing.csv", "one/none/*.csv"])
def test_what_is_not_there_is_told_as_such_below_the_folders(
    roots: LocalFileRoots, house: Path, asked: str
) -> None:
    with pytest.raises(ValidationError, match="there is no"):
        roots.opened(str(house / asked))
    with pytest.raises(ValidationError, match="there is no"):
        roots.opened(asked.removeprefix("one/") + ".not")


def test_of_places_that_are_not_opened_it_is_not_told_what_there_is(
    roots: LocalFileRoots, house: Path
) -> None:
    assert roots.opened(str(house / "closed" / "secret.csv")) is None
    assert roots.opened(str(house / "closed" / "missing.csv")) is None
    (house / "one" / "folder").symlink_to(house / "closed")
    assert roots.opened(str(house / "one" / "folder" / "secret.csv")) is None
    assert roots.opened(str(house / "one" / "folder" / "missing.csv")) is None


def test_a_folder_is_named_as_from_where_the_server_was_started(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house)
    roots = LocalFileRoots([Path("one")])
    assert roots.opened("one/week.csv") == str(house / "one" / "week.csv")
    assert roots.opened("one") == str(house / "one")
    assert roots.opened("week.csv") == str(house / "one" / "week.csv")
    assert roots.opened(str(house / "closed" / "secret.csv")) is None


def test_two_stars_do_not_lead_out_by_a_link_below(roots: LocalFileRoots, house: Path) -> None:
    (house / "one" / "deep" / "out").symlink_to(house / "closed")
    for asked in ("**/secret.csv", "de*/**/*.csv", "**", "**/*"):
        assert roots.opened(asked) is None, asked
        assert roots.opened(str(house / "one" / asked)) is None, asked


@pytest.mark.parametrize("asked", ["*" * 2000, "[" * 1000, "[[]" * 300, "a/" * 2000])
def test_a_name_that_no_system_takes_is_none(roots: LocalFileRoots, asked: str) -> None:
    try:
        assert roots.opened(asked) is None
    except ValidationError as error:
        assert "there is no" in error.message  # noqa: PT017  # either answer is right
