"""A connection whose TLS is set up wrongly says so at once, instead of that no server runs."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from scripted_server import scripted

from market_spine.client import SpineClient
from market_spine.domain.errors import Category, SpineError

OURS, ANOTHER = Authority("ours"), Authority("another")


@dataclass(frozen=True)
class SetUp:
    """For which name the server's certificate is (None: it speaks no TLS), and who is trusted."""

    served: str | None
    trusted: Authority | None
    demands_certificates: bool = False
    client: Authority | None = None

    def credentials(self) -> grpc.ServerCredentials | None:
        if self.served is None:
            return None
        issued = OURS.issue(self.served)
        demanded = OURS.pem if self.demands_certificates else None
        return grpc.ssl_server_credentials(
            [(issued.key, issued.cert)], demanded, self.demands_certificates
        )

    def given(self, folder: Path) -> dict[str, Path]:
        """What the client is given, written to files."""
        files = {}
        if self.trusted is not None:
            files["ca"] = folder / "ca.pem"
            files["ca"].write_bytes(self.trusted.pem)
        if self.client is not None:
            files["cert"], files["key"] = self.client.issue("loader").written(folder, "client")
        return files


WRONG = {
    "the client speaks no TLS": (SetUp("localhost", None), "hangs up", "SPINE_SERVER_CA"),
    "the server speaks no TLS": (SetUp(None, OURS), "speaks no TLS", "insecure=True"),
    "another authority": (SetUp("localhost", ANOTHER), "nobody known", "SPINE_SERVER_CA"),
    "another name": (SetUp("other.example", OURS), "for another name", "in its certificate"),
    "no client certificate": (SetUp("localhost", OURS, True), "hangs up", "cert= and key="),
    "a client certificate of others": (
        SetUp("localhost", OURS, True, ANOTHER),
        "hangs up",
        "cert= and key=",
    ),
}


@pytest.mark.parametrize(("set_up", "said", "remedy"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_tls_is_said_at_once(
    tmp_path: Path, set_up: SetUp, said: str, remedy: str
) -> None:
    with (
        scripted({}, set_up.credentials()) as server,
        SpineClient(server.address, **set_up.given(tmp_path)) as client,
    ):
        begun = time.monotonic()
        with pytest.raises(SpineError, match=said) as raised:
            client.system.version()
        took = time.monotonic() - begun

    # A server that is away is asked for more than two seconds.
    assert took < 1.5
    assert raised.value.category is Category.CONFIGURATION
    assert remedy in str(raised.value.hint)
    assert raised.value.retryable == (said == "hangs up")


def test_a_file_is_not_sent_again_where_tls_is_set_up_wrongly(tmp_path: Path) -> None:
    file = tmp_path / "week.csv"
    file.write_text("a,b\n")
    with (
        scripted({}, SetUp("localhost", None).credentials()) as server,
        SpineClient(server.address) as client,
    ):
        begun = time.monotonic()
        with pytest.raises(SpineError, match="hangs up"):
            client.datasets.upload(file, "a.b")

    assert time.monotonic() - begun < 1.5


COMMAND = """
import sys
from market_spine.bootstrap.main import main
sys.argv = ["spine", "--server", *sys.argv[1:]]
main()
"""
PROGRAM = """
import sys
from market_spine import SpineError
from market_spine.client import SpineClient
try:
    SpineClient(sys.argv[1], ca=sys.argv[2]).system.version()
except SpineError as error:
    print(error, file=sys.stderr)
"""


@pytest.mark.parametrize("level", [None, "INFO"])
def test_the_command_line_says_it_once_and_programs_hear_all_of_grpc(
    tmp_path: Path, level: str | None
) -> None:
    set_up = SetUp(None, OURS)
    ca = set_up.given(tmp_path)["ca"]
    env = {"SPINE_SERVER_CA": str(ca), **({"GRPC_VERBOSITY": level} if level else {})}

    def errors(code: str, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, server.address, *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stderr

    with scripted({}, set_up.credentials()) as server:
        by_command = errors(COMMAND, "runs", "list")
        of_health = errors(COMMAND, "health")
        by_program = errors(PROGRAM, str(ca))

    for told in (by_command, of_health):
        assert "speaks no TLS" in told
        assert ("ssl_transport_security" in told) == (level is not None)
    assert "ssl_transport_security" in by_program
