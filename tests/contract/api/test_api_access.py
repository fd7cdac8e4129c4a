"""Who may call what: every method with every kind of credentials, over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from api_calls import METHODS, ROLES, SEEN, WAIT, Api, message_of
from api_claims import covers
from api_data import uploaded
from api_place import Home, Server
from api_runs import unique, wait_for
from certificates import Authority
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from market_spine.application.access.tokens import ListTokens, RevokeToken
from market_spine.v1 import access_pb2
from market_spine.v1.dataset_service_pb2 import UploadFileRequest

NEEDED = {
    name: access_pb2.Role.Name(method.GetOptions().Extensions[access_pb2.access].role)
    .removeprefix("ROLE_")
    .lower()
    for name, method in METHODS.items()
}


class Guarded:
    """A server that others could reach: with TLS, and credentials for everything."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.authority = Authority("authority of tests")
        cert, key = self.authority.issue("localhost").written(folder, "server")
        self.tokens = {role: self.home.token(role) for role in ROLES}
        self.invalid = {
            "wrong": self.tokens["admin"][:-1] + ("0" if self.tokens["admin"][-1] != "0" else "1"),
            "expired": self.home.token("admin", expires_in=timedelta(microseconds=1)),
            "revoked": self.home.token("admin", revoked=True),
            "malformed": "letmein",
            "none": None,
        }
        files = ("--tls-cert", str(cert), "--tls-key", str(key))
        self.server = Server(self.home, *files, listen="0.0.0.0:0")

    def api(self, **given: Any) -> Api:
        trusted = grpc.ssl_channel_credentials(self.authority.pem)
        return Api(f"localhost:{self.server.port}", credentials=trusted, **given)


@pytest.fixture(scope="module")
def guarded(own_servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    with made.server:
        yield made
        assert not made.server.defects


@pytest.fixture(scope="module")
def secure(guarded: Guarded) -> Iterator[Api]:
    with guarded.api(tokens=guarded.tokens) as client:
        yield client


def request_of(method: str) -> list[Message] | None:
    return [] if METHODS[method].client_streaming else None


@pytest.mark.parametrize("kind", ["none", "malformed", "wrong", "expired", "revoked"])
@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "UNAUTHENTICATED")) for name in METHODS]
)
def test_nobody_gets_in_without_valid_credentials(
    secure: Api, guarded: Guarded, method: str, kind: str
) -> None:
    credentials = {"role": None, "token": guarded.invalid[kind]}

    refused = secure.refusal(method, request_of(method), **credentials)

    assert refused.code == "UNAUTHENTICATED", refused
    info = refused.details["ErrorInfo"]
    assert (info.reason, info.metadata["retryable"]) == ("PERMISSION", "false")
    assert info.metadata["hint"]
    assert str(guarded.invalid[kind]) not in str(refused)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", METHODS)
def test_a_role_may_do_what_the_contract_says_and_no_more(
    secure: Api, method: str, role: str
) -> None:
    enough = ROLES.index(role) >= ROLES.index(NEEDED[method])

    code = secure.code(method, request_of(method), role=role)

    if enough:
        assert code in ("OK", "INVALID_ARGUMENT"), code
    else:
        assert code == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=covers(name, "PERMISSION_DENIED"))
        for name, role in NEEDED.items()
        if role != "viewer"
    ],
)
def test_a_refusal_says_which_role_it_takes_and_is_not_recorded(secure: Api, method: str) -> None:
    below = ROLES[ROLES.index(NEEDED[method]) - 1]
    newest = secure.call("SystemService.ListAuditEntries", page_size=1).entries

    refused = secure.refusal(method, request_of(method), role=below)

    assert refused.code == "PERMISSION_DENIED"
    assert NEEDED[method] in refused.text
    assert below in refused.text
    assert set(refused.details) == {"ErrorInfo", "Error"}
    assert secure.call("SystemService.ListAuditEntries", page_size=1).entries == newest


def test_who_nobody_knows_leaves_no_entry(secure: Api, guarded: Guarded) -> None:
    newest = secure.call("SystemService.ListAuditEntries", page_size=1).entries

    for token in guarded.invalid.values():
        secure.refusal("RunService.SubmitRun", role=None, token=token)

    assert secure.call("SystemService.ListAuditEntries", page_size=1).entries == newest


@pytest.mark.parametrize("role", ROLES)
def test_the_server_says_who_the_caller_is(secure: Api, role: str) -> None:
    answer = secure.call("SystemService.GetVersion", role=role)

    assert answer.caller == f"{role}-of-tests"
    assert access_pb2.Role.Name(answer.role) == f"ROLE_{role.upper()}"


def test_entries_are_kept_that_stand_behind_another(secure: Api) -> None:
    method = "SystemService.ListAuditEntries"
    for _ in range(3):
        secure.refusal("RunService.CancelRun", name=f"runs/{unique()}", role="operator")
    newest = secure.call(method, page_size=3).entries

    behind = f"id < {newest[0].id}"
    first = secure.call(method, filter=behind, page_size=1)
    second = secure.call(method, filter=behind, page_size=1, page_token=first.next_page_token)
    assert [*first.entries, *second.entries] == newest[1:]
    of_caller = f"{behind} AND caller = operator-of-tests"
    assert secure.call(method, filter=of_caller, page_size=2).entries == newest[1:]
    refused = secure.refusal(method, filter='id < "no id"')
    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "filter")


