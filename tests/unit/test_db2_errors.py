"""What Db2 says and what it means; the texts are the driver's own, in the form it raises them."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from market_spine.adapters.outbound.sql.database_faults import Fault
from market_spine.adapters.outbound.sql.db2_errors import (
    ends_connection,
    ends_transaction,
    explain,
    fault_of,
    sqlcode_of,
)
from market_spine.domain.errors import Category, ConfigurationError

WHERE = "db2://host:50000/BANK"
SERVER = "[IBM][CLI Driver][DB2/LINUXX8664]"
CLI = "[IBM][CLI Driver]"


def said(number: str, text: str, state: str, code: int) -> Exception:
    """An error as the driver raises it: of no class of its own, with everything in its text."""
    place = CLI if number.startswith("CLI") or code <= -30000 else SERVER
    return Exception(
        f"Statement Execute Failed: {place} {number}  {text}  SQLSTATE={state} SQLCODE={code}"
    )


def server(code: int, text: str = "Something happened.", state: str = "HY000") -> Exception:
    return said(f"SQL{-code:04}N", text, state, code)


def network(function: str, *, protocol: str = "TCP/IP", number: str = "111") -> Exception:
    text = (
        f'A communication error has been detected. Communication protocol being used: "{protocol}".'
        '  Communication API being used: "SOCKETS".  Location where the error was detected:'
        f' "10.0.0.1".  Communication function detecting the error: "{function}".'
        f'  Protocol specific error code(s): "{number}", "*", "*".'
    )
    return server(-30081, text, "08001")


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (-803, Fault.UNIQUE),
        (-530, Fault.FOREIGN_KEY),
        (-531, Fault.FOREIGN_KEY),
        (-532, Fault.FOREIGN_KEY),
        (-407, Fault.CONSTRAINT),
        (-545, Fault.CONSTRAINT),
        (-302, Fault.INVALID_VALUE),
        (-404, Fault.INVALID_VALUE),
        (-413, Fault.INVALID_VALUE),
        (-433, Fault.INVALID_VALUE),
        (-204, Fault.MISSING_OBJECT),
        (-206, Fault.MISSING_OBJECT),
        (-286, Fault.MISSING_OBJECT),
        (-289, Fault.NO_SPACE),
        (-964, Fault.NO_SPACE),
        (-968, Fault.NO_SPACE),
        (-1224, Fault.CONNECTION_LOST),
        (-30108, Fault.CONNECTION_LOST),
        (-1336, Fault.UNREACHABLE),
        (-30082, Fault.AUTHENTICATION),
        (-551, Fault.FORBIDDEN),
        (-552, Fault.FORBIDDEN),
        (-1092, Fault.FORBIDDEN),
        (-1013, Fault.NO_DATABASE),
        (-1031, Fault.NO_DATABASE),
        (-1040, Fault.TOO_MANY_CONNECTIONS),
        (-1226, Fault.TOO_MANY_CONNECTIONS),
        (-952, Fault.STATEMENT_TIMEOUT),
        (-905, Fault.STATEMENT_TIMEOUT),
        (-1034, Fault.DAMAGED),
        (-99, Fault.OTHER),
    ],
)
def test_the_number_decides(code: int, fault: Fault) -> None:
    assert sqlcode_of(server(code)) == code
    assert fault_of(server(code)) == fault


@pytest.mark.parametrize(
    ("code", "reason", "fault"),
    [
        (-911, 'Reason code "2".', Fault.DEADLOCK),
        (-911, 'Reason code "68".', Fault.LOCK_TIMEOUT),
        (-911, "", Fault.DEADLOCK),
        (-913, 'Reason code "2".', Fault.DEADLOCK),
        (-913, 'Reason code "68".', Fault.LOCK_TIMEOUT),
        (-913, "", Fault.LOCK_TIMEOUT),
    ],
)
def test_the_reason_tells_a_deadlock_from_a_wait(code: int, reason: str, fault: Fault) -> None:
    error = server(code, f"The transaction has been rolled back. {reason}", "40001")
    assert fault_of(error) == fault
    assert explain(error, WHERE).retryable
    # After -913 only the statement is undone.
    assert ends_transaction(error) is (code == -911)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (network("connect"), Fault.UNREACHABLE),
        (network("selectForConnectTimeout", number="115"), Fault.UNREACHABLE),
        (network("selectForRecvTimeout", number="115"), Fault.UNREACHABLE),
        (network("recv", number="104"), Fault.CONNECTION_LOST),
        (network("send", number="32"), Fault.CONNECTION_LOST),
        (network("sqlccSSLSocketSetup", protocol="SSL", number="410"), Fault.TLS),
        (network("recv", protocol="SSL", number="104"), Fault.CONNECTION_LOST),
        (said("CLI0106E", "Connection is closed.", "08003", -99999), Fault.CONNECTION_LOST),
        (
            said("CLI0108E", "Communication link failure.", "40003", -99999),
            Fault.CONNECTION_LOST,
        ),
        (said("CLI0157E", "Error opening a file.", "HY507", -99999), Fault.TLS),
        (said("CLI0111E", "Numeric value out of range.", "22003", -99999), Fault.INVALID_VALUE),
        (said("CLI0999E", "Something else.", "22018", -99999), Fault.INVALID_VALUE),
        (Exception("Connection is not active"), Fault.CONNECTION_LOST),
        (
            Exception("Value parameter tuple 2 has types that are not homogeneous"),
            Fault.INVALID_VALUE,
        ),
    ],
)
def test_what_the_driver_itself_meets_is_told_by_its_words(error: Exception, fault: Fault) -> None:
    assert fault_of(error) == fault
    assert explain(error, WHERE).context.metadata["fault"] == fault


def test_the_error_behind_the_error_counts() -> None:
    outer = SystemError("<built-in function fetchone> returned a result with an exception set")
    outer.__cause__ = said("CLI0108E", "Communication link failure.", "40003", -99999)
    assert ends_connection(outer)
    assert explain(outer, WHERE).category is Category.DEPENDENCY


def test_a_dead_connection_is_told_from_a_living_one() -> None:
    assert ends_connection(server(-30108))
    assert ends_connection(network("recv"))
    assert not ends_connection(server(-803))
    assert not ends_connection(server(-911))
    assert not ends_connection(ValueError("SQL-like text"))


def test_the_server_is_quoted_from_its_number_on() -> None:
    error = explain(server(-407, 'Assignment of a NULL value to "N".', "23502"), WHERE)
    assert error.message.startswith(WHERE)
    assert error.message.endswith(': SQL0407N Assignment of a NULL value to "N".')
    assert "SQLSTATE" not in error.message


def test_a_long_text_is_cut() -> None:
    assert len(explain(server(-204, "x" * 5000), WHERE).message) < 600


def test_no_place_for_temporary_tables_names_what_makes_one() -> None:
    error = explain(server(-286, "No table space was found.", "42727"), WHERE)
    assert isinstance(error, ConfigurationError)
    assert error.hint is not None
    assert "CREATE USER TEMPORARY TABLESPACE" in error.hint


def test_what_is_no_error_of_the_database_is_told_as_what_it_is() -> None:
    assert explain(PoolTimeoutError("QueuePool limit"), WHERE).retryable
    half = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    assert explain(half, WHERE).category is Category.VALIDATION
    known = ConfigurationError("already told")
    assert explain(known, WHERE) is known
    assert "ZeroDivisionError" in explain(ZeroDivisionError(), WHERE).message
