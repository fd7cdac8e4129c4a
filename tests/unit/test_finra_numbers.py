"""Numbers are read exactly or not at all."""

from __future__ import annotations

import string
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market_spine.domain.finra_otc.numbers import SHARES, shares_from, whole_from

NUMBERS = {
    "12": "12",
    "+5": "5",
    "007": "7",
    "-0.5": "-0.5",
    ".5": "0.5",
    "5.": "5",
    "1.100000000": "1.1",
    "999999999999.999999": "999999999999.999999",
    "000000000000012.5": "12.5",
    "123456789012.1234560": "123456789012.123456",
    "1e3": "1000",
    "1.25E9": "1250000000",
    "1E-6": "0.000001",
    "10e-7": "0.000001",
    "1e11": "100000000000",
    "-1E2": "-100",
    "0e99999999999999999999": "0",
    "0.00000000000": "0",
    "0.1234567": None,
    "1e-7": None,
    "1e12": None,
    "1000000000000": None,
    "1e99999999999999999999": None,
    "1e-99999999999999999999": None,
    "1e+": None,
    ".": None,
    "e5": None,
    "+-1": None,
    "1_000": None,
    "1,0": None,
    "0x10": None,
    "１２": None,
    "1\n": None,
    "": None,
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_shares_are_exact_or_no_number(text: str, value: str | None) -> None:
    result = shares_from(pl.Series([text]))
    assert result.dtype == SHARES
    assert result[0] == (None if value is None else Decimal(value))


def exact(text: str) -> Decimal | None:
    """What the text is worth by Python's own decimal arithmetic, when it fits."""
    value = Decimal(text)
    fits = abs(value) < 10**12 and value.as_tuple().exponent >= -1000
    scaled = value.scaleb(6) if fits else value
    return value if fits and scaled == scaled.to_integral_value() else None


@given(
    st.from_regex(r"[+-]?[0-9]{1,16}(\.[0-9]{0,9})?([eE][+-]?[0-9]{1,2})?", fullmatch=True).filter(
        lambda text: text.isascii()
    )
)
@example("9" * 12 + "." + "9" * 6)
@example("9" * 12 + "." + "9" * 7)
def test_any_decimal_text_is_read_as_python_reads_it(text: str) -> None:
    assert shares_from(pl.Series([text]))[0] == exact(text)


@given(st.text())
def test_no_text_is_too_odd_for_a_number(text: str) -> None:
    stripped = text.strip()
    shares, whole = shares_from(pl.Series([stripped])), whole_from(pl.Series([stripped]))
    if not set(stripped) & set(string.digits):
        assert (shares[0], whole[0]) == (None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("171", 171),
        ("+5", 5),
        ("171.0", 171),
        ("171.000", 171),
        ("-3.0", -3),
        (str(2**63 - 1), 2**63 - 1),
        (f"{2**63 - 1}.0", 2**63 - 1),
        (str(2**63), None),
        ("1.5", None),
        ("1e3", None),
        ("", None),
        ("x", None),
    ],
)
def test_trades_are_whole(text: str, value: int | None) -> None:
    assert whole_from(pl.Series([text]))[0] == value
