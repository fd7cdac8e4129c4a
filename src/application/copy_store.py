"""Copy a whole store into another database, and prove that nothing was lost or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from ..domain.errors import Category, ConfigurationError, LoadError, SpineError
from ..domain.table_digest import TableDigest
from ..ports.progress import Progress, ProgressTask
from ..ports.runtime import Clock
from ..ports.store_copy import Claim, CopySource, CopyTable, CopyTarget, TableReader

BATCH_ROWS = 50_000
_AGAIN = "run the same command again: it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class TableCopy:
    """One table, the same on both sides. ``written`` of its ``rows`` were written this time."""

    name: str
    rows: int
    written: int
    digest: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did. ``found`` says what the target was before; times are in seconds."""

    source: str
    target: str
    found: Claim
    tables: Sequence[TableCopy]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def written(self) -> int:
        return sum(table.written for table in self.tables)


@dataclass(frozen=True, slots=True)
class CopyStore:
    """Reads one moment of the source, writes it in batches, compares both sides, then finishes.

    What an unfinished copy holds is compared with the source and kept as far as it is the same.
    A target that is the same store already is left as it is, and so is one that is another.
    """

    source: CopySource
    target: CopyTarget
    clock: Clock
    progress: Progress

    def __call__(self, *, batch_rows: int = BATCH_ROWS) -> CopyReport:
        """Copy at most ``batch_rows`` rows in one transaction.

        Raises a ConfigurationError for a source or target that is not fit for it, a SpineError
        that names the table when either side fails or both differ in the end.
        """
        began = self.clock.monotonic()
        with self.source.snapshot() as given:
            found = self.target.claim(apart_from=given)
            if found is Claim.OCCUPIED:
                tables = self._already_there(given, batch_rows)
            else:
                tables = self._copied(given, batch_rows)
                if not given.one_moment:
                    # Nothing has changed between the first reading and this one: so all of it was
                    # there together, in between.
                    self._compare(given, tables, batch_rows, self.source.location)
                with self.target.finishing() as contents:
                    self._compare(contents, tables, batch_rows, self.target.location)
        return CopyReport(
            self.source.location,
            self.target.location,
            found,
            tables,
            self.clock.monotonic() - began,
        )

    def _copied(self, given: TableReader, size: int) -> list[TableCopy]:
        tables = given.tables()
        total = sum(given.count(table.name) for table in tables)
        with self.progress.task("copying", total=total, unit="rows") as bar:
            done = []
            for table in tables:
                bar.describe(f"copying {table.name}")
                with self._at(table.name, "copying"):
                    done.append(self._copy(given, table, size, bar))
        return done

    def _copy(
        self, given: TableReader, table: CopyTable, size: int, bar: ProgressTask
    ) -> TableCopy:
        began = self.clock.monotonic()
        with self.target.contents() as contents:
            kept = TableDigest.of(
                frame.drop(table.links) for frame in contents.frames(table.name, size)
            )
        digest = self._append(given, table, kept, size, bar)
        if digest is None:
            # The source has changed since: rows that refer to these go with them.
            self.target.clear(table.name)
            kept = TableDigest()
            digest = self._append(given, table, kept, size, bar)
        assert digest is not None  # noqa: S101  # what was cleared cannot differ
        if table.links:
            self._link(given, table, size, everything=kept.rows > 0)
        return TableCopy(
            table.name,
            digest.rows,
            digest.rows - kept.rows,
            str(digest),
            self.clock.monotonic() - began,
        )

    def _append(
        self, given: TableReader, table: CopyTable, kept: TableDigest, size: int, bar: ProgressTask
    ) -> TableDigest | None:
        """The digest of the source's rows, all of them written; those ``kept`` are not again.

        None, and nothing written, when the source does not begin with the rows that were kept.
        """
        whole, compared = TableDigest(), TableDigest()
        for frame in given.frames(table.name, size):
            whole = whole.plus(frame)
            old = frame.head(kept.rows - compared.rows)
            if old.height:
                compared = compared.plus(old.drop(table.links))
            if compared.rows == kept.rows and compared != kept:
                bar.advance(frame.height - whole.rows)
                return None
            if old.height < frame.height:
                self.target.append(table, frame.slice(old.height))
            bar.advance(frame.height)
        if compared != kept:
            bar.advance(-whole.rows)
            return None
        return whole

    def _link(self, given: TableReader, table: CopyTable, size: int, *, everything: bool) -> None:
        """Fill the links in. Rows that were kept may have links that are null by now."""
        linked = pl.any_horizontal(pl.col(table.links).is_not_null()) | pl.lit(everything)
        for frame in given.frames(table.name, size):
            rows = frame.filter(linked)
            if rows.height:
                self.target.link(table, rows)

    def _compare(
        self, contents: TableReader, tables: Sequence[TableCopy], size: int, where: str
    ) -> None:
        """Raise a LoadError unless ``contents`` are the rows that were read."""
        total = sum(table.rows for table in tables)
        with self.progress.task("comparing", total=total, unit="rows") as bar:
            for table in tables:
                bar.describe(f"comparing {table.name}")
                with self._at(table.name, "comparing"):
                    digest = TableDigest.of(_counted(contents.frames(table.name, size), bar))
                    if (digest.rows, str(digest)) != (table.rows, table.digest):
                        raise LoadError(
                            f"{table.rows:,} rows with digest {table.digest} were read, "
                            f"{digest.rows:,} with digest {digest} are in {where}",
                            hint="see that nothing else writes to it",
                        )

    def _already_there(self, given: TableReader, size: int) -> list[TableCopy]:
        """Every table of a store that was there; raises a ConfigurationError if it is another."""
        with self.target.contents() as contents:
            for table in given.tables():
                if given.count(table.name) != contents.count(table.name):
                    raise self._occupied(table.name)
            done = []
            for table in given.tables():
                began = self.clock.monotonic()
                digest = TableDigest.of(given.frames(table.name, size))
                if digest != TableDigest.of(contents.frames(table.name, size)):
                    raise self._occupied(table.name)
                seconds = self.clock.monotonic() - began
                done.append(TableCopy(table.name, digest.rows, 0, str(digest), seconds))
        return done

    def _occupied(self, table: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.target.location} is a store with rows of its own: its {table} are not those "
            f"of {self.source.location}",
            hint="give an empty database as target; a store that is in use is never overwritten",
        )

    @contextmanager
    def _at(self, table: str, doing: str) -> Iterator[None]:
        """Errors name the table, and tell how to go on."""
        try:
            yield
        except SpineError as error:
            if error.category is Category.CONFIGURATION:
                raise  # a repeat would not mend it
            refused = error.category is Category.VALIDATION
            mend = f"mend it in {self.source.location}, then copy again"
            hint = mend if refused else _AGAIN
            joint = "; " if refused else "; then "
            raise type(error)(
                f"{doing} {table} stopped: {error.message}",
                category=error.category,
                hint=f"{error.hint}{joint}{hint}" if error.hint else hint,
                retryable=error.retryable,
                retry_after=error.retry_after,
                context=error.context,
                cause=error,
            ) from error


def _counted(frames: Iterator[pl.DataFrame], bar: ProgressTask) -> Iterator[pl.DataFrame]:
    for frame in frames:
        yield frame
        bar.advance(frame.height)
