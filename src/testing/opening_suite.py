"""What everything that opens sources, finds files or shows progress has to promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..domain.errors import SourceError, ValidationError
from ..ports.files import FileFinder
from ..ports.progress import Progress
from ..ports.sources import Sources


class SourcesSuite:
    """Subclasses give ``sources`` and ``options``, with which type ``file`` opens three rows."""

    def test_a_known_type_is_opened_and_can_be_read(
        self, sources: Sources, options: dict[str, Any]
    ) -> None:
        assert sum(batch.rows for batch in sources.open("file", **options).stream()) == len("abc")

    def test_an_unknown_type_is_refused_with_the_known(self, sources: Sources) -> None:
        with pytest.raises(ValidationError) as caught:
            sources.open("fiel")
        assert "file" in str(caught.value)

    def test_an_unknown_option_is_named(self, sources: Sources, options: dict[str, Any]) -> None:
        with pytest.raises(ValidationError, match="no_such_option"):
            sources.open("file", **options, no_such_option=1)


class FileFinderSuite:
    """Subclasses give ``finder`` and ``folder``, which holds b.csv, a.psv.gz and .hidden.csv."""

    def test_a_folder_means_its_files_by_name(self, finder: FileFinder, folder: Path) -> None:
        assert [path.name for path in finder.find(folder)] == ["a.psv.gz", "b.csv"]

    def test_a_glob_means_what_it_matches(self, finder: FileFinder, folder: Path) -> None:
        assert [path.name for path in finder.find(folder / "*.csv")] == ["b.csv"]

    def test_a_file_means_itself(self, finder: FileFinder, folder: Path) -> None:
        assert finder.find(folder / "b.csv") == [folder / "b.csv"]

    @pytest.mark.parametrize("pattern", ["*.xls", "nothing/here.csv"])
    def test_nothing_found_is_an_error_that_names_what_was_asked(
        self, finder: FileFinder, folder: Path, pattern: str
    ) -> None:
        with pytest.raises(SourceError) as caught:
            finder.find(folder / pattern)
        assert str(folder / pattern) in caught.value.message


class ProgressSuite:
    """Subclasses give a fixture ``progress``."""

    @pytest.mark.parametrize("total", [None, 0, 3])
    def test_a_task_may_be_moved_renamed_and_left(
        self, progress: Progress, total: int | None
    ) -> None:
        with progress.task("outer", total=total, unit="files") as task:
            task.advance()
            task.describe("renamed")
            task.advance(5)

    def test_tasks_may_stand_in_tasks_and_be_started_again(self, progress: Progress) -> None:
        for _ in range(2):
            with progress.task("outer", total=1) as outer, progress.task("inner") as inner:
                inner.advance()
                outer.advance()

    def test_an_error_inside_a_task_passes_through(self, progress: Progress) -> None:
        with pytest.raises(KeyError), progress.task("outer"):
            raise KeyError("x")
        with progress.task("after"):
            pass
