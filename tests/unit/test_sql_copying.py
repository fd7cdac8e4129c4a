from __future__ import annotations

import pytest
from sqlalchemy import JSON, Column, MetaData, Table

from market_spine.adapters.outbound.sql.copying import SqlCopyTarget
from market_spine.adapters.outbound.sql.copying_reader import column_dtype
from market_spine.adapters.outbound.sql.copying_writer import with_dependents
from market_spine.adapters.outbound.sql.revisions import REVISIONS, VERSION
from market_spine.adapters.outbound.sql.schema import METADATA
from market_spine.domain.errors import SpineError

TABLES = METADATA.sorted_tables


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_every_table_can_be_copied(table: Table) -> None:
    assert table.primary_key.columns, "its rows have no order"
    assert all(str(column_dtype(column)) for column in table.columns)
    assert not any(column.name.startswith(("key_", "link_")) for column in table.columns)


def test_a_column_of_another_type_is_a_typed_error() -> None:
    column = Column("document", JSON)
    Table("later", MetaData(), column)
    with pytest.raises(SpineError, match=r"later\.document"):
        column_dtype(column)


def test_whatever_refers_to_a_table_is_cleared_before_it() -> None:
    cleared = [table.name for table in with_dependents("captures")]
    assert cleared[-1] == "captures"
    assert {"manifest", "lineage", "rejects", "quality_results", "finra_otc_names"} < set(cleared)
    assert "runs" not in cleared
    assert "finra_otc_venue_volume" not in cleared, "it is large, and refers to nothing"
    assert [table.name for table in with_dependents("rejects")] == ["rejects"]
    assert [table.name for table in with_dependents("runs")][-2:] == ["captures", "runs"]


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_mark_of_a_copy_fits_in_the_place_of_the_revision(revision: str) -> None:
    length = VERSION.c.version_num.type.length  # type: ignore[attr-defined]
    mark = SqlCopyTarget("sqlite:///never.db")._mark
    assert revision in REVISIONS
    assert len(mark) - len(REVISIONS[-1]) + len(revision) <= length
