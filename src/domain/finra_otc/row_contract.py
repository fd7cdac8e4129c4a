"""The contract of one row of the weekly file, once its texts have been typed.

Imported where rows are normalised, not before: dataframely takes half a second to load.
"""

from __future__ import annotations

import dataframely as dy
import polars as pl

from .weeks import Tier

MAX_CHARACTERS = 20


class RowContract(dy.Schema):
    """A typed row. A number or date that its text was not is null; a blank text is empty.

    ``tier`` is the tier that the row names, ``partition_tier`` the one it was put to.
    """

    position = dy.Int64()
    line = dy.Int64(nullable=True)
    tier = dy.Enum([tier.value for tier in Tier])
    partition_tier = dy.Enum([tier.value for tier in Tier])
    symbol = dy.String(min_length=1)
    mpid = dy.String(min_length=1)
    venue_name = dy.String()
    issue_name = dy.String()
    shares = dy.Decimal(18, 6, min=0)
    trades = dy.Int64(min=0)
    last_update_date = dy.Date()

    @dy.rule()
    def same_tier(cls) -> pl.Expr:  # noqa: N805  # dataframely hands over the class
        return pl.col("tier") == pl.col("partition_tier")

    @dy.rule()
    def short_symbol(cls) -> pl.Expr:  # noqa: N805  # dataframely hands over the class
        return pl.col("symbol").str.len_chars() <= MAX_CHARACTERS

    @dy.rule()
    def short_mpid(cls) -> pl.Expr:  # noqa: N805  # dataframely hands over the class
        return pl.col("mpid").str.len_chars() <= MAX_CHARACTERS

    @dy.rule()
    def some_volume(cls) -> pl.Expr:  # noqa: N805  # dataframely hands over the class
        return (pl.col("shares") != 0) | (pl.col("trades") != 0)