def test_an_entry_says_who_the_caller_was(secure: Api) -> None:
    run = f"runs/{unique()}"
    for role in ("operator", "admin"):
        secure.refusal("RunService.CancelRun", name=run, role=role)

        [entry] = secure.call("SystemService.ListAuditEntries", page_size=1).entries
        assert (entry.caller, entry.resource) == (f"{role}-of-tests", run)
        assert access_pb2.Role.Name(entry.role) == f"ROLE_{role.upper()}"


@pytest.mark.parametrize(
    "header",
    [
        "Basic YWRtaW46YWRtaW4=",
        "Bearer",
        "Bearer ",
        "{0}",
        "Bearer {0} {0}",
        "Bearer {0}x",
        "Bearer " + "x" * 5_000,
        "Bearer a.b.c",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "Bearer spine_",
        "Bearer ../../etc/passwd",
        "Bearer ' OR 1=1 --",
    ],
)
def test_what_is_no_token_lets_nobody_in(secure: Api, guarded: Guarded, header: str) -> None:
    sent = [("authorization", header.format(guarded.tokens["admin"]))]
    with pytest.raises(grpc.RpcError) as raised:
        secure.raw("SystemService.GetVersion")(
            message_of("SystemService.GetVersion")(),
            timeout=WAIT,
            metadata=sent,
        )
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
    SEEN.note("SystemService.GetVersion", "UNAUTHENTICATED")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(secure: Api, guarded: Guarded, scheme: str) -> None:
    from market_spine.v1.system_service_pb2 import GetVersionRequest

    sent = [("authorization", f"{scheme} {guarded.tokens['viewer']}")]
    answer = secure.raw("SystemService.GetVersion")(
        GetVersionRequest(), timeout=WAIT, metadata=sent
    )
    assert answer.caller == "viewer-of-tests"


def test_a_token_that_is_revoked_is_soon_refused(secure: Api, guarded: Guarded) -> None:
    text = guarded.home.token("viewer")
    assert secure.code("SystemService.GetVersion", token=text) == "OK"
    revoked(guarded, secure, text)


def revoked(guarded: Guarded, secure: Api, token: str) -> None:
    """Revoke the newest token, which that is, and wait until it is refused."""
    container = guarded.home.container()
    newest = ListTokens(container.store())()[0]
    RevokeToken(container.store(), container.clock())(newest.id)
    container.store().close()
    wait_for(
        "refusal",
        lambda: secure.code("SystemService.GetVersion", token=token) == "UNAUTHENTICATED",
    )


@pytest.mark.parametrize("sent", [0, 1, 2])
def test_who_is_refused_meanwhile_brings_no_file(secure: Api, guarded: Guarded, sent: int) -> None:
    token = guarded.home.token("operator")
    messages = uploaded(b"a,b\n1,2\n", f"{unique()}.csv", "contract.file")
    assert len(messages) == 2

    def slowly() -> Iterator[UploadFileRequest]:
        yield from messages[:sent]
        revoked(guarded, secure, token)
        yield from messages[sent:]

    before = secure.call("RunService.ListRuns").runs
    with pytest.raises(grpc.RpcError) as raised:
        secure.send("DatasetService.UploadFile", slowly(), token=token)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
    assert secure.call("RunService.ListRuns").runs == before


def test_health_is_open_and_reflection_is_not(secure: Api, guarded: Guarded) -> None:
    health = health_pb2_grpc.HealthStub(secure.channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT).status == 1
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    reflection = reflection_pb2_grpc.ServerReflectionStub(secure.channel)

    with pytest.raises(grpc.RpcError) as raised:
        list(reflection.ServerReflectionInfo(iter([asked]), timeout=WAIT))
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
    known = secure.metadata("viewer")
    [answer] = reflection.ServerReflectionInfo(iter([asked]), timeout=WAIT, metadata=known)
    assert answer.list_services_response.service


def test_no_token_stands_in_the_log(guarded: Guarded, secure: Api) -> None:
    for token in [*guarded.tokens.values(), *filter(None, guarded.invalid.values())]:
        secure.code("RunService.GetRun", name=f"runs/{token}"[:128], token=token)
        secure.code("RunService.CancelRun", name=f"runs/{token}"[:128], role="admin")
    known = [token for token in guarded.tokens.values() if token in guarded.server.log]
    assert not known
    entries = secure.call("SystemService.ListAuditEntries", page_size=20).entries
    assert not [token for token in guarded.tokens.values() if token in str(entries)]


def test_a_wrong_token_is_refused_even_where_none_is_asked_for(own: Server) -> None:
    with own.api() as client:
        assert client.call("SystemService.GetVersion").caller == "local"
        assert client.code("SystemService.GetVersion", token="letmein") == "UNAUTHENTICATED"
        token = own.home.token("viewer")
        assert client.call("SystemService.GetVersion", token=token).caller == "viewer-of-tests"
        assert client.code("RunService.SubmitRun", token=token) == "PERMISSION_DENIED"
