"""What Db2's errors mean for one who reads, by SQLCODE; the driver gives it in its text only."""

from __future__ import annotations

import re

from ....domain.errors import Category, SourceError, SpineError, ValidationError
from .addresses import Address
from .request import Request

_CODE = re.compile(r"SQLCODE=(-?\d+)")
_NUMBER = re.compile(r"\bSQL(\d{4,5})[NC]\b")
_SAID = re.compile(r"\bSQL\d{4,5}[NC]\s.*")
_STATE = re.compile(r"SQLSTATE=(\w{5})")
_SYNTAX_ERROR = -104
_TIMED_OUT = {-952, -905}
# SQL20542N: the driver reconnected by itself, and could not go on where the old one broke.
_LOST = {-1024, -1040, -1224, -1226, -1032, -1035, -1336, -20542, -30061, -30081, -30108}
_DENIED = {-551, -552, -1060, -1092, -30082}
_LOCKED = {-911, -913}
_NO_ROOM = {-289, -904, -930, -954, -955, -956, -964, -968, -1585}
_WRONG_QUERY = ("42", "22", "21", "07", "56")


def translated(
    error: Exception, address: Address, request: Request, *, overdue: bool
) -> SpineError:
    """The typed error that says what the driver's error means, without secrets.

    ``overdue`` says that the statement had had its time: ending it may cost the connection.
    """
    text = str(error)
    found = _SAID.search(text)
    said = address.scrubbed(found[0] if found else text.strip().splitlines()[0]).strip()
    cause = address.cause(error)
    code = sqlcode(text)
    state = _STATE.search(text)
    where = f"{request.origin} of {address.shown}"
    category, hint = _judged(code, state[1] if state else "")
    if request.timeout is not None and (code in _TIMED_OUT or (overdue and code in _LOST)):
        category, hint = Category.TIMEOUT, "give a longer timeout, ask for less, or read by pages"
        said = f"not done after {request.timeout:g} seconds: {said}"
    if category is Category.VALIDATION:
        return ValidationError(f"{where} cannot be read: {said}", hint=hint, cause=cause)
    return SourceError(f"{where}: {said}", category=category, hint=hint, cause=cause)


def sqlcode(text: str) -> int:
    """The SQLCODE in the text of an error; 0 where there is none."""
    if found := _CODE.search(text):
        return int(found[1])
    number = _NUMBER.search(text)
    return -int(number[1]) if number else 0


def _judged(code: int, state: str) -> tuple[Category, str]:
    if code in _DENIED:
        return Category.PERMISSION, "check the user and the password, and what was granted to it"
    if code in _LOST or state.startswith("08"):
        return Category.DEPENDENCY, "check that the server runs and can be reached from here"
    if code in _LOCKED:
        return Category.TRANSIENT, "others hold the rows: try again in a moment"
    if code in _NO_ROOM:
        return Category.RESOURCE, "ask for less at once, or give the server more room"
    if state.startswith(_WRONG_QUERY) or code == _SYNTAX_ERROR:
        return Category.VALIDATION, "check the query against the tables and their columns"
    return Category.SOURCE, "look for the same error in the server's log"
