"""Files that are brought, and files that the server is asked to open."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_calls import Api
from api_claims import covers
from api_data import header, pieces, uploaded
from api_place import Home, Server
from api_runs import ended, state, submit, unique, wait_for
from api_values import plain, plains, values

from market_spine.application.submissions import Submission
from market_spine.v1.dataset_service_pb2 import UploadFileRequest

Needs = Callable[..., None]
UPLOAD = "DatasetService.UploadFile"
FILE = "contract.file"


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_300_000])
@covers(UPLOAD)
def test_a_file_is_taken_whole_and_captured(api: Api, needs: Needs, size: int) -> None:
    needs(FILE)
    content = os.urandom(size)

    messages = uploaded(content, "any name, Zoë.csv", FILE, parameters=values(label="x"))
    answer = api.send(UPLOAD, messages, role="operator")

    assert answer.size == size
    run = ended(api, answer.run.name)
    assert state(run) == "SUCCEEDED", run
    assert plain(run.output) == {"bytes": size}
    given = plains(run.parameters)
    assert given["label"] == "x"
    assert Path(given["file"]).name == "any name_ Zoë.csv"


def test_chunks_may_have_any_size(api: Api, needs: Needs) -> None:
    needs(FILE)
    content = os.urandom(300)
    largest = 2**20 - 64

    for size in (1, 7, 300):
        messages = [header(content, "a.csv", FILE), *pieces(content, size)]
        assert api.send(UPLOAD, messages).size == 300
    empty = UploadFileRequest(chunk=b"")
    messages = [header(content, "a.csv", FILE), empty, *pieces(content, 100), empty]
    assert api.send(UPLOAD, messages).size == 300
    large = os.urandom(largest)
    assert api.send(UPLOAD, uploaded(large, "a.csv", FILE)[:1] + list(pieces(large, largest))).size


def wrong(content: bytes) -> Iterator[tuple[str, list[UploadFileRequest], str, str | None]]:
    """What cannot be taken: why, the messages, the code and the field at fault."""
    good = header(content, "a.csv", FILE)
    chunks = list(pieces(content, 10))
    bad = "INVALID_ARGUMENT"
    yield "nothing", [], bad, None
    yield "an empty message", [UploadFileRequest()], bad, None
    yield "a chunk first", [*chunks, good], bad, "chunk"
    yield "two headers", [good, good, *chunks], bad, "header"
    yield "a header in between", [good, chunks[0], good, *chunks[1:]], bad, "header"
    yield "an empty message in between", [good, UploadFileRequest(), *chunks], bad, None
    yield "too few bytes", [good, *chunks[:-1]], bad, "header.size"
    yield "too many bytes", [good, *chunks, chunks[0]], bad, "header.size"
    yield "no bytes", [good], bad, "header.size"
    for digest in (hashlib.sha256(b"other").digest(), b"\0" * 32):
        other = header(content, "a.csv", FILE, sha256=digest)
        yield "another digest", [other, *chunks], bad, "header.sha256"
    for digest in (b"", b"\0" * 31, b"\0" * 33, hashlib.sha256(content).hexdigest().encode()):
        other = header(content, "a.csv", FILE, sha256=digest)
        yield "no digest", [other, *chunks], bad, "header.sha256"
    for size in (-1, -(2**63)):
        yield "no size", [header(content, "a.csv", FILE, size=size)], bad, "header.size"
    for name in NO_NAMES:
        yield f"the name {name!r}", [header(content, name, FILE), *chunks], bad, "header.file_name"
    for pipeline in ("", "pipelines/", "runs/x", "a b"):
        messages = [header(content, "a.csv", pipeline), *chunks]
        yield f"the pipeline {pipeline!r}", messages, bad, "header.pipeline"
    yield "an unknown pipeline", [header(content, "a.csv", "no.such"), *chunks], "NOT_FOUND", None
    for fields in ({"file_parameter": "label"}, {"file_parameter": "nothing"}):
        messages = [header(content, "a.csv", FILE, **fields), *chunks]
        yield "no parameter for files", messages, bad, "header.file_parameter"
    messages = [header(content, "a.csv", "contract.quick"), *chunks]
    yield "a pipeline that takes no file", messages, bad, "header.file_parameter"
    messages = [header(content, "a.csv", FILE, parameters=values(nothing=1)), *chunks]
    yield "an unknown parameter", messages, bad, None
    messages = [header(content, "a.csv", FILE, request_id="x" * 201), *chunks]
    yield "a request id too long", messages, bad, None
    messages = [header(content, "a.csv", FILE, parameters=values(file="/etc/hostname")), *chunks]
    yield "a path of the server", messages, "PERMISSION_DENIED", "header.parameters.file"
    for size in (2**62, 2**63 - 1):
        messages = [header(content, "a.csv", FILE, size=size), *chunks]
        yield "too large", messages, "RESOURCE_EXHAUSTED", None


NO_NAMES = [
    "",
    ".",
    "..",
    ".hidden",
    "a/b.csv",
    "/a.csv",
    "../a.csv",
    "a\\b.csv",
    "a.csv\n",
    "a\x00.csv",
    "C:a.csv",
    "x" * 201,
    "ä" * 101,
    "a\u202e.csv",
]


@covers(UPLOAD, "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED")
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(api: Api, needs: Needs) -> None:
    needs(FILE)
    runs = f"pipeline = {FILE}"
    [before] = api.call("RunService.ListRuns", filter=runs, page_size=1).runs or [None]

    for what, messages, code, field in wrong(os.urandom(95)):
        refused = api.refusal(UPLOAD, messages, role="operator")
        assert refused.code == code, (what, refused)
        assert field is None or refused.field == field, (what, refused)

    [after] = api.call("RunService.ListRuns", filter=runs, page_size=1).runs or [None]
    assert (after and after.name) == (before and before.name)


def test_a_message_over_a_mebibyte_is_refused(api: Api, needs: Needs) -> None:
    needs(FILE)
    content = os.urandom(2**20 + 100)

    refused = api.refusal(
        UPLOAD, [header(content, "a.csv", FILE), UploadFileRequest(chunk=content)]
    )

    assert refused.code == "RESOURCE_EXHAUSTED"


@covers(UPLOAD, "OK", "ALREADY_EXISTS")
def test_a_repeated_request_is_the_same_run(api: Api, needs: Needs) -> None:
    needs(FILE)
    content, other = os.urandom(50), os.urandom(50)
    given = {"request_id": unique("upload")}
    first = api.send(UPLOAD, uploaded(content, "a.csv", FILE, **given)).run

    again = api.send(UPLOAD, uploaded(content, "a.csv", FILE, **given)).run
    ended(api, first.name)
    later = api.send(UPLOAD, uploaded(content, "a.csv", FILE, **given)).run

    assert first.name == again.name == later.name
    assert state(later) == "SUCCEEDED"
    for messages in (
        uploaded(other, "a.csv", FILE, **given),
        uploaded(content, "a.csv", FILE, parameters=values(label="x"), **given),
        uploaded(content, "a.csv", FILE, force=True, **given),
    ):
        refused = api.refusal(UPLOAD, messages)
        assert (refused.code, refused.resource) == ("ALREADY_EXISTS", first.name)


@covers("RunService.SubmitRun", "PERMISSION_DENIED")
@covers("BackfillService.CreateBackfill", "PERMISSION_DENIED")
@covers("BackfillService.SurveyBackfill", "PERMISSION_DENIED")
def test_a_path_outside_of_the_roots_is_refused(api: Api, needs: Needs) -> None:
    needs(FILE)
    for path in ["/etc/hostname", "/etc", "../../etc/hostname", "", "\x00", "/"]:
        refused = api.refusal(
            "RunService.SubmitRun", pipeline=FILE, parameters=values(file=path), role="operator"
        )
        assert refused.code == "PERMISSION_DENIED", (path, refused)
        assert refused.field == "parameters.file"
    plan = {
        "pipeline": "finra.otc_transparency.refresh_week",
        "first_period": {"year": 2025, "month": 11, "day": 10},
        "last_period": {"year": 2025, "month": 11, "day": 10},
        "parameters": values(files="/etc/*"),
    }
    for method in ("BackfillService.CreateBackfill", "BackfillService.SurveyBackfill"):
        refused = api.refusal(method, plan=plan)
        assert (refused.code, refused.field) == ("PERMISSION_DENIED", "plan.parameters.files")


@pytest.fixture(scope="module")
def rooted(own_servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server whose operator has opened a folder; the folder, and what is beside it."""
    place = tmp_path_factory.mktemp("rooted")
    root, beside = place / "root", place / "root-of-others"
    for folder in (root / "deep", beside):
        folder.mkdir(parents=True)
    for file in (root / "good.csv", root / "deep" / "good.csv", beside / "secret.csv"):
        file.write_text("1,2\n")
    (root / "out.csv").symlink_to(beside / "secret.csv")
    (root / "out").symlink_to(beside)
    (root / "in.csv").symlink_to(root / "deep" / "good.csv")
    (root / "dangling.csv").symlink_to(place / "nothing")
    home = Home(place / "home")
    with Server(home, SPINE_FILE_ROOTS=f"{root}, {place / 'missing'}") as server:
        with server.api() as client:
            yield client, root, beside
        assert not server.defects


