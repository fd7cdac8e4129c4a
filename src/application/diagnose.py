"""The operator's first question: is everything in order here?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..domain.captures import Capture, CaptureFilter
from ..domain.errors import SpineError, as_spine_error
from ..domain.findings import Finding
from ..ports.archive import RawArchive
from ..ports.storage import Store, StoreAdmin, StoreStatus

_SHOWN = 3
_LITTLE_SPACE = 500_000_000


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Looks at settings, store, archive and user modules; changes nothing.

    ``facts`` are shown as they are; ``store`` is read only where ``admin`` says that it has the
    schema of this software; ``modules`` imports what the settings name and says what it found.
    """

    facts: Mapping[str, str]
    unknown_settings: Sequence[str]
    admin: StoreAdmin
    store: Store
    archive: RawArchive
    modules: Callable[[], str]

    def __call__(self) -> list[Finding]:
        status, database = self._database()
        return [
            *(Finding(name, True, value) for name, value in self.facts.items()),
            *(
                Finding("settings", False, f"{name} is no setting", "correct or remove it")
                for name in self.unknown_settings
            ),
            *database,
            *self._captures(status),
            _looked("modules", lambda: Finding("modules", True, self.modules())),
        ]

    def _database(self) -> tuple[StoreStatus | None, list[Finding]]:
        """What the store says of itself, None where it cannot be asked."""
        try:
            status = self.admin.status()
        except SpineError as error:
            return None, [Finding("database", False, error.message, error.hint)]
        where = f"{status.backend} {status.server_version} at {status.location}"
        if status.revision is None:
            return status, [Finding("database", True, f"{where}; the first run creates the schema")]
        found = [
            Finding("database", True, f"{where}; answers in {status.latency * 1e3:.1f} ms"),
            _pool(status),
            _space(status),
        ]
        if status.current:
            found.append(Finding("schema", True, f"revision {status.revision}"))
        else:
            found.append(
                Finding(
                    "schema",
                    False,
                    f"revision {status.revision}; this version expects {status.expected_revision}",
                    status.advice,
                )
            )
        return status, found

    def _captures(self, status: StoreStatus | None) -> list[Finding]:
        """Whether the archive has what the captures refer to, as far as they can be listed."""
        if status is None or (status.revision is not None and not status.current):
            why = "not compared with the captures: the database cannot be read"
            return [_looked("archive", lambda: self._uncompared(why))]
        if status.revision is None:
            why = "the database knows no captures yet"
            return [_looked("archive", lambda: self._uncompared(why))]
        try:
            # Listed before the archive is: content is archived first, so whatever a capture seen
            # here refers to has to be found there.
            with self.store.read() as unit:
                captures = unit.captures.list(CaptureFilter())
        except Exception as error:
            failed = as_spine_error(error, doing="listing the captures")
            why = "not compared with the captures: they cannot be listed"
            return [
                Finding("captures", False, failed.message, failed.hint),
                _looked("archive", lambda: self._uncompared(why)),
            ]
        return [_looked("archive", lambda: self._compared(captures))]

    def _uncompared(self, why: str) -> Finding:
        return Finding("archive", True, f"{_files(sum(1 for _ in self.archive.digests()))}; {why}")

    def _compared(self, captures: Sequence[Capture]) -> Finding:
        kept = set(self.archive.digests())
        missing = [capture.id for capture in captures if capture.digest not in kept]
        unused = len(kept.difference(capture.digest for capture in captures))
        told = _files(len(kept))
        if unused:
            told += f"; {unused:,} of them belong to no capture (of runs cut short, or under way)"
        if not missing:
            return Finding("archive", True, f"{told}; every capture has its raw file")
        return Finding(
            "archive",
            False,
            f"{len(missing):,} of {len(captures):,} captures have no raw file: {_listed(missing)} "
            f"({told})",
            "copy the folder archive of the home that captured them, or fetch the files again and "
            "run them with --force",
        )


def _pool(status: StoreStatus) -> Finding:
    told = "as many connections as are needed"
    if status.pool_size is not None:
        told = f"up to {status.pool_size} connections to read and as many to write"
    if status.connections is None or status.connection_limit is None:
        return Finding("pool", True, told)
    told += f"; the server has {status.connections:,} of {status.connection_limit:,} in use"
    if status.connections + 2 * (status.pool_size or 0) <= status.connection_limit:
        return Finding("pool", True, told)
    return Finding(
        "pool", False, told, "lower SPINE_DATABASE_POOL_SIZE or let the server have more"
    )


def _space(status: StoreStatus) -> Finding:
    used = "size not told" if status.used is None else f"{_megabytes(status.used)} used"
    if status.free is None:
        return Finding("space", True, f"{used}; how much is free the server does not tell")
    told = f"{used}, {_megabytes(status.free)} free"
    if status.free >= _LITTLE_SPACE:
        return Finding("space", True, told)
    return Finding("space", False, told, "free some space: a week of 1,000,000 rows takes 200 MB")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _files(count: int) -> str:
    return "1 raw file" if count == 1 else f"{count:,} raw files"


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_SHOWN])
    return f"{shown} and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else shown


def _looked(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:
        failed = as_spine_error(error, doing=f"looking at {name}")
        return Finding(name, False, failed.message, failed.hint)
