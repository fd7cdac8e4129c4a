"""What PostgreSQL's errors mean for one who reads, by SQLSTATE, and what to do about them."""

from __future__ import annotations

import psycopg

from ....domain.errors import Category, SourceError, SpineError, ValidationError
from .addresses import Address
from .request import Request
from .silence import SilenceError

_REFUSED = {"25001", "25006", "0A000"}
_ENDED = {"57014", "25P03", "25P04"}
_PERMISSION = {"42501", "28000", "28P01"}
_PASSING = {"40001", "40P01", "55P03", "53300"}
# A protocol violation by its name: the query has a $1, for which no value is sent.
_UNBOUND = "08P01"
_WRONG_QUERY = ("42", "22", "21", "3F", "26", "2F", "38", "39", "P0")
_RESOURCE = ("53", "54")
_AWAY = ("08", "57")

# A failed connection has no SQLSTATE: what the server said is all there is.
_DENIED = ("authentication failed", "no password supplied", "pg_hba.conf")
_ABSENT = ("database", "role")


def translated(error: psycopg.Error, address: Address, request: Request) -> SpineError:
    """The typed error that says what the driver's error means, without secrets."""
    state = error.sqlstate or ""
    said = address.scrubbed(_first_line(error))
    cause = address.cause(error)
    if state in _REFUSED:
        return ValidationError(
            f"{request.origin} is refused: {said}",
            hint="a database source only reads: give one SELECT that changes nothing",
            cause=cause,
        )
    category, hint = _judged(error, state, said)
    if category is Category.VALIDATION:
        return ValidationError(f"{request.origin} cannot be read: {said}", hint=hint, cause=cause)
    if category is Category.TIMEOUT and request.timeout is not None:
        said = f"not done after {request.timeout:g} seconds: {said}"
    return SourceError(
        f"{request.origin} of {address.shown}: {said}", category=category, hint=hint, cause=cause
    )


def _judged(error: psycopg.Error, state: str, said: str) -> tuple[Category, str]:
    """Whose fault it is, and what to do."""
    denied = not state and any(word in said for word in _DENIED)
    if state in _PERMISSION or denied:
        return Category.PERMISSION, "check the user and the password, and what was granted to it"
    if state in _ENDED or isinstance(error, SilenceError):
        return Category.TIMEOUT, "give a longer timeout, ask for less, or read by pages of a key"
    if state == _UNBOUND:
        return Category.VALIDATION, "write parameters as :name and give their values by name"
    if state in _PASSING:
        return Category.TRANSIENT, "try again in a moment"
    if state.startswith(_WRONG_QUERY):
        return Category.VALIDATION, "check the query against the tables and their columns"
    if state.startswith(_RESOURCE):
        return Category.RESOURCE, "ask for less at once, or give the server more room"
    if state == "3D000" or (not state and _names_nothing(said)):
        return Category.SOURCE, "check the name of the database and of the user in the URL"
    if state.startswith(_AWAY) or isinstance(error, psycopg.OperationalError):
        return Category.DEPENDENCY, "check that the server runs and can be reached from here"
    if isinstance(error, psycopg.ProgrammingError):
        return Category.VALIDATION, "check the query and the options in the URL"
    return Category.SOURCE, "look for the same error in the server's log"


def _names_nothing(said: str) -> bool:
    return "does not exist" in said and any(f'{what} "' in said for what in _ABSENT)


def _first_line(error: psycopg.Error) -> str:
    lines = (error.diag.message_primary or str(error)).strip().splitlines()
    # Of a failed connection the last line says why, those before where it was tried.
    said = next((line for line in reversed(lines) if "FATAL" in line), lines[0] if lines else "")
    return said or type(error).__name__
