"""Checks on a capture's rows and on its measures. An ERROR blocks what builds on them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import polars as pl

from ..captures import Restatement
from ..quality import CheckResult, CheckStatus, Severity
from .history import WINDOW_WEEKS, venue_share_change

ROWS_ACCEPTED = "ROWS_ACCEPTED"
ROWS_BALANCE = "ROWS_BALANCE"
COMPLETE_FILE = "COMPLETE_FILE"
REJECT_RATE = "REJECT_RATE"
ROWS_VANISHED = "ROWS_VANISHED"
ZERO_VOLUME_ROWS = "ZERO_VOLUME_ROWS"
SOURCE_DATES = "SOURCE_DATES"
SHARES_SUM = "SHARES_SUM"
FEWER_VENUES = "FEWER_VENUES"
VOLUME_CHANGE = "VOLUME_CHANGE"
VENUE_SHARE_MOVE = "VENUE_SHARE_MOVE"
INSUFFICIENT_HISTORY = "INSUFFICIENT_HISTORY"

NORMALIZE_CHECKS = frozenset(
    {
        ROWS_ACCEPTED,
        ROWS_BALANCE,
        COMPLETE_FILE,
        REJECT_RATE,
        ROWS_VANISHED,
        ZERO_VOLUME_ROWS,
        SOURCE_DATES,
    }
)
"""The checks of :func:`normalize_checks`; all others are those of :func:`measure_checks`."""

REJECT_RATE_LIMIT = 0.01
REJECT_RATE_GATE = 0.10
REJECT_RATE_GATE_ROWS = 1_000
VANISHED_RATE_LIMIT = 0.01
SUM_TOLERANCE = 1e-9
VOLUME_CHANGE_PERCENT = 50
SHARE_MOVE_POINTS = 10
_SHARE_MOVE = SHARE_MOVE_POINTS / 100 + 1e-9  # a move of just ten points may come out a bit above
_SHOWN = 10


def normalize_checks(
    *,
    rows_read: int,
    accepted: pl.DataFrame,
    rows_rejected: int,
    first_published: date,
    superseded_source_date: date | None = None,
    cut_off_line: int | None = None,
    restatement: Restatement | None = None,
) -> list[CheckResult]:
    """All checks on the rows of one capture.

    ``accepted`` are its accepted rows; ``first_published`` is when FINRA first published the
    week; ``superseded_source_date`` is the newest source date of the capture that this one
    supersedes, if any, and ``restatement`` how its accepted rows differ from that one's.
    ``cut_off_line`` is the line of the record in whose middle the file ends, if it does.
    """
    return [
        rows_accepted(accepted.height),
        rows_balance(rows_read, accepted.height, rows_rejected),
        complete_file(cut_off_line),
        reject_rate(rows_read, rows_rejected),
        rows_vanished(accepted.height, restatement),
        zero_volume_rows(accepted),
        source_dates(accepted, first_published, superseded_source_date),
    ]


def measure_checks(
    *,
    venues: pl.DataFrame,
    previous_venues: pl.DataFrame | None,
    missing_weeks: Sequence[date],
) -> list[CheckResult]:
    """All checks on the measures of one capture.

    ``venues`` is what measures.venue_share gave for it, ``previous_venues`` the same for the week
    before, None where that is not known. ``missing_weeks`` are the Mondays that the six weeks
    ending here lack.
    """
    return [
        shares_sum(venues),
        fewer_venues(venues, previous_venues),
        volume_change(venues, previous_venues),
        venue_share_move(venues, previous_venues),
        insufficient_history(missing_weeks),
    ]


def rows_accepted(accepted: int) -> CheckResult:
    """ERROR where not a single row was accepted."""
    return _outcome(
        ROWS_ACCEPTED,
        Severity.ERROR,
        failed=accepted == 0,
        message="no row was accepted" if accepted == 0 else f"{accepted:,} rows were accepted",
        observed=f"{accepted} rows",
        expected="at least 1 row",
    )


def rows_balance(read: int, accepted: int, rejected: int) -> CheckResult:
    """ERROR where the rows read are not the rows accepted and the rows rejected."""
    failed = read != accepted + rejected
    return _outcome(
        ROWS_BALANCE,
        Severity.ERROR,
        failed=failed,
        message=f"{abs(read - accepted - rejected):,} rows are unaccounted for"
        if failed
        else "every row read was accepted or rejected",
        observed=f"{read} read, {accepted} accepted, {rejected} rejected",
        expected="read = accepted + rejected",
    )


def complete_file(cut_off_line: int | None) -> CheckResult:
    """ERROR where the file ends in the middle of a record: rows after it may be missing."""
    return _outcome(
        COMPLETE_FILE,
        Severity.ERROR,
        failed=cut_off_line is not None,
        message="the file does not end in the middle of a record"
        if cut_off_line is None
        else f"the file ends in the middle of a record (line {cut_off_line}): fetch it again",
        observed="complete" if cut_off_line is None else f"line {cut_off_line} is cut off",
        expected="the last record is complete",
    )


def reject_rate(read: int, rejected: int) -> CheckResult:
    """WARNING where more than 1 % of the rows read were rejected, ERROR where more than 10 %.

    It is an ERROR only from 1,000 rows on: a handful of rows says nothing about a rate.
    """
    if read == 0:
        return _skipped(REJECT_RATE, Severity.WARNING, "no row was read")
    rate = rejected / read
    gate = read >= REJECT_RATE_GATE_ROWS and rate > REJECT_RATE_GATE
    share = f"{rejected:,} of {read:,} rows ({rate:.2%})"
    return _outcome(
        REJECT_RATE,
        Severity.ERROR if gate else Severity.WARNING,
        failed=rate > REJECT_RATE_LIMIT,
        message=f"{share} were rejected",
        observed=share,
        expected=f"at most {REJECT_RATE_GATE if gate else REJECT_RATE_LIMIT:.0%}",
    )


def rows_vanished(accepted: int, restatement: Restatement | None) -> CheckResult:
    """WARNING where more than 1 % of the rows of the capture before are not in this one.

    ``accepted`` are the rows of this one, ``restatement`` how they differ from those before.
    """
    before = 0 if restatement is None else accepted - restatement.appeared + restatement.vanished
    if restatement is None or before == 0:
        return _skipped(ROWS_VANISHED, Severity.WARNING, "there is no capture before")
    rate = restatement.vanished / before
    share = f"{restatement.vanished:,} of {before:,} rows ({rate:.2%})"
    return _outcome(
        ROWS_VANISHED,
        Severity.WARNING,
        failed=rate > VANISHED_RATE_LIMIT,
        message=f"{share} of the capture that this one supersedes vanished",
        observed=share,
        expected=f"at most {VANISHED_RATE_LIMIT:.0%}",
    )


def zero_volume_rows(accepted: pl.DataFrame) -> CheckResult:
    """WARNING where rows report trades of no shares."""
    empty = accepted.filter((pl.col("shares") == 0) & (pl.col("trades") > 0))
    symbols = empty["symbol"].unique().sort().to_list()
    return _outcome(
        ZERO_VOLUME_ROWS,
        Severity.WARNING,
        failed=bool(symbols),
        message=f"{empty.height:,} rows have trades but no shares: {_listed(symbols)}"
        if symbols
        else "no row has trades without shares",
        observed=f"{empty.height} rows",
        expected="0 rows",
    )


def source_dates(
    accepted: pl.DataFrame, first_published: date, superseded_source_date: date | None
) -> CheckResult:
    """WARNING where rows are older than the week's first publication, or than the capture before.

    Either hints that the file holds another week, or is an old copy of this one.
    """
    days = accepted["last_update_date"]
    oldest, newest = days.min(), days.max()
    if not (isinstance(oldest, date) and isinstance(newest, date)):
        return _skipped(SOURCE_DATES, Severity.WARNING, "no row has a date")
    early = accepted.filter(pl.col("last_update_date") < first_published)
    troubles = []
    if not early.is_empty():
        troubles.append(
            f"{early.height:,} rows were last updated before the week's first publication on "
            f"{first_published.isoformat()}, the earliest on {oldest.isoformat()}"
        )
    if superseded_source_date is not None and newest < superseded_source_date:
        troubles.append(
            f"the newest row is of {newest.isoformat()}, older than "
            f"{superseded_source_date.isoformat()} in the capture that this one supersedes"
        )
    return _outcome(
        SOURCE_DATES,
        Severity.WARNING,
        failed=bool(troubles),
        message="; ".join(troubles) or "the rows' dates agree with the week",
        observed=f"{oldest.isoformat()} to {newest.isoformat()}",
        expected=f"{first_published.isoformat()} or later",
    )


def shares_sum(venues: pl.DataFrame) -> CheckResult:
    """ERROR where the venues' shares of a tier that has shares do not sum to 1."""
    if _total(venues) == 0:
        return _skipped(SHARES_SUM, Severity.ERROR, "the tier has no shares")
    total = float(venues["share"].sum())
    failed = not abs(total - 1.0) <= SUM_TOLERANCE
    return _outcome(
        SHARES_SUM,
        Severity.ERROR,
        failed=failed,
        message=f"the venues' shares sum to {total:.12f}, not to 1"
        if failed
        else "the venues' shares sum to 1",
        observed=f"{total:.12f}",
        expected=f"1 within {SUM_TOLERANCE}",
    )