def code(client: Api, path: str | Path) -> str:
    parameters = values(file=str(path))
    return client.code("RunService.SubmitRun", pipeline=FILE, parameters=parameters)


def test_a_path_below_a_root_is_opened(rooted: Any) -> None:
    client, root, _ = rooted
    for path in [root / "good.csv", root / "deep/good.csv", "good.csv", "deep/good.csv"]:
        run = submit(client, FILE, file=str(path))
        resolved = Path(plains(run.parameters)["file"])
        assert resolved.is_absolute()
        assert resolved.read_text() == "1,2\n"
    run = submit(client, FILE, file=str(root / "in.csv"))
    assert plains(run.parameters)["file"] == str((root / "deep" / "good.csv").resolve())


def test_a_link_that_leads_out_of_a_root_is_refused(rooted: Any) -> None:
    client, root, beside = rooted
    for path in [
        root / "out.csv",
        root / "out" / "secret.csv",
        root / "dangling.csv",
        root / "deep/../../root-of-others/secret.csv",
        root / "deep/../good.csv",
        beside / "secret.csv",
        root.parent,
        f"{root}-of-others/secret.csv",
        f"{root}-of-others/nothing.csv",
    ]:
        assert code(client, path) == "PERMISSION_DENIED", path


def test_what_is_not_there_is_told_below_the_roots_alone(rooted: Any) -> None:
    client, root, beside = rooted
    for path in ["nothing.csv", root / "nothing.csv", root / "deep" / "nothing.csv", "~"]:
        assert code(client, path) == "INVALID_ARGUMENT", path
    for path in [beside / "nothing.csv", "/nothing.csv", root / "out" / "nothing.csv"]:
        assert code(client, path) == "PERMISSION_DENIED", path


