"""``spine`` against a server as users run it: settings, tokens, Ctrl-C, what beginning costs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cli_queue
import pytest
from cli_server import WAIT, serving
from cli_spine import SPINE, clean_environment, process
from test_postgres_tls import self_signed

ENV = {"SPINE_MODULES": "queue_pipelines", "SPINE_EXECUTION": "inline"}
HEAVY = {"polars", "sqlalchemy", "pydantic_settings", "exchange_calendars", "dependency_injector"}
LOADED = """
import sys
from contextlib import suppress
from market_spine.bootstrap.main import main
sys.argv = ["spine", *sys.argv[1:]]
with suppress(SystemExit):
    main()
print(*(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and the address of a server on it that executes what is submitted."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "queue_pipelines.py").write_text(cli_queue.MODULE)
    with serving(folder, "--workers", "1", env=ENV) as address:
        yield folder, address


def test_the_server_is_named_by_option_variable_or_file(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    elsewhere = {"SPINE_SERVER": "127.0.0.1:1"}
    submitted = process(
        "submit", "queue.say", "--wait", folder=tmp_path, env={"SPINE_SERVER": address}
    )
    assert "SUCCEEDED" in submitted.out
    assert "said hello" in submitted.out
    here = process("runs", "list", folder=folder, env=ENV)

    by_option = process("--server", address, "runs", "list", folder=tmp_path, env=elsewhere)
    (tmp_path / "spine.toml").write_text(f'server = "{address}"\n')
    by_file = process("runs", "list", folder=tmp_path)

    assert by_option == here
    assert by_file == here
    assert not (tmp_path / ".spine").exists()


def test_a_store_of_ones_own_is_asked_where_no_server_is_named(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    del served
    said = process("runs", "list", folder=tmp_path, env={"SPINE_SERVER": ""})

    assert said.out == "nothing found\n"
    assert "is no setting" not in said.err


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"SPINE_SERVER": "no address"}, "'no address' is not the address of a server"),
        ({"SPINE_SERVER": "spine.example:1", "SPINE_TOKEN_FILE": "none"}, "token cannot be read"),
        ({"SPINE_SERVER": "127.0.0.1:1", "SPINE_SERVER_CA": "none"}, "cannot be read: none"),
        ({"SPINE_SERVER": "127.0.0.1:1", "SPINE_CLIENT_CERT": "none"}, "belong together"),
        ({"SPINE_CONFIG": "none.toml"}, "SPINE_CONFIG names none.toml"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, env: dict[str, str], words: str) -> None:
    said = process("runs", "list", folder=tmp_path, env=env, code=6)

    assert "error [CONFIGURATION]" in said.err
    assert words in said.err


def test_a_token_and_a_certificate_are_read_from_files(tmp_path: Path) -> None:
    root, key = self_signed(tmp_path / "tls", "localhost")
    made = process(
        "auth", "token", "create", "--name", "reader", "--role", "viewer", folder=tmp_path
    )
    (tmp_path / "token").write_text(made.out)
    protected = ("--tls-cert", str(root), "--tls-key", str(key))
    with serving(tmp_path, "--listen", "0.0.0.0:0", *protected) as address:
        port = address.rpartition(":")[2]
        env = {
            "SPINE_SERVER": f"localhost:{port}",
            "SPINE_SERVER_CA": str(root),
            "SPINE_TOKEN_FILE": str(tmp_path / "token"),
        }
        (tmp_path / "elsewhere").mkdir()
        elsewhere = tmp_path / "elsewhere"

        assert process("runs", "list", folder=elsewhere, env=env).out == "nothing found\n"
        refused = process(
            "submit", "finra.otc_transparency.backfill", folder=elsewhere, env=env, code=4
        )
        assert "error [PERMISSION]" in refused.err
        assert "SPINE_TOKEN" not in refused.err, "the caller is known, and may not do it"
        without = {**env, "SPINE_TOKEN_FILE": ""}
        unknown = {**without, "SPINE_TOKEN": made.out[:-5]}
        for settings in (without, unknown):
            stranger = process("runs", "list", folder=elsewhere, env=settings, code=4).err
            assert "error [PERMISSION]" in stranger
            assert "spine takes its token from SPINE_TOKEN, or from the file" in stranger
            assert "SPINE_TOKEN_FILE" in stranger
        # Whether a server takes calls is told to everybody who can connect.
        assert "SERVING" in process("health", folder=elsewhere, env=without).out
        clear = {**without, "SPINE_SERVER": f"127.0.0.1:{port}", "SPINE_SERVER_CA": ""}
        hung_up = process("runs", "list", folder=elsewhere, env=clear, code=6).err
        assert "demands TLS" in hung_up


def test_health_is_asked_of_the_server_that_is_meant(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    _, address = served
    for words, env in (
        (("health", "--server", address), {}),
        (("--server", address, "health"), {}),
        (("health",), {"SPINE_SERVER": address}),
        (("--server", "127.0.0.1:1", "health", "--server", address), {}),
    ):
        said = process(*words, folder=tmp_path, env=env)
        assert said.out.split() == ["server", address, "state", "SERVING"]
        document = process(*words, "--json", folder=tmp_path, env=env).json()
        assert document == {"server": address, "state": "SERVING"}
    silent = process("health", "--json", "--server", "127.0.0.1:1", folder=tmp_path, code=5)
    assert silent.out == ""
    assert "no server answers" in silent.err


def test_a_run_is_followed_live_over_a_server_as_it_is_told_beside_the_store(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    env = {"SPINE_SERVER": address}
    given = ("submit", "queue.graph", "-p", "count=3", "-p", "bad=-1", "--wait")
    live = process(*given, folder=tmp_path, env=env).out.splitlines()

    words = ("runs", "show", live[0].split()[1].rstrip(":"), "--follow")
    for after in (
        process(*words, folder=folder, env=ENV).out.splitlines(),
        process(*words, folder=tmp_path, env=env).out.splitlines(),
    ):
        # What steps side by side have told may come in another order when it is told at once.
        assert sorted(after[1:]) == sorted(live[1:])
        assert after[-1] == live[-1]


def test_following_is_left_with_ctrl_c(served: tuple[Path, str], tmp_path: Path) -> None:
    _, address = served
    made = process("--server", address, "submit", "queue.heavy", "--json", folder=tmp_path)
    run_id = json.loads(made.out)["id"]

    with subprocess.Popen(
        [SPINE, "--server", address, "runs", "show", run_id, "--follow"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert following.stdout.readline().startswith(f"run {run_id}")
        following.send_signal(signal.SIGINT)
        _, errors = following.communicate(timeout=WAIT)

    assert following.returncode == 130
    assert "not followed any more" in errors
    assert "Traceback" not in errors


def test_questions_about_runs_need_no_slow_libraries(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    _, address = served

    for words in (("runs", "list"), ("runs", "stats"), ("backfill", "list"), ("pipelines", "list")):
        loaded = _loaded("--server", address, *words, folder=tmp_path)
        assert "grpc" in loaded
        assert loaded & HEAVY == set(), words


def test_help_and_the_package_need_neither_grpc_nor_polars(tmp_path: Path) -> None:
    assert _loaded("--help", folder=tmp_path) & {*HEAVY, "grpc", "google"} == set()

    for name in ("market_spine", "market_spine.client"):
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}, sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) & {*HEAVY, "grpc", "google.protobuf"} == set()


def _loaded(*words: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def test_a_folder_of_files_that_is_not_there_is_told_when_the_server_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "files").mkdir()
    with serving(tmp_path, env={"SPINE_FILE_ROOTS": "files,fiels"}) as address:
        words = ("submit", "finra.otc_transparency.refresh_week", "-p", "file=a.csv")
        said = process("--server", address, *words, folder=tmp_path, code=2)

    told = (tmp_path / "serve.log").read_text()
    assert f"SPINE_FILE_ROOTS names {tmp_path / 'fiels'}, which is no folder" in told
    assert f"{tmp_path / 'files'}," not in told
    assert f"there is no a.csv below {tmp_path / 'files'}" in said.err