def fewer_venues(venues: pl.DataFrame, previous: pl.DataFrame | None) -> CheckResult:
    """WARNING where fewer venues reported than in the week before."""
    if previous is None:
        return _skipped(FEWER_VENUES, Severity.WARNING, "the week before is not known")
    gone = sorted(set(previous["mpid"].to_list()) - set(venues["mpid"].to_list()))
    failed = venues.height < previous.height
    return _outcome(
        FEWER_VENUES,
        Severity.WARNING,
        failed=failed,
        message=f"{venues.height} venues after {previous.height} in the week before; "
        f"gone: {_listed(gone)}"
        if failed
        else "there are no fewer venues than in the week before",
        observed=f"{venues.height} venues",
        expected=f"at least {previous.height} venues",
    )


def volume_change(venues: pl.DataFrame, previous: pl.DataFrame | None) -> CheckResult:
    """WARNING where the tier's shares changed by more than half against the week before."""
    if previous is None:
        return _skipped(VOLUME_CHANGE, Severity.WARNING, "the week before is not known")
    before = _total(previous)
    if before == 0:
        return _skipped(VOLUME_CHANGE, Severity.WARNING, "the week before has no shares")
    percent = (_total(venues) - before) * 100 / before
    return _outcome(
        VOLUME_CHANGE,
        Severity.WARNING,
        failed=abs(percent) > VOLUME_CHANGE_PERCENT,
        message=f"total shares changed by {percent:+.1f} % against the week before",
        observed=f"{percent:+.1f} %",
        expected=f"within {VOLUME_CHANGE_PERCENT} % up or down",
    )