def test_a_run_of_somebody_who_may_name_more_is_not_done_again(
    own_servers: None, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "closed.csv").write_text("1,2\n")
    with Server(home, workers=1) as server, server.api() as client:
        container = home.container()
        submission = Submission(FILE, {"file": str(tmp_path / "closed.csv")})
        name = f"runs/{container.submit_run()(submission).id}"
        container.store().close()
        assert state(ended(client, name)) == "SUCCEEDED"

        refused = client.refusal("RunService.RetryRun", name=name, all=True)
        assert (refused.code, refused.field) == ("PERMISSION_DENIED", "name")
        assert len(client.call("RunService.ListRuns").runs) == 1
        assert not server.defects


def test_what_comes_half_is_not_kept(own_servers: None, home: Home) -> None:
    content = os.urandom(200_000)

    def half() -> Iterator[UploadFileRequest]:
        yield header(content, "a.csv", FILE)
        yield from list(pieces(content, 1000))[:100]
        wait_for("file on its way", lambda: list(uploads.glob("coming-*")))
        call.cancel()

    uploads = home.folder / "uploads"
    with Server(home) as server, server.api() as client:
        call = client.raw(UPLOAD).future(half(), timeout=60)
        wait_for("end of the call", call.done)
        wait_for("empty folder", lambda: not list(uploads.glob("coming-*")))
        assert client.call("RunService.ListRuns").runs == []
        [entry] = client.call("SystemService.ListAuditEntries").entries
        wait_for(
            "outcome of the call",
            lambda: client.call("SystemService.ListAuditEntries").entries[0].outcome,
        )
        assert entry.method == "market_spine.v1.DatasetService/UploadFile"
        assert not server.defects
