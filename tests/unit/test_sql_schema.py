from __future__ import annotations

import re

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Enum,
    Float,
    LargeBinary,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.schema import CreateIndex, CreateTable

from market_spine.adapters.outbound.sql.row_tables import ROW_TABLES, Kind
from market_spine.adapters.outbound.sql.schema import METADATA

TABLES = METADATA.sorted_tables
COLUMNS = [column for table in TABLES for column in table.columns]

# Words that PostgreSQL or Db2 reserve, or that need quotes on one of them.
RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        add all allow alter and any array as asc audit authorization before begin between both
        by call case cast check close collate column comment commit condition connect constraint
        create cross current cursor data database date day days default deferrable delete desc
        describe distinct do domain double drop dynamic each else end escape except execute
        exists exit explain external false fetch final first float for foreign free from full
        function global go grant group grouping handler having hold hour hours identity if
        immediate in including index initially inner inout insert integer intersect interval
        into is isolation join key label language last lateral leading leave left level like
        limit local localtime lock locks long loop match max merge method microsecond min minute
        mode modify month months new next no none not null number numeric of off offline offset
        old on online only open option or order out outer over overlaps owner parameter
        parameters partition password path period placing position precision prepare primary
        prior privileges procedure public range rank raw read reads references release rename
        repeat replace reset resource restrict result return returning revoke right role
        rollback row rowid rownum rows sample savepoint schema scroll second seconds select
        sequence session set share size skip some source sql standard start state static
        statement successful symmetric synonym sysdate system table tablesample temporary then
        time timestamp to trailing transaction trigger trim true truncate type uid undo union
        unique until update usage user using validate value values varchar variable verbose view
        volatile when whenever where while window with without year years
        """,
    )
)


class Db2(DefaultDialect):
    """Only as much of Db2 as the compilation of types asks for."""

    name = "ibm_db_sa"
    supports_statement_cache = True


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_columns_have_types_that_every_database_knows(column: Column[object]) -> None:
    kind = column.type
    assert not isinstance(kind, Boolean | JSON | Enum | LargeBinary)
    if isinstance(kind, String) and not isinstance(kind, Text):
        assert kind.length is not None, "Db2 has no VARCHAR without length"
        assert kind.length <= 32672
    if isinstance(kind, Numeric) and not isinstance(kind, Float):
        assert (kind.precision, kind.scale) == (18, 6)
    if isinstance(kind, Float):
        assert isinstance(kind, Double), "half of the bits would be lost"
    assert not isinstance(kind, DateTime), "times go through UtcTimestamp"
    assert column.server_default is None or column.identity is not None
    assert column.primary_key is False or column.nullable is False


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_names_need_no_quotes_anywhere(table: Table) -> None:
    names = {table.name, *(column.name for column in table.columns)}
    assert names & RESERVED == set()
    for dialect in (postgresql.dialect(), sqlite.dialect()):
        assert '"' not in str(CreateTable(table).compile(dialect=dialect)).replace('"C"', "")
    constraints = {str(item.name) for item in (*table.constraints, *table.indexes)}
    assert "None" not in constraints, "a constraint without a name cannot be changed later"
    assert max(map(len, constraints)) <= 63, "PostgreSQL would cut the name"


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_rows_fit_into_the_pages_that_db2_has_by_default(table: Table) -> None:
    texts = [item.type for item in table.columns if isinstance(item.type, String)]
    lengths = [300 if isinstance(kind, Text) else (kind.length or 0) for kind in texts]
    assert sum(lengths) + 8 * len(table.columns) < 4005


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_foreign_keys_have_an_index_on_their_side(table: Table) -> None:
    keys = [tuple(column.name for column in table.primary_key)]
    keys += [tuple(column.name for column in index.columns) for index in table.indexes]
    for foreign in table.foreign_keys:
        assert any(key[0] == foreign.parent.name for key in keys), foreign.parent


@pytest.mark.parametrize("table", TABLES, ids=str)
@pytest.mark.parametrize(
    "dialect", [postgresql.dialect(), sqlite.dialect(), Db2()], ids=lambda item: item.name
)
def test_tables_compile_for_every_database(table: Table, dialect: Dialect) -> None:
    ddl = str(CreateTable(table).compile(dialect=dialect))
    for index in table.indexes:
        ddl += str(CreateIndex(index).compile(dialect=dialect))
    if dialect.name == "ibm_db_sa":
        assert "TEXT" not in ddl
        texts = [column for column in table.columns if isinstance(column.type, Text)]
        assert ddl.count("CLOB(16M)") == len(texts)
    if dialect.name == "postgresql" and "VARCHAR" in ddl:
        assert ddl.count("VARCHAR") == ddl.count('COLLATE "C"'), "sorted by bytes, as elsewhere"


@pytest.mark.parametrize("name", sorted(ROW_TABLES))
def test_row_tables_are_as_declared(name: str) -> None:
    declared, table = ROW_TABLES[name], METADATA.tables[name]
    stored = {field.stored_as: field for field in declared.fields}
    assert [column.name for column in table.columns] == ["capture_key", *stored]
    key = [field.stored_as for field in declared.chosen(declared.key)]
    assert [column.name for column in table.primary_key] == ["capture_key", *key]
    assert {name: table.c[name].nullable for name in stored} == {
        name: field.nullable for name, field in stored.items()
    }
    assert all(field.kind is Kind.CODE for field in declared.chosen(declared.key))
    assert declared.names_table in METADATA.tables
