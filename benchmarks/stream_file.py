"""How fast a FINRA-like file streams through FileSource, and how much memory that takes.

    python benchmarks/stream_file.py --gb 2 --folder /tmp [--format psv|quoted|jsonl|parquet]

Prints MB/s, the ratio to a bare read of the same bytes and to polars reading the whole file, and
the peak memory of the streaming process alone (it runs in a process of its own).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

HEADER = (
    "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID"
    "|totalWeeklyShareQuantity|totalWeeklyTradeCount|lastUpdateDate"
)
ROWS = 250_000
READ = 8 << 20


def main() -> None:
    arguments = parse_arguments()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.way)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = write_file(Path(folder), arguments.gb, arguments.format)
        megabytes = path.stat().st_size / 1e6
        print(f"{arguments.format}, {megabytes:,.0f} MB")
        seconds = {}
        for way in ("read", "stream", "stream+sha256", "stream+archive", "polars"):
            if way == "polars" and (arguments.format == "jsonl" or arguments.gb > 1):
                continue  # the whole of it would not fit beside everything else
            result = run_apart(path, way)
            seconds[way] = result["seconds"]
            print(
                f"{way:15} {result['seconds']:7.2f} s {megabytes / result['seconds']:8,.0f} MB/s"
                f" {result['seconds'] / seconds['read']:6.1f} x read"
                f" {result['rows']:>12,} rows  peak {result['peak_mb']:7,.0f} MB"
            )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=0.1, help="size of the generated file")
    parser.add_argument("--folder", default=None, help="where to write it; it is deleted again")
    parser.add_argument("--format", default="psv", choices=["psv", "quoted", "jsonl", "parquet"])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", default="stream", help=argparse.SUPPRESS)
    return parser.parse_args()


def write_file(folder: Path, gigabytes: float, format: str) -> Path:
    """The same 250,000 rows again and again: only their number matters here."""
    path = folder / f"week.{'csv' if format == 'quoted' else format}"
    frame = rows()
    if format == "parquet":
        frame = pl.concat([frame] * max(1, round(gigabytes * 1e9 / 27e6)))
        frame.write_parquet(path, row_group_size=ROWS)
        return path
    if format == "jsonl":
        block = frame.write_ndjson().encode()
    elif format == "quoted":
        block = frame.write_csv(quote_style="always", include_header=False).encode()
    else:
        block = frame.write_csv(separator="|", include_header=False).encode()
    with path.open("wb") as file:
        if format != "jsonl":
            file.write(HEADER.replace("|", "," if format == "quoted" else "|").encode() + b"\n")
        for _ in range(max(1, round(gigabytes * 1e9 / len(block)))):
            file.write(block)
    return path


def rows() -> pl.DataFrame:
    number = pl.int_range(ROWS, dtype=pl.Int64)
    symbol = pl.format("S{}", number // 16)
    venue = pl.format("V{}", (number % 16).cast(pl.String).str.zfill(3))
    frame = pl.select(
        pl.lit("NMS Tier 1").alias("tierDescription"),
        symbol.alias("issueSymbolIdentifier"),
        pl.format("{} Holdings International Inc Common Stock", symbol).alias("issueName"),
        pl.format("{} ALTERNATIVE TRADING", venue).alias("marketParticipantName"),
        venue.alias("MPID"),
        (number * 7919 % 1_000_000).alias("totalWeeklyShareQuantity"),
        (number * 31 % 5_000).alias("totalWeeklyTradeCount"),
        pl.lit("2025-12-01").alias("lastUpdateDate"),
    )
    assert frame.height == ROWS
    return frame


def run_apart(path: Path, way: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(path), "--way", way]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(found.stdout))


def measure(path: Path, way: str) -> dict[str, float]:
    ways: dict[str, Callable[[Path], int]] = {
        "read": bare_read,
        "stream": lambda path: stream(path, None),
        "stream+sha256": lambda path: stream(path, hashlib.sha256().update),
        "stream+archive": stream_into_archive,
        "polars": whole,
    }
    ways["read"](path)
    started = time.perf_counter()
    count = ways[way](path)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "rows": count, "peak_mb": peak}


def bare_read(path: Path) -> int:
    with path.open("rb", buffering=0) as file:
        return sum(block.count(b"\n") for block in blocks(file.read))


def blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    return iter(lambda: read(READ), b"")


def stream(path: Path, tap: Callable[[bytes], None] | None) -> int:
    from market_spine.adapters.outbound.files import FileSource

    return sum(batch.rows for batch in FileSource(path).stream(tap=tap))


def stream_into_archive(path: Path) -> int:
    from market_spine.adapters.outbound.archive import FolderArchive

    with FolderArchive(path.parent / "archive").writer() as writer:
        count = stream(path, writer.write)
        writer.commit()
    return count


def whole(path: Path) -> int:
    if path.suffix == ".parquet":
        return pl.read_parquet(path).height
    separator = "|" if path.suffix == ".psv" else ","
    return pl.read_csv(path, separator=separator, infer_schema=False).height


if __name__ == "__main__":
    main()
