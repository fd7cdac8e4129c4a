"""Numbers out of text, exactly: what does not fit is no number, nothing is ever rounded."""

from __future__ import annotations

import polars as pl

SHARES = pl.Decimal(18, 6)
"""Type of a share quantity: 12 integer and 6 fraction digits."""

_WHOLE_DIGITS = 12
_FRACTION_DIGITS = 6

NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
"""A decimal number, with or without an exponent."""

_SIMPLE = r"^[+-]?[0-9]{1,12}(?:\.[0-9]{1,6})?$"
_PARTS = (
    r"^(?P<sign>[+-]?)(?P<whole>[0-9]*)\.?(?P<fraction>[0-9]*)(?:[eE](?P<exponent>[+-]?[0-9]+))?$"
)
_EXPONENT_BOUND = 1_000_000_000


def shares_from(text: pl.Series) -> pl.Series:
    """Decimal(18, 6) of stripped texts; null where a text is no number or needs more digits."""
    simple = text.str.contains(_SIMPLE).fill_null(value=False)
    # A text that is not simple may still cast, rounded: it is looked at digit by digit instead.
    numbers = text.cast(SHARES, strict=False)
    odd = (~simple).arg_true()
    if odd.is_empty():
        return numbers
    return numbers.scatter(odd, _exact(text.gather(odd)))


def whole_from(text: pl.Series) -> pl.Series:
    """Int64 of stripped texts, ".0" at their end tolerated; null where it is no whole number."""
    numbers = text.cast(pl.Int64, strict=False)
    odd = numbers.is_null().arg_true()
    if odd.is_empty():
        return numbers
    pointed = text.gather(odd).str.extract(r"^([+-]?[0-9]+)\.0*$", 1)
    return numbers.scatter(odd, pointed.cast(pl.Int64, strict=False))


def share_units(column: str) -> pl.Expr:
    """Shares as a whole number of millionths, wide enough for squares of any total."""
    return pl.col(column).cast(SHARES).to_physical().cast(pl.Int128)


def ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """``part`` / ``whole`` by one floating-point division; null where ``whole`` is 0."""
    numerator = part.cast(pl.Float64)
    # By a single value polars multiplies with its reciprocal, which rounds twice: 3/10 would
    # not be 0.3. Adding zeros makes the single value a column.
    denominator = whole.cast(pl.Float64) + numerator * 0.0
    return pl.when(whole != 0).then(numerator / denominator)


def _exact(text: pl.Series) -> pl.Series:
    """The slow way: digits and power of ten apart, so that exponents and zeros do no harm."""
    part = pl.col("text").str.extract_groups(_PARTS).struct
    taken = pl.DataFrame({"text": text}).select(
        valid=pl.col("text").str.contains(NUMBER).fill_null(value=False),
        sign=part.field("sign"),
        digits=pl.concat_str(part.field("whole"), part.field("fraction")),
        fraction=part.field("fraction").str.len_bytes().cast(pl.Int64),
        exponent=part.field("exponent"),
    )
    exponent = pl.col("exponent").cast(pl.Int64, strict=False)
    beyond = pl.when(pl.col("exponent").str.starts_with("-")).then(-_EXPONENT_BOUND)
    scaled = taken.with_columns(
        pl.col("digits").str.strip_chars_start("0").str.strip_chars_end("0").alias("core"),
        pl.when(pl.col("exponent").is_null())
        .then(0)
        .otherwise(exponent.fill_null(beyond.otherwise(_EXPONENT_BOUND)))
        .clip(-_EXPONENT_BOUND, _EXPONENT_BOUND)
        .alias("exponent"),
        (
            pl.col("digits").str.len_bytes().cast(pl.Int64)
            - pl.col("digits").str.strip_chars_end("0").str.len_bytes().cast(pl.Int64)
        ).alias("zeros"),
    ).with_columns(
        (pl.col("exponent") - pl.col("fraction") + pl.col("zeros")).alias("power"),
        pl.col("core").str.len_bytes().cast(pl.Int64).alias("length"),
    )
    return scaled.select(_assembled().cast(SHARES, strict=False)).to_series()


def _assembled() -> pl.Expr:
    """Plain decimal text from core digits times ten to a power, null where it does not fit."""
    power, length = pl.col("power"), pl.col("length")
    zero = length == 0
    fits = (power >= -_FRACTION_DIGITS) & (length + power <= _WHOLE_DIGITS)
    width = pl.when(fits).then(length + power + _FRACTION_DIGITS).otherwise(0)
    unscaled = (
        pl.when(fits)
        .then(pl.col("core"))
        .otherwise(pl.lit(""))
        .str.pad_end(width, "0")
        .str.zfill(_WHOLE_DIGITS + _FRACTION_DIGITS)
    )
    text = pl.concat_str(
        pl.when(pl.col("sign") == "-").then(pl.lit("-")).otherwise(pl.lit("")),
        unscaled.str.head(_WHOLE_DIGITS),
        pl.lit("."),
        unscaled.str.tail(_FRACTION_DIGITS),
    )
    return (
        pl.when(~pl.col("valid"))
        .then(pl.lit(None, dtype=pl.String))
        .when(zero)
        .then(pl.lit("0"))
        .when(fits)
        .then(text)
    )
