"""The client against a server as it is started: work is done, followed, interrupted, protected."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import cli_queue
import pytest
from cli_server import WAIT, serving
from cli_spine import DOMAIN, Spine, process, weekly_file
from test_postgres_tls import self_signed

from market_spine.client import RunNews, SpineClient
from market_spine.domain.access import Role
from market_spine.domain.backfills import BackfillState, PartState
from market_spine.domain.captures import Stage
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.domain.runs import EventKind, LogLine, Run, RunEvent, RunState, Trigger

WORKING = ("--workers", "1")
ENV = {"SPINE_MODULES": "queue_pipelines", "SPINE_EXECUTION": "inline"}
ROW = "OTC|{0}|{0} Inc.|OTCN ATS|OTCN|{1}|1|2025-12-15"


@pytest.fixture
def folder(spine: Spine, tmp_path: Path) -> Path:
    """An empty store, and pipelines that do little."""
    (tmp_path / "queue_pipelines.py").write_text(cli_queue.MODULE)
    return tmp_path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpineClient]:
    """A client of a server that executes what is submitted; the tests share its history."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "queue_pipelines.py").write_text(cli_queue.MODULE)
    with serving(folder, *WORKING, env=ENV) as address, SpineClient(address) as made:
        yield made


def ended(client: SpineClient, run_id: str) -> Run:
    last = [*client.runs.watch(run_id)][-1].what
    assert isinstance(last, Run)
    return last


def test_what_is_submitted_is_followed_to_its_end(client: SpineClient) -> None:
    run = client.runs.submit("queue.graph", {"count": 3, "bad": -1}, priority=2)
    assert (run.state.final, run.trigger) == (False, Trigger.REQUEST)

    news = [*client.runs.watch(run.id)]

    last = news[-1].what
    assert isinstance(last, Run)
    assert (last.id, last.state, last.output) == (
        *(run.id, RunState.SUCCEEDED, {"last": {"text": "bye"}}),
    )
    assert client.runs.get(run.id) == last
    steps = {item.step for item in news}
    assert steps == {"", "numbers", "each[0]", "each[1]", "each[2]", "inner", "inner/first", "last"}
    said = [item.what.text for item in news if isinstance(item.what, LogLine)]
    assert {"said inner", "said bye"} <= set(said)
    events = [(item.run, item.what.key) for item in news if isinstance(item.what, RunEvent)]
    assert len(events) == len(set(events))

    parts = [*client.runs.steps(run.id)]
    assert {part.step for part in parts} == {"numbers", "each", "inner", "last"}
    assert [part.parameters["number"] for part in parts if part.step == "each"] == [0, 1, 2]
    kinds = [event.kind for event in client.runs.events(run.id)]
    assert (kinds[0], kinds[-1]) == (EventKind.SUBMITTED, EventKind.SUCCEEDED)
    report = client.runs.statistics(pipeline="queue.graph")
    assert (report.total.counts, report.total.runs) == ({RunState.SUCCEEDED: 1}, 1)


def test_a_request_that_is_repeated_is_one_run(client: SpineClient) -> None:
    first = client.runs.submit("queue.say", {"text": "once"}, request_id="nightly")
    again = client.runs.submit("queue.say", {"text": "once"}, request_id="nightly")

    assert again.id == first.id
    with pytest.raises(SpineError, match="for something else"):
        client.runs.submit("queue.say", {"text": "twice"}, request_id="nightly")
    assert len([*client.runs.list(pipeline="queue.say", partition="once")]) == 1


def test_runs_are_found_by_all_that_is_known_of_them(client: SpineClient) -> None:
    before = datetime.now(UTC)
    good = ended(client, client.runs.submit("queue.say", {"text": 'a "b" \\ c'}).id)
    bad = ended(client, client.runs.submit("queue.flaky").id)

    assert bad.error is not None
    assert (bad.error.category, bad.attempt) == (Category.DEPENDENCY, 2)
    listed = client.runs.list
    assert [run.id for run in listed(partition='a "b" \\ c')] == [good.id]
    assert [run.id for run in listed(state=RunState.FAILED, since=before)] == [bad.id]
    assert [run.id for run in listed(category=Category.DEPENDENCY)] == [bad.id]
    assert [run.id for run in listed(oldest_first=True, since=before)] == [good.id, bad.id]
    assert [run.id for run in listed(since=before, trigger=Trigger.REQUEST)] == [bad.id, good.id]
    assert not {good.id, bad.id} & {run.id for run in listed(until=before)}

    again = client.runs.retry(bad.id)
    assert again.retry_of == bad.id
    assert [run.id for run in listed(retry_of=bad.id)] == [again.id]
    with pytest.raises(ValidationError, match="has succeeded"):
        client.runs.retry(good.id)


