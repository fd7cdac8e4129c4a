"""compose.yaml: what its services run really runs, on the settings that it gives."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_spine import SPINE, clean_environment
from sqlalchemy import make_url

from market_spine.bootstrap.settings import Settings

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(PLACE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture
def environment(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    """What the compose file gives, the server and the folders replaced by those of the test."""
    given: dict[str, str] = dict(SERVICES["spine"]["environment"])
    asked = make_url(given["SPINE_DATABASE_URL"])
    assert (asked.username, asked.password, asked.host) == ("spine", None, "postgres")
    password = tmp_path / "database_password"
    password.write_text("not asked for here\n")
    there = make_url(postgres_url)._replace(password=None)
    return (
        clean_environment()
        | given
        | {
            "SPINE_DATABASE_URL": there.set(drivername=asked.drivername).render_as_string(),
            "SPINE_DATABASE_PASSWORD_FILE": str(password),
            "SPINE_HOME": str(tmp_path / "home"),
        }
    )


def spine(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SPINE, *command], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def serving(environment: dict[str, str]) -> Iterator[str]:
    """The service's own command, on a free port; its address."""
    migrated = spine(SERVICES["migrate"]["command"], environment)
    assert migrated.returncode == 0, migrated.stderr
    command = [word.replace(":50051", ":0") for word in SERVICES["spine"]["command"]]
    with subprocess.Popen(
        [SPINE, *command], env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        told = server.stdout.readline()
        yield f"127.0.0.1:{told.rpartition(':')[2].strip()}"
        server.terminate()
        assert server.wait(30) == 0


def test_the_job_migrates_and_the_service_turns_healthy(
    serving: str, environment: dict[str, str]
) -> None:
    check = SERVICES["spine"]["healthcheck"]["test"]
    assert check[:2] == ["CMD", "spine"]

    answered = spine([*check[2:], "--server", serving], environment)

    assert answered.returncode == 0, answered.stderr
    assert "SERVING" in answered.stdout
    current = spine(["db", "current"], environment)
    assert current.returncode == 0, current.stdout


def test_the_health_check_fails_where_nobody_serves(environment: dict[str, str]) -> None:
    answered = spine(["health", "--server", "127.0.0.1:1", "--timeout", "2"], environment)

    assert answered.returncode == 5
    assert "no server answers at 127.0.0.1:1" in answered.stderr
    assert "Traceback" not in answered.stderr


def test_a_worker_takes_runs_until_it_is_stopped(environment: dict[str, str]) -> None:
    migrated = spine(SERVICES["migrate"]["command"], environment)
    assert migrated.returncode == 0, migrated.stderr
    with subprocess.Popen(
        [SPINE, *SERVICES["worker"]["command"]], env=environment, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "working on pools: default\n"
        asked = spine(
            ["submit", "finra.otc_transparency.measure_week", "-p", "capture=x", "--wait"],
            environment,
        )
        worker.terminate()
        assert worker.wait(30) == 0

    assert asked.returncode == 1
    assert "there is no capture x" in asked.stderr


def test_every_setting_that_is_given_is_one() -> None:
    for name in ("spine", "migrate", "worker"):
        for variable in SERVICES[name]["environment"]:
            assert variable.removeprefix("SPINE_").lower() in Settings.model_fields, variable


def test_volumes_and_secrets_that_are_used_are_declared() -> None:
    for service in SERVICES.values():
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
        named = {volume.split(":")[0] for volume in service["volumes"]}
        assert {name for name in named if not name.startswith(".")} <= set(COMPOSE["volumes"])
    assert all("file" in secret for secret in COMPOSE["secrets"].values())


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for variable, value in service["environment"].items():
            assert "PASSWORD" not in variable or value.startswith("/run/secrets/")


def test_compose_itself_takes_the_file(tmp_path: Path) -> None:
    command = _client()
    if command is None:
        pytest.skip("neither 'docker compose' nor docker-compose is installed")
    shutil.copy(PLACE, tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "database_password").write_text("x")

    checked = subprocess.run(
        [*command, "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr


def _client() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "version"], capture_output=True, check=False)
            if asked.returncode == 0:
                return command
    return None
