"""Invented issues for the sample: symbols and names with the shapes of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from string import ascii_uppercase

from ..domain.finra_otc.weeks import Tier
from .finra_sample_draws import Draws

LONGEST_NAME = 201


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


_ONSETS = _words(
    "Alver|Bram|Calder|Dovet|Elkin|Farrow|Glenm|Harrow|Istel|Jorvan|Kestr|Lunden|Marsel|Norvik|"
    "Ostara|Pellan|Quorin|Rindal|Solvay|Tarsin|Umbrel|Vantor|Westr|Xandor|Yarrow|Zephin"
)
_ENDINGS = _words(
    "a|ane|aris|burn|dale|ex|field|ford|ia|ian|ic|ity|land|ly|mere|o|on|or|ova|um|wick"
)
_NMS_FIELDS = _words(
    "Therapeutics|Bancorp|Software|Energy Partners|Logistics|Semiconductor|Realty Trust|Foods|"
    "Medical Devices|Airlines|Insurance Group|Networks|Industrial|Biosciences|Retail Brands"
)
_NMS_FORMS = _words(
    "Inc. Common Stock|Corporation Common Stock|Holdings, Inc. Class A Common Stock|"
    "plc Ordinary Shares|Ltd. American Depositary Shares|Inc. Common Stock, $0.001 par value|"
    "Trust Shares of Beneficial Interest|Inc. Warrants, each exercisable for one share|"
    "Acquisition Corp. Units (one share & 1/2 warrant)"
)
_OTC_FIELDS = _words(
    "Gold|Lithium|Minerals|Resources|Bancshares|Cannabis|Oil & Gas|Technologies|Pharma|Group|"
    "Uranium|Hldgs|Explorations|Beverages|Mobility"
)
_OTC_FORMS = _words(
    "Ltd Ordinary Shares|Inc Common Stock|Corp COM (Canada)|AG Unsponsored ADR (Switzerland)|"
    "Co Ltd American Depositary Receipts - Unsponsored (Japan)|SA Ordinary Shares|"
    "Inc. Com Par $0.001|PLC Sponsored ADR (United Kingdom)|Inc Sub Vtg Shares (Canada)"
)
_TRUNCATED_AT = (24, 30, 36, 60)
_LETTER_SHARES = {Tier.T1: (0, 1, 4, 5, 0), Tier.T2: (0, 0, 3, 7, 0), Tier.OTC: (0, 0, 0, 2, 8)}
_OTC_LAST = "FFFFYYQDVPS"


@dataclass(frozen=True, slots=True)
class Issue:
    """A security of the sample.

    ``steady`` says that it trades every week, ``tied`` that its two first venues trade the same
    number of shares.
    """

    symbol: str
    name: str
    steady: bool = False
    tied: bool = False


_ENDLESS = (
    "Tamarind Shoals Financial Services, Inc. Depositary Shares, each Representing 1/40th of a "
    "Share of 7.25% Fixed-to-Floating Rate Non-Cumulative Perpetual Preferred Stock, Series F "
    "(Liquidation Preference $1,000 per Share)"
)[:LONGEST_NAME]
_CUT = "Brindlewick Global Infrastructure & Renewable Power Opportun"
_MIXED = "Colvane Vault: Series #114 'Rookie Card'  50% INT / $25 Units"

# What parsers stumble over stands in every sample, whatever its size.
_QUIRKS: dict[Tier, tuple[Issue, ...]] = {
    Tier.T1: (
        Issue("QVLN.A", "Quillan & Vale Holdings, Inc. Class A Common Stock"),
        Issue("QVLN.B", "Quillan & Vale Holdings, Inc. Class B Common Stock"),
        Issue("DUOQ", "Duoquay Logistics, Inc. Common Stock"),
        Issue("EVNQ", "Evenquist Corp. Common Stock", tied=True),
        Issue("TMRQ", _ENDLESS),
        Issue("BRWQ", _CUT),
        Issue("CLVQ", _MIXED),
    ),
    Tier.T2: (
        Issue("TRUE", "Truewell Orchards, Inc. Common Stock"),
        Issue("NA", "Nanday Instruments Ltd. Ordinary Shares"),
        Issue("HVRpD", "Havermill Realty Trust 6.375% Series D Cumulative Preferred ($25 Par)"),
        Issue("HVRpE", "Havermill Realty Trust 7.00% Series E Cumulative Preferred ($25 Par)"),
        Issue("OHLN.A", "O'Hollan & Daughters, Ltd. (Bermuda) Class A Common Shares"),
        Issue("DUOQ", "Duoquay Logistics, Inc. Common Stock"),
        Issue("UPLQ", "Uplandia Mining Corp. Common Shares"),
        Issue("EVTQ", "Eventide Harbor Bancorp, Inc. Common Stock", tied=True),
        Issue("TMSQ", _ENDLESS),
        Issue("BRXQ", _CUT),
        Issue("CLWQ", _MIXED),
    ),
    Tier.OTC: (
        Issue("1E5", "One E Five Holdings Inc Common Stock"),
        Issue("UPLQ", "Uplandia Mining Corp. Common Shares"),
        Issue("EVOQF", "EVENOAK RESOURCES LTD  Ordinary Shares", tied=True),
        Issue("TMOQP", _ENDLESS),
        Issue("BROQF", _CUT),
        Issue("CLOQS", _MIXED),
        Issue("DARQY", "D'Arvelle Freres S.A. Unsponsored ADR (France)"),
    ),
}
_TAKEN = frozenset(issue.symbol for issues in _QUIRKS.values() for issue in issues)


def issues_of(tier: Tier, seed: int) -> Iterator[Issue]:
    """The issues of a tier, without end: first the quirks, then invented ones.

    The symbols of a tier are distinct. No two tiers share one, but for DUOQ (T1 and T2) and UPLQ
    (T2 and OTC), which were reclassified in mid-week.
    """
    yield from (replace(issue, steady=True) for issue in _QUIRKS[tier])
    draws = Draws(seed, tier, "issues")
    seen = set(_TAKEN)
    while True:
        symbol = _symbol(tier, draws)
        name = _name(tier, draws)
        if symbol not in seen:
            seen.add(symbol)
            yield Issue(symbol, name)


def _symbol(tier: Tier, draws: Draws) -> str:
    """A symbol whose letters sum to the tier's own remainder, so that tiers never collide."""
    wanted = list(_QUIRKS).index(tier)
    while True:
        length = 1 + draws.weighted(_LETTER_SHARES[tier])
        symbol = "".join(draws.one_of(ascii_uppercase) for _ in range(length))
        if tier is Tier.OTC:
            symbol = symbol[:-1] + draws.one_of(_OTC_LAST)
        if sum(map(ord, symbol)) % len(_QUIRKS) == wanted:
            break
    if tier is Tier.T2 and draws.chance(0.04):
        return symbol + "p" + draws.one_of("ABCDEF")
    if tier is not Tier.OTC and draws.chance(0.02):
        return symbol + "." + draws.one_of("AB")
    return symbol


def _name(tier: Tier, draws: Draws) -> str:
    fields, forms = (_OTC_FIELDS, _OTC_FORMS) if tier is Tier.OTC else (_NMS_FIELDS, _NMS_FORMS)
    company = draws.one_of(_ONSETS) + draws.one_of(_ENDINGS)
    if draws.chance(0.2):
        company += " & " + draws.one_of(_ONSETS) + draws.one_of(_ENDINGS)
    if draws.chance(0.25):
        company = company.upper()
    gap = "  " if draws.chance(0.03) else " "
    name = f"{company} {draws.one_of(fields)}{gap}{draws.one_of(forms)}"
    return name[: draws.one_of(_TRUNCATED_AT)].rstrip() if draws.chance(0.05) else name
