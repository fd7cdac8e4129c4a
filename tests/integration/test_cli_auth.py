"""``spine auth``: tokens are shown once, and the log of calls is read in pages."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli_spine import Said, Spine, process, terminal

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.system.runtime import SystemClock
from market_spine.application.access.authenticate import Authenticate
from market_spine.domain.access import AuditEntry, Principal, PrincipalKind, Role
from market_spine.domain.errors import SpineError

PACKAGE = "market_spine.v1."


def created(spine: Spine, *words: str) -> str:
    return spine("auth", "token", "create", "--name", "nightly", *words).out.strip()


def caller(text: str) -> Principal:
    """Who a server on the same store takes the bearer for."""
    with closing(SqlStore("sqlite:///.spine/spine.db")) as store:
        return Authenticate(store, SystemClock())(text)


def test_a_token_is_printed_once_and_lets_its_bearer_in(spine: Spine) -> None:
    said = spine("auth", "token", "create", "--name", "nightly", "--role", "Operator")
    text = said.out.strip()

    assert said.out == f"{text}\n", "nothing else is on stdout: it goes to a file, or to a program"
    assert "cannot be shown again" in said.err
    assert text not in said.err
    assert caller(text) == Principal("nightly", Role.OPERATOR, PrincipalKind.TOKEN)
    for words in (("token", "list"), ("token", "list", "--json"), ("log", "--json")):
        shown = spine("auth", *words)
        assert text.rpartition("_")[2] not in shown.out + shown.err
    assert text.rpartition("_")[2].encode() not in b"".join(
        path.read_bytes() for path in Path(".spine").iterdir() if path.is_file()
    )


def test_a_token_is_valid_for_90_days_unless_said_otherwise(spine: Spine) -> None:
    def document(*words: str) -> dict[str, object]:
        found: dict[str, object] = spine(
            "auth", "token", "create", "--name", "n", "--role", "viewer", "--json", *words
        ).json()
        return found

    def lasts(found: dict[str, object]) -> timedelta:
        made, end = (datetime.fromisoformat(str(found[n])) for n in ("created_at", "expires_at"))
        return end - made

    first = document()
    assert lasts(first) == timedelta(days=90)
    assert lasts(document("--expires", "1d 12h")) == timedelta(hours=36)
    assert document("--expires", "never")["expires_at"] is None
    assert set(first) == {
        *("id", "name", "role", "created_at", "expires_at", "revoked_at", "state", "token")
    }
    assert (first["role"], first["state"]) == ("VIEWER", "valid")
    assert caller(str(first["token"])).role is Role.VIEWER


def test_a_revoked_token_is_refused_and_stays_in_the_list(spine: Spine) -> None:
    text = created(spine, "--role", "admin")
    other = created(spine, "--role", "viewer")
    token = text.split("_")[1]

    assert "is revoked" in spine("auth", "token", "revoke", token).out
    again = spine("auth", "token", "revoke", token, "--json").json()
    with pytest.raises(SpineError, match="is revoked"):
        caller(text)
    assert caller(other).role is Role.VIEWER

    listed = spine("auth", "token", "list", "--json").json()
    assert [item["state"] for item in listed] == ["valid", "revoked"]
    assert listed[1] == again
    assert "token" not in listed[0]
    table = spine("auth", "token", "list").out
    assert token in table
    assert "revoked" in table


def test_there_may_be_no_token(spine: Spine) -> None:
    assert spine("auth", "token", "list").out == "nothing found\n"
    assert spine("auth", "token", "list", "--json").json() == []
    said = spine("auth", "token", "revoke", "unknown", code=3)
    assert "spine auth token list" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--name", "n", "--role", "boss"), "VIEWER, OPERATOR, ADMIN"),
        (("--name", "", "--role", "viewer"), "no name for a token"),
        (("--name", "a\tb", "--role", "viewer"), "no name for a token"),
        (("--name", "n", "--role", "viewer", "--expires", "soon"), "no duration"),
        (("--name", "n", "--role", "viewer", "--expires", "0d"), "cannot expire"),
        (("--name", "n", "--role", "viewer", "--expires", "99999999w"), "cannot expire"),
        (("--name", "n"), "--role"),
        (("--role", "viewer"), "--name"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    spine: Spine, words: tuple[str, ...], told: str
) -> None:
    said = spine("auth", "token", "create", *words, code=2)
    assert told in said.err
    assert said.out == ""
    assert spine("auth", "token", "list", "--json").json() == []


def entries(count: int) -> list[AuditEntry]:
    """Calls, the first of which is the oldest; every third failed, the last is being executed."""
    found = [
        AuditEntry(
            id=f"call-{number:03}",
            at=datetime(2026, 1, 5, 9, number, tzinfo=UTC),
            caller="nightly" if number % 2 else "ann",
            role=Role.OPERATOR,
            peer=f"ipv4:10.0.0.7:{number}",
            method=f"{PACKAGE}RunService/{'SubmitRun' if number % 3 else 'CancelRun'}",
            resource=f"runs/{number}" if number else "",
            outcome="OK" if number % 3 else "NOT_FOUND",
            result=f"runs/{number + 1}" if number % 3 else None,
        )
        for number in range(count)
    ]
    return [*found[:-1], AuditEntry(**{**_fields(found[-1]), "outcome": None, "result": None})]


def _fields(entry: AuditEntry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__}


@pytest.fixture
def logged(spine: Spine) -> Spine:
    spine("db", "upgrade")
    with closing(SqlStore("sqlite:///.spine/spine.db")) as store, store.write() as unit:
        for entry in entries(9):
            unit.access.record_call(entry)
        unit.commit()
    return spine


def ids(said: Said) -> list[str]:
    return [item["id"].removeprefix("call-00") for item in said.json()]


def test_the_log_is_read_by_caller_and_method_in_pages(logged: Spine) -> None:
    def log(*words: str) -> list[str]:
        return ids(logged("auth", "log", "--json", *words))

    assert log() == [*"876543210"]
    assert log("--caller", "ann") == [*"86420"]
    assert log("--method", "RunService/CancelRun") == [*"630"]
    assert log("--method", f"{PACKAGE}RunService/CancelRun") == [*"630"]
    assert log("--method", "CancelRun") == [*"630"]
    assert log("--caller", "ann", "--method", "RunService/CancelRun") == [*"60"]
    assert log("--limit", "2") == [*"87"]
    assert log("--limit", "2", "--before", "call-007") == [*"65"]
    assert log("--before", "call-000") == []
    assert log("--caller", "nobody") == []
    assert log("--limit", "0") == []


def test_a_method_that_there_is_not_is_refused_and_not_found_nowhere(logged: Spine) -> None:
    said = logged("auth", "log", "--method", "CancelRuns", code=2)

    assert said.out == ""
    assert "did you mean CancelRun" in said.err


def test_the_log_as_programs_and_as_people_read_it(logged: Spine) -> None:
    [newest, *_] = logged("auth", "log", "--json").json()
    assert newest == {
        "id": "call-008",
        "at": "2026-01-05T09:08:00+00:00",
        "caller": "ann",
        "role": "OPERATOR",
        "peer": "ipv4:10.0.0.7:8",
        "method": f"{PACKAGE}RunService/SubmitRun",
        "resource": "runs/8",
        "outcome": None,
        "result": None,
    }
    table = logged("auth", "log", "-n", "3").out
    assert "RunService/SubmitRun" in table
    assert PACKAGE not in table
    assert "2026-01-05 09:08:00" in table
    assert "NOT_FOUND" in table
    assert "next page: the same with --before call-006" in table
    assert "next page" not in logged("auth", "log").out
    assert logged("auth", "log", "--caller", "nobody").out == "nothing found\n"


def test_what_a_caller_says_has_no_power_over_the_terminal(spine: Spine, tmp_path: Path) -> None:
    spine("db", "upgrade")
    evil = "\x1b]0;owned\x07\x1b[2J\r\nrm -rf /"
    with closing(SqlStore("sqlite:///.spine/spine.db")) as store, store.write() as unit:
        fields = {**_fields(entries(2)[0]), "caller": evil, "peer": evil, "resource": evil}
        unit.access.record_call(AuditEntry(**fields))
        unit.commit()
    shown = terminal("auth", "log", folder=tmp_path, columns=200)
    assert shown.code == 0
    assert "\x1b]0" not in shown.out
    assert "\\x1b]0;owned\\x07" in shown.out


def test_a_script_gets_the_token_alone(tmp_path: Path) -> None:
    """As a process: what it says beside the token does not stand in the way."""
    said = process("auth", "token", "create", "--name", "x", "--role", "admin", folder=tmp_path)
    assert said.out.startswith("spine_")
    assert said.out.count("\n") == 1
    assert said.err.startswith("note: ")
