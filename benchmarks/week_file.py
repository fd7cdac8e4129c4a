"""Write a synthetic full-market week as FINRA publishes it, of any number of rows.

    python benchmarks/week_file.py finra_otc_weekly_t1_20251201.csv --rows 1000000

Rows are unique by (symbol, MPID), about 16 venues to a symbol out of 32, sorted by symbol as
FINRA's are unless shuffled, and about 97 bytes long. The same arguments give the same file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

WEEK = date(2025, 11, 10)
TIERS = {"T1": ("NMS Tier 1", 21), "T2": ("NMS Tier 2", 35), "OTC": ("OTC", 35)}
VENUES = 32
MEAN_VENUES = 16
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WORDS = [
    *("Alder", "Birch", "Cobalt", "Dunmore", "Ember", "Falcon", "Granite", "Hollow"),
    *("Indigo", "Juniper", "Kestrel", "Lantern", "Meridian", "Northgate", "Opal", "Pinnacle"),
]
FORMS = [
    *("Inc. Common Stock", "Corp. Class A Common Stock", "Ltd. Ordinary Shares", "Trust"),
    *("Bancorp & Co. (The)", "Fund 7.25% $25 Par", "Holdings plc ADS", "Group 1/40th Pfd"),
]
MPIDS = [word[:3].upper() + kind for kind in "XP" for word in WORDS]
VENUE_NAMES = [
    f"{word[:3].upper()}{kind[0]} {word.upper()} {kind}"
    for kind in ("XING ATS", "POOL ATS")
    for word in WORDS
]


def mixed(number: pl.Expr, seed: int) -> pl.Expr:
    """A well-mixed 64-bit number for each number: splitmix64, the same for ever."""
    z = number.cast(pl.UInt64) + pl.lit(seed * 0x9E3779B97F4A7C15 % 2**64, pl.UInt64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z // 2**shift)) * pl.lit(factor, pl.UInt64)
    return z ^ (z // 2**31)


def fraction(number: pl.Expr, seed: int) -> pl.Expr:
    """A number in [0, 1) for each number, evenly spread."""
    return (mixed(number, seed) // 2**11).cast(pl.Float64) / 2.0**53


def one_of(choices: Sequence[str], number: pl.Expr) -> pl.Expr:
    """The choice at each number, counted round and round."""
    places = pl.Series(range(len(choices)), dtype=pl.UInt64)
    return (number.cast(pl.UInt64) % len(choices)).replace_strict(
        places, pl.Series(list(choices)), return_dtype=pl.String
    )


def symbols(rows: int, tier: int, seed: int) -> pl.DataFrame:
    """The symbols of a tier and how many venues trade each, adding up to exactly ``rows``."""
    enough = rows * 11 // (10 * MEAN_VENUES) + 100
    # Tiers take turns in the alphabet, so that no symbol stands in two of them.
    stride = 26**5 // enough
    if stride < len(TIERS):
        raise SystemExit(f"{rows} rows need more symbols than five letters can spell")
    number = pl.col("number")
    return (
        pl.select(number=pl.int_range(0, enough, dtype=pl.UInt64))
        .with_columns(
            venues=(1 + fraction(number, seed) * (2 * MEAN_VENUES - 1)).cast(pl.Int64),
            letters=number * stride + tier,
            level=2_000.0 / (1.0 - fraction(number, seed + 1)) ** 1.4,
            first=mixed(number, seed + 2) % VENUES,
            # An odd step through a power of two meets every venue once before any twice.
            step=mixed(number, seed + 3) % (VENUES // 2) * 2 + 1,
            name=pl.concat_str(
                one_of(WORDS, mixed(number, seed + 4)),
                one_of([word.lower() for word in WORDS], mixed(number, seed + 5)),
                pl.lit(" "),
                one_of(FORMS, mixed(number, seed + 6)),
            ),
        )
        .with_columns(before=number_before())
        .filter(pl.col("before") < rows)
        .with_columns(venues=pl.min_horizontal("venues", rows - pl.col("before")))
        .with_columns(symbol=pl.concat_str(*(letter(place) for place in (4, 3, 2, 1, 0))))
    )


def number_before() -> pl.Expr:
    """How many rows the symbols before this one have."""
    return pl.col("venues").cum_sum() - pl.col("venues")


def letter(place: int) -> pl.Expr:
    return one_of(LETTERS, pl.col("letters") // 26**place)


def week_of_tier(tier: str, rows: int, seed: int) -> pl.DataFrame:
    """The rows of one tier in the columns and the order of FINRA's file, all as text."""
    description, days = TIERS[tier]
    published = (WEEK + timedelta(days=days)).isoformat()
    row = pl.col("row")
    venue = (pl.col("first") + pl.col("turn") * pl.col("step")) % VENUES
    shares = (pl.col("level") * (0.2 + 6.0 * fraction(row, seed + 7) ** 3)).clip(1, 4e8)
    part = (
        (mixed(row, seed + 8) % 999_999 + 1).cast(pl.String).str.zfill(6).str.strip_chars_end("0")
    )
    is_fractional = (tier != "OTC") & (fraction(row, seed + 9) < 0.13)
    trades = (shares / (40.0 + 200.0 * fraction(row, seed + 10))).cast(pl.Int64).clip(1)
    return (
        symbols(rows, list(TIERS).index(tier), seed)
        .with_columns(turn=pl.int_ranges(0, pl.col("venues"), dtype=pl.UInt64))
        .explode("turn")
        .with_columns(row=pl.int_range(0, pl.len(), dtype=pl.UInt64), venue=venue)
        .select(
            tierDescription=pl.lit(description),
            issueSymbolIdentifier="symbol",
            issueName="name",
            marketParticipantName=one_of(VENUE_NAMES, pl.col("venue")),
            MPID=one_of(MPIDS, pl.col("venue")),
            totalWeeklyShareQuantity=pl.when(is_fractional)
            .then(pl.concat_str(shares.cast(pl.Int64), pl.lit("."), part))
            .otherwise(shares.cast(pl.Int64).cast(pl.String)),
            totalWeeklyTradeCount=pl.min_horizontal(trades, shares.cast(pl.Int64)),
            lastUpdateDate=pl.lit(published),
        )
    )


def write_week(
    path: Path, rows: int, *, tiers: Sequence[str] = ("T1",), seed: int = 1, shuffle: bool = False
) -> None:
    """Write ``rows`` rows to ``path``, spread over the tiers as evenly as it goes."""
    shares = [rows // len(tiers) + (place < rows % len(tiers)) for place in range(len(tiers))]
    week = pl.concat(
        [week_of_tier(tier, count, seed) for tier, count in zip(tiers, shares, strict=True)]
    )
    if shuffle:
        week = week.sort(mixed(pl.int_range(0, pl.len(), dtype=pl.UInt64), seed + 11))
    week.write_csv(path, separator="|", quote_style="never")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path, help="the file to write")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many (default 1000000)")
    parser.add_argument("--tiers", choices=[*TIERS, "all"], default="T1", help="default T1")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another file")
    parser.add_argument("--shuffle", action="store_true", help="in no order at all")
    given = parser.parse_args()
    if given.rows < 1:
        parser.error("--rows: give a number from 1")
    tiers = list(TIERS) if given.tiers == "all" else [given.tiers]
    write_week(given.path, given.rows, tiers=tiers, seed=given.seed, shuffle=given.shuffle)
    print(f"{given.path}: {given.rows} rows, {given.path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
