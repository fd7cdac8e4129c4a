"""What Db2's errors mean, by SQLCODE. The driver gives it in its text only, whatever it raises."""

from __future__ import annotations

import re

from sqlalchemy.exc import StatementError

from ....domain.errors import SpineError
from .database_faults import Fault, fault_error, foreign_error

_SQLCODE = re.compile(r"SQLCODE=(-?\d+)")
_MESSAGE_NUMBER = re.compile(r"\bSQL(\d{4,5})[NC]\b")
_CLI_NUMBER = re.compile(r"\bCLI(\d{4})E\b")
_SQLSTATE = re.compile(r"SQLSTATE=(\w{5})")
_REASON = re.compile(r'[Rr]eason (?:code )?:? ?"?(\d+)')
_CLI_ONLY = -99999

_BY_CODE = {
    -803: Fault.UNIQUE,
    **dict.fromkeys((-530, -531, -532), Fault.FOREIGN_KEY),
    **dict.fromkeys((-407, -545, -798), Fault.CONSTRAINT),
    **dict.fromkeys(
        (-180, -181, -191, -302, -304, -404, -406, -413, -420, -433, -801, -802),
        Fault.INVALID_VALUE,
    ),
    **dict.fromkeys((-952, -905), Fault.STATEMENT_TIMEOUT),
    **dict.fromkeys((-289, -904, -930, -954, -955, -956, -964, -968, -1585), Fault.NO_SPACE),
    **dict.fromkeys((-1040, -1226), Fault.TOO_MANY_CONNECTIONS),
    **dict.fromkeys((-1024, -1224, -30108), Fault.CONNECTION_LOST),
    **dict.fromkeys((-1032, -1035, -1336, -30061), Fault.UNREACHABLE),
    -30082: Fault.AUTHENTICATION,
    **dict.fromkeys((-551, -552, -1060, -1092), Fault.FORBIDDEN),
    **dict.fromkeys((-1013, -1031), Fault.NO_DATABASE),
    **dict.fromkeys((-204, -206, -286, -440, -601, -727), Fault.MISSING_OBJECT),
    **dict.fromkeys((-1034, -1042, -902), Fault.DAMAGED),
}
_BY_CLI_NUMBER = {
    **dict.fromkeys((105, 106, 108, 125), Fault.CONNECTION_LOST),
    **dict.fromkeys((102, 109, 111, 112, 113, 114), Fault.INVALID_VALUE),
    # The only files that the driver opens for us are keys and certificates.
    157: Fault.TLS,
    5000: Fault.STATEMENT_TIMEOUT,
}
_BY_STATE_CLASS = {
    "08": Fault.CONNECTION_LOST,
    "22": Fault.INVALID_VALUE,
    "23": Fault.CONSTRAINT,
    "28": Fault.AUTHENTICATION,
}
_BY_WORDS = (
    ("Connection is not active", Fault.CONNECTION_LOST),
    ("connection is no longer active", Fault.CONNECTION_LOST),
    ("Connection Resource cannot be found", Fault.CONNECTION_LOST),
    ("not homogeneous", Fault.INVALID_VALUE),
)
_HINTS = {
    -286: "let the administrator run CREATE USER TEMPORARY TABLESPACE, and grant its use",
    -601: "run 'spine db upgrade'; something of that name is there already",
}
_LOST = frozenset({Fault.CONNECTION_LOST, Fault.UNREACHABLE})
_DEADLOCK_REASON = "2"
_DETAIL_CHARACTERS = 300


def sqlcode_of(error: BaseException) -> int | None:
    """Db2's number of an error, negative; None when its text holds none."""
    text = _text(error)
    found = _SQLCODE.search(text)
    if found and int(found[1]) != _CLI_ONLY:
        return int(found[1])
    number = _MESSAGE_NUMBER.search(text)
    return -int(number[1]) if number else None


def fault_of(error: BaseException) -> Fault:
    """What an error of the driver means."""
    text, code = _text(error), sqlcode_of(error)
    if code in (-911, -913):
        reason = _REASON.search(text)
        # A timed-out wait says 68; -911 without any reason is a deadlock.
        waited = code == -913 if reason is None else reason[1] != _DEADLOCK_REASON  # noqa: PLR2004  # Db2's own number
        return Fault.LOCK_TIMEOUT if waited else Fault.DEADLOCK
    if code == -30081:  # noqa: PLR2004  # Db2's own number
        return _communication(text)
    if code in _BY_CODE:
        return _BY_CODE[code]
    number = _CLI_NUMBER.search(text)
    if number and int(number[1]) in _BY_CLI_NUMBER:
        return _BY_CLI_NUMBER[int(number[1])]
    state = _SQLSTATE.search(text)
    if state and state[1][:2] in _BY_STATE_CLASS:
        return _BY_STATE_CLASS[state[1][:2]]
    return next((fault for words, fault in _BY_WORDS if words in text), Fault.OTHER)


def ends_connection(error: BaseException) -> bool:
    """Whether the connection is of no use any more."""
    return is_driver_error(error) and fault_of(error) in _LOST


def ends_transaction(error: BaseException) -> bool:
    """Whether the server has rolled back all that the transaction did."""
    return sqlcode_of(error) in (-911, -1476, -952) or ends_connection(error)


def is_locked_out(error: BaseException) -> bool:
    """Whether a lock was refused, and, as Db2 has it, no more undone than the statement.

    Other members of the family say it in their own way where the lock is that of a table.
    """
    return sqlcode_of(error) == -913 or "SQLSTATE=X0X02" in _text(error)  # noqa: PLR2004  # Db2's own number


def is_driver_error(error: BaseException) -> bool:
    """Whether it comes from the driver, which raises plain exceptions as well as its own."""
    own = any(kind.__module__ == "ibm_db_dbi" for kind in type(error).__mro__)
    text = _text(error)
    return own or "[IBM]" in text or any(words in text for words, _ in _BY_WORDS)


def explain(error: BaseException, location: str) -> SpineError:
    """The typed error for ``error``, met while working on the database at ``location``."""
    if isinstance(error, StatementError) and isinstance(error.orig, BaseException):
        error = error.orig
    if is_driver_error(error):
        code = sqlcode_of(error)
        hint = _HINTS.get(code) if code is not None else None
        return fault_error(fault_of(error), location, error, detail=_detail(error), hint=hint)
    return foreign_error(error, location)


def _communication(text: str) -> Fault:
    """SQL30081N says in which of its functions the driver met the network's error."""
    if "GSK" in text or "sqlccSSL" in text:
        return Fault.TLS
    connecting = ("onnect", "Timeout", "getaddrinfo", "socket")
    function = text.partition("detecting the error:")[2].partition(".")[0]
    return (
        Fault.UNREACHABLE if any(part in function for part in connecting) else Fault.CONNECTION_LOST
    )


def _text(error: BaseException) -> str:
    """What it says, and what the error behind it says: the driver's own often stands there."""
    told = str(error)
    behind = error.__cause__ or error.__context__
    if "SQLSTATE" not in told and isinstance(behind, Exception):
        return f"{told} {_text(behind)}"
    return told


def _detail(error: BaseException) -> str:
    """The server's own words, from its message number on, without where they passed."""
    text = " ".join(_text(error).split())
    number = _MESSAGE_NUMBER.search(text) or _CLI_NUMBER.search(text)
    told = text[number.start() :] if number else text
    told = told.partition(" SQLSTATE=")[0].strip()
    return told if len(told) <= _DETAIL_CHARACTERS else f"{told[:_DETAIL_CHARACTERS]} ..."
