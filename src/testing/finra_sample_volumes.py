"""Invented weekly volumes for the sample: which venues trade an issue, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.finra_otc.weeks import Tier
from .finra_sample_draws import Draws, at_quantile
from .finra_sample_issues import Issue

_FRACTIONAL_ROWS = 0.13
_ACTIVE = 0.96  # how often a venue that trades an issue does so in a week


@dataclass(frozen=True, slots=True)
class Venue:
    """An alternative trading system.

    ``reach`` is how readily it trades an issue at all, ``weight`` how much of its volume it then
    takes, ``trade_size`` its average trade as a multiple of that of the issue.
    """

    mpid: str
    name: str
    reach: float
    weight: float
    trade_size: float = 1.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What stays of an issue from week to week.

    ``shares`` is a week's volume at the start, in shares over all venues; ``drift`` its change a
    week as a fraction of that; ``regular`` the probability that it trades in a week. It trades
    from week ``first`` until before week ``end``, both counted from the sample's origin.
    """

    issue: Issue
    tier: Tier
    shares: float
    trade_size: float
    venues: tuple[Venue, ...]
    drift: float
    regular: float
    first: int
    end: int

    @property
    def expected_rows(self) -> float:
        return self.regular * (1 + _ACTIVE * (len(self.venues) - 1))


@dataclass(frozen=True, slots=True)
class Volume:
    """One row's figures: ``shares`` as the file writes them, ``trades`` at least 1."""

    venue: Venue
    shares: str
    trades: int


NMS_VENUES = (
    Venue("UBSA", "UBSA UBS ATS", 1.0, 17.0),
    Venue("INCR", "INCR INTELLIGENTCROSS LLC", 1.0, 12.0, 0.7),
    Venue("SGMT", "SGMT SIGMA X2", 1.0, 9.0),
    Venue("MSPL", "MSPL MS POOL (ATS-4)", 1.0, 8.0),
    Venue("JPMX", "JPMX JPM-X", 0.95, 7.5),
    Venue("EBXL", "EBXL LEVEL ATS", 0.95, 7.0),
    Venue("LATS", "LATS BARCLAYS ATS", 0.95, 6.5),
    Venue("KCGM", "KCGM VIRTU MATCHIT ATS", 0.95, 5.0),
    Venue("BIDS", "BIDS BIDS ATS", 0.9, 5.0, 6.0),
    Venue("IATS", "IATS IBKR ATS", 0.95, 4.5, 0.6),
    Venue("MLIX", "MLIX INSTINCT X", 0.9, 4.0),
    Venue("CROS", "CROS CROSSFINDER", 0.85, 3.5),
    Venue("DBAX", "DBAX SUPERX ATS", 0.8, 2.5),
    Venue("ITGP", "ITGP POSIT", 0.8, 2.2, 2.0),
    Venue("JPBX", "JPBX JPB-X", 0.7, 1.8),
    Venue("PSTX", "PSTX PURESTREAM ATS", 0.7, 1.7, 2.5),
    Venue("CXCX", "CXCX ONECHRONOS", 0.7, 1.6),
    Venue("MSTX", "MSTX MS TRAJECTORY CROSS (ATS-1)", 0.65, 1.2),
    Venue("BLKX", "BLKX INSTINET BLOCKCROSS", 0.5, 0.9, 12.0),
    Venue("CBLC", "CBLC INSTINET CBX", 0.6, 0.9),
    Venue("LQNA", "LQNA LIQUIDNET H2O ATS", 0.5, 0.8, 8.0),
    Venue("LQNT", "LQNT LIQUIDNET NEGOTIATION ATS", 0.35, 0.8, 60.0),
    Venue("DLTA", "DLTA DEALERWEB ATS, L.P.", 0.3, 0.4, 3.0),
    Venue("XSTM", "XSTM CROSSSTREAM", 0.35, 0.4),
    Venue("LMNX", "LMNX LUMINEX ATS", 0.3, 0.4, 40.0),
    Venue("MSRP", "MSRP MS RETAIL POOL (ATS-6)", 0.4, 0.3, 0.5),
    Venue("AQUA", "AQUA AQUA SECURITIES L.P.", 0.15, 0.2, 30.0),
    Venue("BOAT", "BOAT BLUE OCEAN ATS", 0.3, 0.1, 0.3),
)
OTC_VENUES = (
    Venue("OTCN", "OTCN OTC LINK NQB IDQS", 1.0, 10.0, 4.0),
    Venue("OTCX", "OTCX OTC LINK ECN ATS", 0.65, 2.2),
    Venue("ARCA", "ARCA GLOBAL OTC", 0.3, 0.6, 0.4),
)
# Private placements trade on one small venue of their own: (venue, share of the issues).
_PRIVATE_VENUES = (
    (Venue("PPEX", "PPEX NORTH CAPITAL PRIVATE SECURITIES CORPORATION", 1.0, 1.0, 0.1), 0.10),
    (Venue("PROS", "PROS TZERO SECURITIES LLC", 1.0, 1.0, 0.2), 0.004),
    (Venue("ALTS", "ALTS LODAS SECURITIES ALTERNATIVE TRADING SYSTEM", 1.0, 1.0), 0.004),
    (Venue("SMKT", "SMKT SECURITIZE MARKETS ATS", 1.0, 1.0), 0.003),
)
_PRIVATE_SHARES = ((0.0, 1.0), (0.5, 40.0), (0.9, 500.0), (1.0, 16_000.0))

