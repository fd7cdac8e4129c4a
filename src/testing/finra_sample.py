"""A realistic sample of FINRA's weekly OTC transparency files, invented from a fixed seed.

The files have the format, the shapes and the quirks of the real ones; symbols, issue names and
figures are invented. A week of a tier is the same whichever other weeks and tiers are asked for,
and issues live on from week to week, so that trends, changes and rolling measures make sense.

    python -m market_spine.testing.finra_sample FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from ..adapters.outbound.calendars.exchange import ExchangeCalendar
from ..domain.errors import ValidationError
from ..domain.finra_otc.weeks import NextSession, Tier, check_week, first_publication
from .finra_sample_draws import Draws
from .finra_sample_issues import issues_of
from .finra_sample_volumes import OTC_VENUES, Listing, listing_of, volumes_of

HEADER = (
    "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID|"
    "totalWeeklyShareQuantity|totalWeeklyTradeCount|lastUpdateDate"
)
SEED = 20251110
ORIGIN = date(2025, 11, 10)
WEEKS = (ORIGIN, date(2025, 11, 17), date(2025, 11, 24))
ROWS: Mapping[Tier, int] = {Tier.T1: 1500, Tier.T2: 3000, Tier.OTC: 1200}
TIERS = tuple(ROWS)

_LONGEST_LAG = timedelta(days=35)
_LONGEST_CLOSURE = timedelta(days=10)
_SYMBOL, _SHARES, _TRADES, _UPDATED = 1, 5, 6, 7


def write_sample(
    folder: Path,
    *,
    weeks: Sequence[date] = WEEKS,
    tiers: Sequence[Tier] = TIERS,
    rows: Mapping[Tier, int] | None = None,
    seed: int = SEED,
    next_session: NextSession | None = None,
) -> list[Path]:
    """Write one file for each week and tier, and return their paths in that order.

    ``rows`` says about how many rows a file of a tier has (default 1500, 3000 and 1200). Without
    ``next_session`` the NYSE calendar tells on which day a file was published. Raises a
    ValidationError for a week that is not a Monday.
    """
    for week in weeks:
        check_week(week)
    folder.mkdir(parents=True, exist_ok=True)
    session = next_session or _nyse_sessions(weeks)
    listings = {tier: _listings(tier, {**ROWS, **(rows or {})}[tier], seed) for tier in tiers}
    return [
        _write_week(
            folder,
            week,
            tier,
            listings=listings[tier],
            seed=seed,
            published=first_publication(week, tier, session),
        )
        for week in weeks
        for tier in tiers
    ]


def restate(
    path: Path, folder: Path, *, updated: date | None = None, changed: int = 3, seed: int = SEED
) -> Path:
    """Write a restated version of a sample file into ``folder``, under the same name.

    ``changed`` rows have other figures and one row appears, all dated ``updated`` (default 51
    days after the file's own date, which is no publication date); one row vanishes. Raises a
    ValidationError for a file with too few rows.
    """
    text = path.read_text(encoding="ascii")
    header, *lines = text.removesuffix("\n").split("\n")
    records = [line.split("|") for line in lines]
    published = date.fromisoformat(records[-1][_UPDATED])
    later = (updated or published + timedelta(days=51)).isoformat()
    draws = Draws(seed, path.name, "restated")
    named = [place for place, record in enumerate(records) if record[_SYMBOL]]
    if len(named) <= changed:
        raise ValidationError(
            f"{path.name} has {len(named)} named rows, too few to change {changed}",
            hint="restate a larger file or fewer rows",
        )
    picked = [named.pop(draws.whole(0, len(named) - 1)) for _ in range(changed + 1)]
    for place in picked[:changed]:
        _revise(records[place], draws, later)
    appeared = _late_report(records, later)
    del records[picked[changed]]
    records.append(appeared)
    records.sort(key=lambda record: record[_SYMBOL])
    body = "\n".join([header, *("|".join(record) for record in records)])
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    target.write_bytes((body + "\n" * text.endswith("\n")).encode("ascii"))
    return target


def _revise(record: list[str], draws: Draws, later: str) -> None:
    whole, point, fraction = record[_SHARES].partition(".")
    shares, trades = int(whole), int(record[_TRADES])
    if shares > 1 and draws.chance(0.5):
        shares, trades = shares // 2, (trades + 1) // 2
    else:
        shares, trades = shares * 2, trades + 1
    record[_SHARES] = f"{shares}{point}{fraction}"
    record[_TRADES] = str(trades)
    record[_UPDATED] = later


def _late_report(records: Sequence[Sequence[str]], later: str) -> list[str]:
    """A row of an issue that no row of the file knows."""
    like = records[-1]
    return [
        like[0],
        "LATEQ",
        "Latecombe Reporting Corp. Common Stock",
        *like[3:5],
        "250",
        "2",
        later,
    ]


def _listings(tier: Tier, rows: int, seed: int) -> list[Listing]:
    listings = []
    expected = 0.0
    for issue in issues_of(tier, seed):
        listing = listing_of(issue, tier, seed)
        listings.append(listing)
        expected += listing.expected_rows
        if expected >= rows:
            break
    return sorted(listings, key=lambda listing: listing.issue.symbol)


def _write_week(
    folder: Path,
    week: date,
    tier: Tier,
    *,
    listings: Iterable[Listing],
    seed: int,
    published: date,
) -> Path:
    number = (week - ORIGIN).days // 7
    end = f"|{published.isoformat()}"
    start = tier.description
    lines = [HEADER]
    for listing in listings:
        issue = listing.issue
        for volume in volumes_of(listing, number, seed):
            venue = volume.venue
            lines.append(
                f"{start}|{issue.symbol}|{issue.name}|{venue.name}|{venue.mpid}"
                f"|{volume.shares}|{volume.trades}{end}"
            )
    if tier is Tier.OTC:
        # The row without symbol and name that FINRA's own files have: readers must reject it.
        lines.insert(1, f"{start}|||{OTC_VENUES[0].name}|{OTC_VENUES[0].mpid}|1|1{end}")
    path = folder / f"finra_otc_weekly_{tier.lower()}_{published:%Y%m%d}.csv"
    final = "" if tier is Tier.T2 and number % 3 == 1 else "\n"
    path.write_bytes(("\n".join(lines) + final).encode("ascii"))
    return path


def _nyse_sessions(weeks: Sequence[date]) -> NextSession:
    """The sessions of the NYSE in all years in which these weeks are published."""
    last = max(weeks, default=ORIGIN) + _LONGEST_LAG
    first_year = min(weeks, default=ORIGIN).year
    calendar = ExchangeCalendar("XNYS", today=lambda: last, first_year=first_year)
    return lambda day: calendar.sessions(day, day + _LONGEST_CLOSURE)[0]


def _count_argument(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"give a whole number from 1, not {text!r}")
    return int(text)


def _rows_argument(text: str) -> dict[Tier, int]:
    name, equals, count = text.rpartition("=")
    try:
        tiers = (Tier.parse(name),) if equals else TIERS
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{error.message}: {error.hint}") from None
    return dict.fromkeys(tiers, _count_argument(count))


def _week_argument(text: str) -> date:
    try:
        return check_week(date.fromisoformat(text))
    except ValidationError as error:
        raise argparse.ArgumentTypeError(error.message) from None
    except ValueError:
        raise argparse.ArgumentTypeError(f"give a Monday as YYYY-MM-DD, not {text!r}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m market_spine.testing.finra_sample",
        description="Write a realistic, invented sample of FINRA's weekly OTC transparency files.",
        epilog="The same options always give the same files, byte for byte.",
    )
    parser.add_argument("folder", type=Path, help="where to write the files; made if missing")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed, other files")
    parser.add_argument(
        "--weeks", type=_count_argument, default=len(WEEKS), help="how many in a row (default 3)"
    )
    parser.add_argument(
        "--first", type=_week_argument, default=ORIGIN, help="first Monday (default 2025-11-10)"
    )
    parser.add_argument(
        "--rows",
        type=_rows_argument,
        action="append",
        default=[],
        metavar="[TIER=]N",
        help="about how many rows a file has; repeat it for several tiers "
        "(default T1=1500 T2=3000 OTC=1200)",
    )
    parser.add_argument(
        "--restate",
        action="store_true",
        help="also write a restated version of the last file into FOLDER/restated",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sample that the arguments ask for and print the paths, one a line."""
    given = _parser().parse_args(arguments)
    rows = {tier: count for entry in given.rows for tier, count in entry.items()}
    weeks = [given.first + timedelta(weeks=number) for number in range(given.weeks)]
    paths = write_sample(given.folder, weeks=weeks, rows=rows, seed=given.seed)
    if given.restate and paths:
        paths.append(restate(paths[-1], given.folder / "restated", seed=given.seed))
    for path in paths:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
