"""Naming a run or backfill without its 36 characters: ``last``, or part of its id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ....domain.errors import ValidationError
from .commands import command
from .layout import Shorten

if TYPE_CHECKING:
    from ....domain.backfills import Backfill
    from ....domain.runs import Run
    from .use_cases import BackfillReader, RunReader

LAST = "last"
SHORT_LENGTH = 8
SHORT = Shorten("run", SHORT_LENGTH, "run: the end of its id, which is enough for spine runs show")
SHORT_BACKFILL = Shorten(
    "backfill", SHORT_LENGTH, "backfill: the end of its id, which is enough for spine backfill show"
)

_LENGTH = 36
_LEAST = 6
_SEARCHED = 1000
_NAMED = 5


def short(run_id: str) -> str:
    """The end of an id, which is enough to name it again."""
    return run_id[-SHORT_LENGTH:]


def is_id(text: str) -> bool:
    """Whether ``text`` is a whole id, of a run that may be gone."""
    return len(text) == _LENGTH


def find(reader: RunReader, text: str) -> Run:
    """The run that ``text`` means, see :func:`full_id`; raises a ValidationError for none."""
    try:
        return reader.get(full_id(reader, text))
    except ValidationError as error:
        if "resource" not in error.context.metadata:
            raise
        short_of = f"; a part of an id has {_LEAST} characters at least"
        raise ValidationError(
            error.message,
            hint=f"{command('runs list')} shows which there are"
            + (short_of if len(text) < _LEAST else ""),
            context=error.context,
            cause=error,
        ) from error


def full_id(reader: RunReader, text: str) -> str:
    """The id that ``text`` means; ``text`` itself where it means none.

    ``last`` is the newest run that is no part of another. Parts of an id are looked up among the
    newest 1000 runs. Raises a ValidationError when several runs match, and for ``last`` where
    nothing was run.
    """
    from ....domain.runs import RunFilter

    if text == LAST:
        newest = reader.list(RunFilter(top_level_only=True, limit=1))
        if not newest:
            raise ValidationError(
                "there is no last run: nothing was run yet",
                hint=f"{command('pipelines list')} shows what can be run",
                metadata={"resource": f"runs/{LAST}"},
            )
        return newest[0].id
    if not _LEAST <= len(text) < _LENGTH:
        return text
    return _only(text, (run.id for run in reader.list(RunFilter(limit=_SEARCHED))), "runs")


def find_backfill(reader: BackfillReader, text: str) -> Backfill:
    """The backfill that ``text`` means, as runs are named; raises a ValidationError for none."""
    if text == LAST:
        newest = reader.list(limit=1)
        if not newest:
            raise ValidationError(
                "there is no last backfill: none was made yet",
                hint=f"{command('backfill create --help')} shows how to",
                metadata={"resource": f"backfills/{LAST}"},
            )
        return newest[0]
    if _LEAST <= len(text) < _LENGTH:
        known = reader.list(limit=_SEARCHED)
        return reader.get(_only(text, (item.id for item in known), "backfills"))
    return reader.get(text)


def _only(text: str, known: Iterable[str], what: str) -> str:
    """The one id that begins or ends with ``text``, which is answered when none does."""
    found = [item for item in known if item.startswith(text) or item.endswith(text)]
    if len(found) > 1:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise ValidationError(
            f"{text!r} is part of the id of {len(found)} {what}: "
            + ", ".join(found[:_NAMED])
            + more,
            hint="give more of the id",
        )
    return found[0] if found else text