# Shares a week of one issue, over all venues: (quantile, shares).
_SHARES = {
    Tier.T1: (
        (0.0, 6e4), (0.25, 8e5), (0.5, 2e6), (0.75, 5e6), (0.9, 1.4e7), (0.99, 9e7), (1.0, 4e8),
    ),
    Tier.T2: (
        (0.0, 50.0), (0.25, 8e3), (0.5, 6e4), (0.75, 4e5), (0.9, 1.8e6), (0.99, 2e7), (1.0, 1.2e8),
    ),
    Tier.OTC: (
        (0.0, 1.0), (0.25, 500.0), (0.5, 6e3), (0.75, 3.5e4), (0.9, 1.6e5), (0.95, 4e5),
        (0.99, 4e6), (0.998, 6e7), (1.0, 2.5e8),
    ),
}  # fmt: skip
_TRADE_SIZES = {
    Tier.T1: ((0.0, 35.0), (0.5, 90.0), (0.9, 160.0), (1.0, 400.0)),
    Tier.T2: ((0.0, 15.0), (0.5, 100.0), (0.9, 250.0), (1.0, 1_500.0)),
    Tier.OTC: ((0.0, 8.0), (0.5, 250.0), (0.9, 3_000.0), (1.0, 25_000.0)),
}
# How many venues trade an issue, by the quantile of its volume: busy issues trade everywhere.
_VENUE_COUNTS = {
    Tier.T1: ((0.0, 14.0), (0.3, 19.0), (1.0, 27.0)),
    Tier.T2: ((0.0, 2.0), (0.3, 10.0), (0.7, 18.0), (1.0, 26.0)),
    Tier.OTC: ((0.0, 1.0), (0.5, 1.2), (0.8, 2.7), (1.0, 3.4)),
}
_TIE_QUANTILE = 0.8
_BUSY_QUANTILE = 0.3  # from here on an issue trades every week


def listing_of(issue: Issue, tier: Tier, seed: int) -> Listing:
    """What stays of an issue from week to week, always the same for a seed."""
    draws = Draws(seed, tier, issue.symbol)
    quantile = _TIE_QUANTILE if issue.tied else draws.fraction()
    venues = _venues(tier, quantile, issue, draws)
    private = tier is Tier.OTC and venues[0] not in OTC_VENUES
    drift = draws.one_of((0.0, 0.0, draws.between(0.03, 0.15), draws.between(-0.10, -0.03)))
    rare = not issue.steady and draws.chance(0.04)
    busy = issue.steady or quantile > _BUSY_QUANTILE
    first = draws.whole(0, 3) if rare and draws.chance(0.5) else -10_000
    end = draws.whole(1, 4) if rare and first < 0 else 10_000
    return Listing(
        issue=issue,
        tier=tier,
        shares=at_quantile(_PRIVATE_SHARES if private else _SHARES[tier], quantile),
        trade_size=at_quantile(_TRADE_SIZES[tier], (quantile + draws.fraction()) / 2),
        venues=venues,
        drift=drift,
        regular=1.0 if busy else draws.between(0.6, 1.0),
        first=first,
        end=end,
    )


def _venues(tier: Tier, quantile: float, issue: Issue, draws: Draws) -> tuple[Venue, ...]:
    if tier is Tier.OTC and not issue.tied:
        private = draws.fraction()
        for venue, share in _PRIVATE_VENUES:
            private -= share
            if private < 0:
                return (venue,)
    left = list(OTC_VENUES if tier is Tier.OTC else NMS_VENUES)
    count = int(at_quantile(_VENUE_COUNTS[tier], quantile) + draws.between(-0.2, 0.8))
    chosen = []
    for _ in range(min(max(count, 1), len(left))):
        chosen.append(left.pop(draws.weighted([venue.reach for venue in left])))
    return tuple(chosen)


def volumes_of(listing: Listing, week: int, seed: int) -> list[Volume]:
    """The rows of one issue in a week, counted from the sample's origin; none if it is quiet."""
    draws = Draws(seed, listing.tier, listing.issue.symbol, week)
    if not listing.first <= week < listing.end or not draws.chance(listing.regular):
        return []
    level = min(max(1.0 + listing.drift * week, 0.2), 5.0) * draws.between(0.85, 1.15)
    active = [v for v in listing.venues if v is listing.venues[0] or draws.chance(_ACTIVE)]
    parts = [venue.weight * draws.between(0.6, 1.4) for venue in active]
    if listing.issue.tied:
        active, parts = list(listing.venues), _with_tie(listing.venues)
    total = sum(parts)
    return [
        _volume(venue, listing, listing.shares * level * part / total, draws)
        for venue, part in zip(active, parts, strict=True)
    ]


def _with_tie(venues: Sequence[Venue]) -> list[float]:
    """Parts of the volume of which the first two are equal and above all others."""
    return [2.0, 2.0] + [1.0 / (2 + place) for place in range(len(venues) - 2)]


def _volume(venue: Venue, listing: Listing, shares: float, draws: Draws) -> Volume:
    whole = max(int(shares), 1)
    size = listing.trade_size * venue.trade_size * draws.between(0.8, 1.25)
    trades = min(max(int(shares / size), 1), whole)
    text = str(whole)
    fractional = draws.chance(_FRACTIONAL_ROWS)
    if listing.tier is not Tier.OTC and fractional and not listing.issue.tied:
        text += "." + f"{draws.whole(1, 999_999):06d}".rstrip("0")
    return Volume(venue, text, trades)