def venue_share_move(venues: pl.DataFrame, previous: pl.DataFrame | None) -> CheckResult:
    """WARNING where a venue's share of the tier moved by more than ten points."""
    if previous is None:
        return _skipped(VENUE_SHARE_MOVE, Severity.WARNING, "the week before is not known")
    change = pl.col("change")
    moved = (
        venue_share_change(venues, previous)
        .filter(change.abs() > _SHARE_MOVE)
        .sort(change.abs(), "mpid", descending=[True, False])
    )
    moves = [f"{mpid} {100 * by:+.1f}" for mpid, by in moved.select("mpid", "change").iter_rows()]
    return _outcome(
        VENUE_SHARE_MOVE,
        Severity.WARNING,
        failed=bool(moves),
        message=f"venues whose share moved by more than {SHARE_MOVE_POINTS} points: "
        f"{_listed(moves)}"
        if moves
        else f"no venue's share moved by more than {SHARE_MOVE_POINTS} points",
        observed=_listed(moves) if moves else "none",
        expected=f"within {SHARE_MOVE_POINTS} points up or down",
    )


def insufficient_history(missing_weeks: Sequence[date]) -> CheckResult:
    """WARNING where the six weeks that end here are not all known; names those that lack."""
    mondays = ", ".join(week.isoformat() for week in sorted(missing_weeks))
    return _outcome(
        INSUFFICIENT_HISTORY,
        Severity.WARNING,
        failed=bool(missing_weeks),
        message=f"there are no rolling measures: {len(missing_weeks)} of {WINDOW_WEEKS} weeks "
        f"are missing ({mondays})"
        if missing_weeks
        else f"all {WINDOW_WEEKS} weeks are known",
        observed=f"{WINDOW_WEEKS - len(missing_weeks)} weeks",
        expected=f"{WINDOW_WEEKS} weeks",
    )


def _total(venues: pl.DataFrame) -> Decimal:
    return Decimal(venues["total_shares"].sum())


def _outcome(
    check: str, severity: Severity, *, failed: bool, message: str, observed: str, expected: str
) -> CheckResult:
    status = CheckStatus.FAIL if failed else CheckStatus.PASS
    return CheckResult(check, status, severity, message, observed, expected)


def _skipped(check: str, severity: Severity, why: str) -> CheckResult:
    return CheckResult(check, CheckStatus.SKIP, severity, f"nothing to compare with: {why}")


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_SHOWN])
    return f"{shown} and {len(items) - _SHOWN} more" if len(items) > _SHOWN else shown
