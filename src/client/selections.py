"""The words by which something is chosen: none is ignored because nobody knows it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ..domain.errors import ValidationError

_ELSEWHERE = {
    # Words of the command line, and what they are called here.
    "week": ("first_period", "last_period", "period"),
    "from": ("first_period", "since"),
    "to": ("last_period", "until"),
    "tier": ("segment",),
    "symbol": ("symbols",),
    "column": ("columns",),
    "where": ("equals",),
    "status": ("state",),
}


def check_words(given: Mapping[str, object], kind: type, caller: str) -> None:
    """Raise a ValidationError for a word that is none of the TypedDict ``kind``.

    ``caller`` is the method that was called, as users write it.
    """
    known = list(kind.__annotations__)
    for word in given:
        if word not in known:
            raise ValidationError(
                f"{caller} takes no {word}=",
                hint=f"{_meant(word, known)}it takes {', '.join(known)}",
            )


def _meant(word: str, known: list[str]) -> str:
    meant = [other for other in _ELSEWHERE.get(word, ()) if other in known]
    meant = meant or difflib.get_close_matches(word, known, n=1)
    return f"did you mean {' and '.join(meant)}? " if meant else ""