def test_a_backfill_is_planned_made_and_controlled(folder: Path) -> None:
    # Without a worker nothing of it is over before it is looked at.
    with serving(folder, env=ENV) as address, SpineClient(address) as client:
        control_a_backfill(client)


def control_a_backfill(client: SpineClient) -> None:
    survey = client.backfills.survey(
        "queue.day", date(2026, 1, 5), date(2026, 1, 6), parameters={"symbol": "A"}
    )
    assert [str(item.key) for item in survey.wanted] == ["2026-01-05/A", "2026-01-06/A"]

    made = client.backfills.create(
        "queue.day",
        date(2026, 1, 5),
        date(2026, 1, 6),
        parameters={"bad": "2026-01-06"},
        max_active=1,
    )
    [active] = client.runs.list(backfill=made.id)
    assert (active.partition, active.trigger) == ("2026-01-05/A", Trigger.BACKFILL)
    paused = client.backfills.pause(made.id)
    assert paused.state is BackfillState.PAUSED
    assert [item.id for item in client.backfills.list(state=BackfillState.PAUSED)] == [made.id]
    cancelled = client.backfills.cancel(made.id)
    standing = client.backfills.standing(made.id)

    assert cancelled.state is BackfillState.CANCELLED
    assert standing.counts == {PartState.CANCELLED: 4}
    assert [part.partition for part in client.backfills.partitions(made.id)] == [
        *("2026-01-05/A", "2026-01-05/B", "2026-01-06/A", "2026-01-06/B"),
    ]


def test_a_file_that_is_brought_becomes_data(client: SpineClient, tmp_path: Path) -> None:
    rows = [ROW.format(f"S{number:05}", number + 1) for number in range(20_000)]
    week = weekly_file(tmp_path, "finra_otc_weekly_otc_20251215.csv", *rows, ROW.format("", 1))

    run = ended(client, client.datasets.upload(week, f"{DOMAIN}.refresh_week").id)

    assert (run.state, run.metrics["rows_read"]) == (RunState.SUCCEEDED, 20_001)
    frame = client.query(f"{DOMAIN}.venue_volume", first_period=date(2025, 11, 10))
    assert frame.height == 20_000
    assert dict(frame.schema) == client.datasets.get(f"{DOMAIN}.venue_volume").schema
    few = client.query(
        f"{DOMAIN}.venue_volume", symbols=["S00007", "S00009"], columns=["symbol", "shares"]
    )
    assert few.columns == ["symbol", "shares"]
    assert sorted(few["symbol"]) == ["S00007", "S00009"]
    early = client.query(f"{DOMAIN}.venue_volume", as_of=datetime(2020, 1, 1, tzinfo=UTC))
    assert (early.height, early.schema) == (0, frame.schema)
    assert sum(batch.height for batch in client.query_batches(f"{DOMAIN}.venue_volume")) == 20_000

    [capture] = client.datasets.captures(stage=Stage.MEASURED, latest_only=True)
    assert (capture.run, capture.bytes) == (run.id, week.stat().st_size)
    assert {entry.stage for entry in client.datasets.manifest(capture=capture.id)} == set(Stage)
    [reject] = client.datasets.rejects(run=run.id)
    assert reject.reason == "BLANK_SYMBOL"
    assert [*client.datasets.quality(run=run.id, limit=1)]
    assert [(edge.role, edge.capture) for edge in client.runs.lineage(run.id)] == [
        ("OUTPUT", capture.id)
    ]
    called = {entry.method.rpartition("/")[2] for entry in client.system.audit(caller="local")}
    assert "UploadFile" in called
    assert "Query" not in called


def test_what_can_be_run_and_read_is_told(client: SpineClient) -> None:
    names = [item.name for item in client.pipelines.list()]
    assert names == sorted(names)
    assert client.pipelines.get("queue.day").partitions is not None
    assert [item.name for item in client.pipelines.list(pool="heavy")] == ["queue.heavy"]
    assert [item.name for item in client.workflows.list(origin="user")] == [
        *("queue.each", "queue.graph", "queue.inner"),
    ]
    assert len(client.workflows.get("queue.graph").steps) == 4
    assert {spec.domain for spec in client.datasets.list()} == {DOMAIN}
    version = client.system.version()
    assert (version.caller, version.role) == ("local", Role.ADMIN)
    assert "database" in {finding.name for finding in client.system.diagnose()}
    with pytest.raises(ValidationError, match=r"no pipeline.*queue\.dya"):
        client.pipelines.get("queue.dya")


