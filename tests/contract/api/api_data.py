"""Weekly files, brought as any client brings them, and rows as Arrow."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from api_calls import Api
from api_runs import ended, state
from api_values import day

from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.finra_sample import write_sample
from market_spine.v1.dataset_service_pb2 import FileHeader, UploadFileRequest
from market_spine.v1.run_pb2 import Run

DOMAIN = "finra.otc_transparency"
REFRESH = f"{DOMAIN}.refresh_week"
CHUNK = 64 * 1024
_WEEKS = itertools.count()


def new_week() -> date:
    """A Monday of which no other test has captured anything."""
    return date(2019, 1, 7) + timedelta(weeks=next(_WEEKS))


def weekly_file(folder: Path, week: date, *, rows: int = 40, tier: Tier = Tier.OTC) -> Path:
    """A file of about so many rows, one of them to be rejected."""
    [path] = write_sample(folder, weeks=[week], tiers=[tier], rows={tier: rows})
    return path


def header(content: bytes, name: str, pipeline: str, **fields: Any) -> UploadFileRequest:
    """The first message for a file; fields replace what follows from it."""
    told = {
        "file_name": name,
        "size": len(content),
        "sha256": hashlib.sha256(content).digest(),
        "pipeline": pipeline,
        **fields,
    }
    return UploadFileRequest(header=FileHeader(**told))


def pieces(content: bytes, size: int = CHUNK) -> Iterator[UploadFileRequest]:
    for place in range(0, len(content), size):
        yield UploadFileRequest(chunk=content[place : place + size])


def uploaded(content: bytes, name: str, pipeline: str, **fields: Any) -> list[UploadFileRequest]:
    """All messages for a file."""
    return [header(content, name, pipeline, **fields), *pieces(content)]


def bring(api: Api, path: Path, **fields: Any) -> Run:
    """The run that captured a weekly file, which has succeeded."""
    messages = uploaded(path.read_bytes(), path.name, REFRESH, force=True, **fields)
    run = api.send("DatasetService.UploadFile", messages, role="operator").run
    run = ended(api, run.name)
    assert state(run) == "SUCCEEDED", run
    return run


def of_week(week: date, **fields: Any) -> dict[str, Any]:
    """The fields that choose one week, of requests for captures and rows."""
    return {"first_period": day(week), "last_period": day(week), **fields}


def frame(answers: list[Any]) -> pl.DataFrame:
    """The rows of a query; each message is a complete Arrow stream with the number it tells."""
    assert answers, "the first message is always sent"
    frames = []
    for answer in answers:
        read = pl.read_ipc_stream(io.BytesIO(answer.arrow))
        assert read.height == answer.rows
        frames.append(read)
    assert all(item.schema == frames[0].schema for item in frames)
    return pl.concat(frames)


def query(api: Api, dataset: str, **fields: Any) -> pl.DataFrame:
    return frame(
        api.call(
            "DatasetService.Query", dataset=f"datasets/{DOMAIN}.{dataset}", role="viewer", **fields
        )
    )
