"""The operator's first question: is everything in order here?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..domain.errors import SpineError, as_spine_error
from ..ports.archive import RawArchive
from ..ports.storage import StoreAdmin


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``hint`` says what to do when it is not in order."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Looks at settings, store, archive and user modules; changes nothing.

    ``facts`` are shown as they are; ``modules`` imports what the settings name and says what it
    found.
    """

    facts: Mapping[str, str]
    unknown_settings: Sequence[str]
    admin: StoreAdmin
    archive: RawArchive
    modules: Callable[[], str]

    def __call__(self) -> list[Finding]:
        return [
            *(Finding(name, True, value) for name, value in self.facts.items()),
            *(
                Finding("settings", False, f"{name} is no setting", "correct or remove it")
                for name in self.unknown_settings
            ),
            *self._store(),
            _looked("archive", self._archive),
            _looked("modules", self.modules),
        ]

    def _store(self) -> list[Finding]:
        try:
            status = self.admin.status()
        except SpineError as error:
            return [Finding("database", False, error.message, error.hint)]
        where = f"{status.backend} {status.server_version} at {status.location}"
        if status.revision is None:
            return [Finding("database", True, f"{where}; the first run creates the schema")]
        found = [Finding("database", True, f"{where}; answers in {status.latency * 1e3:.1f} ms")]
        if status.current:
            found.append(Finding("schema", True, f"revision {status.revision}"))
        else:
            found.append(
                Finding(
                    "schema",
                    False,
                    f"revision {status.revision}; this version expects {status.expected_revision}",
                    "spine db upgrade brings an older schema up to date",
                )
            )
        return found

    def _archive(self) -> str:
        return f"{sum(1 for _ in self.archive.digests())} raw captures"


def _looked(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except Exception as error:
        failed = as_spine_error(error, doing=f"looking at {name}")
        return Finding(name, False, failed.message, failed.hint)