def test_a_run_is_followed_over_a_restart_of_the_server(folder: Path) -> None:
    heard: list[RunNews] = []
    first = threading.Event()

    def follow(client: SpineClient, run_id: str) -> None:
        for news in client.runs.watch(run_id):
            heard.append(news)
            first.set()

    with ExitStack() as stack:
        with serving(folder, env=ENV) as address:
            client = stack.enter_context(SpineClient(address))
            run = client.runs.submit("queue.graph", {"count": 2, "bad": -1})
            following = threading.Thread(target=follow, args=(client, run.id), daemon=True)
            following.start()
            assert first.wait(WAIT)
        with serving(folder, "--listen", address, *WORKING, env=ENV):
            following.join(WAIT)

    assert not following.is_alive()
    last = heard[-1].what
    assert isinstance(last, Run)
    assert last.state is RunState.SUCCEEDED
    events = [(item.run, item.what.key) for item in heard if isinstance(item.what, RunEvent)]
    assert len(events) == len(set(events))
    mine = [item.what.kind for item in heard if isinstance(item.what, RunEvent) and not item.step]
    assert (mine[0], mine[-1]) == (EventKind.SUBMITTED, EventKind.SUCCEEDED)


def test_a_server_that_is_started_meanwhile_is_found(folder: Path) -> None:
    with serving(folder, env=ENV) as address, SpineClient(address) as client:
        run = client.runs.submit("queue.heavy").id

    found: list[object] = []
    with SpineClient(address) as client:
        with pytest.raises(SpineError, match="no server answers"):
            client.runs.get(run)
        asking = threading.Thread(
            target=lambda: found.append([*client.runs.watch(run)][-1]), daemon=True
        )
        asking.start()
        with serving(folder, "--listen", address, env=ENV):
            client.runs.cancel(run)
            asking.join(WAIT)
    assert len(found) == 1


PROGRAM = """
import sys
from market_spine.client import SpineClient
with SpineClient(sys.argv[1]) as client:
    run = client.runs.submit("queue.heavy").id
    news = client.runs.watch(run)
    next(news)
    print("ready", flush=True)
    for item in news:
        pass
"""


def test_ctrl_c_ends_a_call_that_waits(folder: Path) -> None:
    with serving(folder, env=ENV) as address:
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting:
            assert waiting.stdout is not None
            assert waiting.stdout.readline() == "ready\n"
            waiting.send_signal(signal.SIGINT)
            _, errors = waiting.communicate(timeout=WAIT)

        assert waiting.returncode == -signal.SIGINT
        assert errors.rstrip().endswith("KeyboardInterrupt")


def test_tls_and_a_token_let_the_right_one_in(folder: Path, tmp_path: Path) -> None:
    ours, key = self_signed(tmp_path / "ours", "localhost")
    others, _ = self_signed(tmp_path / "others", "localhost")
    made = process("auth", "token", "create", "--name", "reader", "--role", "viewer", folder=folder)
    token = made.out.strip()
    protected = ("--listen", "0.0.0.0:0", "--tls-cert", str(ours), "--tls-key", str(key))

    with serving(folder, *protected, env=ENV) as address:
        port = address.rpartition(":")[2]
        here = f"localhost:{port}"
        with SpineClient(here, ca=ours, token=token) as client:
            assert (client.system.version().caller, [*client.runs.list()]) == ("reader", [])
            with pytest.raises(SpineError) as refused:
                client.runs.submit("queue.heavy")
        assert refused.value.category is Category.PERMISSION

        for wrong in (None, "wrong"):
            with (
                SpineClient(here, ca=ours, token=wrong) as client,
                pytest.raises(SpineError) as unknown,
            ):
                client.runs.get("r1")
            assert unknown.value.category is Category.PERMISSION
            assert not unknown.value.retryable

        for made_wrong in (
            SpineClient(here, ca=others, token=token, timeout=10),
            SpineClient(here, insecure=True, timeout=10),
        ):
            with made_wrong as client, pytest.raises(SpineError) as away:
                client.runs.get("r1")
            assert away.value.category is Category.CONFIGURATION
