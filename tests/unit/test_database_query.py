"""A query is taken apart as its database would: texts stay texts, names are bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.outbound.databases.paging import expanded, page_query
from market_spine.adapters.outbound.databases.query import Syntax, parse_query
from market_spine.adapters.outbound.databases.request import request
from market_spine.domain.errors import ValidationError

PLAIN = Syntax()
FLAT = Syntax(quotes=r"`(?:[^`]|``)*` | \[[^\]]*\]", nested=False)
POSTGRES = Syntax(
    quotes=r"(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'"
    r"| (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$",
    further=("TABLE",),
)


@pytest.mark.parametrize(
    ("syntax", "text", "names"),
    [
        (PLAIN, "select :a, :b_2, :a", ("a", "b_2", "a")),
        (PLAIN, "select ':a', \":a\", 'it''s :a', 1", ()),
        (PLAIN, "select 1 -- :a\n, :b", ("b",)),
        (PLAIN, "select 1 /* :a /* :b */ :c */, :d", ("d",)),
        (FLAT, "select 1 /* :a /* :b */, :c", ("c",)),
        (FLAT, "select [:a], `:b`, :c", ("c",)),
        (POSTGRES, "select x::text, x :: int, '10:30'::time, :a::date", ("a",)),
        (POSTGRES, "select $$:a$$, $t$ :b $$ ; $t$, E'\\':c', :d", ("d",)),
        (POSTGRES, "select a[1:n], :m % 5, '%s %(x)s'", ("m",)),
        (POSTGRES, "table x", ()),
        (PLAIN, "(select :a) union (select 1);  -- done\n;", ("a",)),
        (PLAIN, "  /* why */ with x as (select 1) select * from x", ()),
        (PLAIN, "select:a", ()),
        (PLAIN, "select 1 where x=:größe", ("größe",)),
    ],
)
def test_parameters_are_found_where_they_are(
    syntax: Syntax, text: str, names: tuple[str, ...]
) -> None:
    query = parse_query(text, syntax)
    assert query.names == names
    assert text.startswith(query.render(lambda name: f":{name}"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("delete from t", "DELETE"),
        ("  -- harmless\n/* too */ Insert into t values (1)", "INSERT"),
        ("commit; select 1", "COMMIT"),
        ("do $$ begin end $$", "DO"),
        ("set x = 1", "SET"),
        ("copy t to stdout", "COPY"),
        ("table t", "TABLE"),
        ("", "an empty query"),
        (" -- only a comment", "an empty query"),
        (";", "an empty query"),
        ("((((update t set x = 1))))", "UPDATE"),
        ("'select 1'", "an empty query"),
    ],
)
def test_what_does_not_read_is_refused_by_its_name(text: str, named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_query(text, PLAIN)
    assert named in caught.value.message
    assert "SELECT" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("select 1; drop table x", "drop table x"),
        ("select ';' ; /* ; */ -- ;\n commit", "commit"),
        ("select 1) to stdout; truncate t; select (1", "truncate t"),
        ("select 1;;select 2", "select 2"),
    ],
)
def test_a_second_statement_is_refused_and_named(text: str, named: str) -> None:
    with pytest.raises(ValidationError, match="second statement") as caught:
        parse_query(text, PLAIN)
    assert named in caught.value.message


@given(st.text(alphabet="ab:;'\"-/*\\$\n []`%é€(", max_size=30), st.sampled_from([PLAIN, POSTGRES]))
def test_any_text_is_taken_apart_or_refused_and_none_is_lost(text: str, syntax: Syntax) -> None:
    whole = f"select {text}"
    try:
        query = parse_query(whole, syntax)
    except ValidationError:
        return
    rendered = query.render(lambda name: f":{name}")
    assert whole.startswith(rendered)
    assert not whole[len(rendered) :].strip(" \n;") or whole[len(rendered)] == ";"


@pytest.mark.parametrize(
    "table",
    ["", ".", "a.", ".a", "a.b.c", 'a"b', '"a', 'a""', "a..b", '"a"b', 'x"; drop table y--'],
)
def test_what_names_no_table_is_refused(table: str) -> None:
    with pytest.raises(ValidationError, match="does not name a table"):
        request(None, table, None, None, None)


def test_a_table_is_quoted_whatever_its_name() -> None:
    asked = request(None, '"a.""b".x; drop table y', None, None, None)
    text = asked.parsed(PLAIN).render(lambda name: name)
    assert text == 'SELECT * FROM "a.""b"."x; drop table y"'
    assert asked.origin == 'a."b.x; drop table y'


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "one of both"),
        ({"query": "select 1", "table": "t"}, "one of both"),
        ({"table": "t", "parameters": {"a": 1}}, "parameters belong to a query"),
        ({"table": "t", "timeout": 0.0}, "timeout is 0"),
        ({"table": "t", "timeout": float("nan")}, "timeout is nan"),
        ({"table": "t", "key": []}, "no key"),
        ({"table": "t", "key": ["a", "a"]}, "no key"),
    ],
)
def test_options_that_contradict_themselves_are_refused(
    options: dict[str, object], said: str
) -> None:
    given: dict[str, object] = dict.fromkeys(("query", "table", "parameters", "key", "timeout"))
    with pytest.raises(ValidationError, match=said) as caught:
        request(**{**given, **options})  # type: ignore[arg-type]
    assert caught.value.hint


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"a": 1}, "needs values for the parameters b"),
        ({"a": 1, "b": 2, "c": 3}, "does not use the parameters c"),
        ({}, "needs values for the parameters a, b"),
    ],
)
def test_missing_and_unused_parameters_are_named(parameters: dict[str, int], said: str) -> None:
    asked = request("select :a, :b, ':c'", None, parameters, None, None)
    with pytest.raises(ValidationError, match=said):
        asked.parsed(PLAIN)


def test_pages_without_row_values_say_the_same_at_length() -> None:
    written = page_query("q", ["a", "b", "c"], ["?", "?", "?"], 5, row_values=False)
    assert written.split("WHERE ")[1] == (
        '("a" > ?) OR ("a" = ? AND "b" > ?) OR ("a" = ? AND "b" = ? AND "c" > ?)\n'
        'ORDER BY "a", "b", "c" FETCH FIRST 5 ROWS ONLY'
    )
    assert expanded([1, 2, 3]) == [1, 1, 2, 1, 2, 3]
