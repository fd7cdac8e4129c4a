"""The exchange calendar remembers what it worked out, and trusts no damaged memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

from market_spine.adapters.outbound.calendars.exchange import (
    ExchangeCalendar,
    computed_sessions,
)
from market_spine.adapters.outbound.calendars.shipped import FILE, shipped_sessions
from market_spine.domain.errors import ConfigurationError, ValidationError

THANKSGIVING = (date(2025, 11, 24), date(2025, 11, 28))
SESSIONS = (date(2025, 11, 24), date(2025, 11, 25), date(2025, 11, 26), date(2025, 11, 28))


def today() -> date:
    return date(2026, 11, 22)


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_it_answers_without_a_cache() -> None:
    assert ExchangeCalendar(today=today).sessions(*THANKSGIVING) == SESSIONS


def test_the_answer_is_kept_as_plain_json(tmp_path: Path) -> None:
    ExchangeCalendar(today=today, cache=tmp_path / "deep" / "down").sessions(*THANKSGIVING)
    content = json.loads(only_file(tmp_path / "deep" / "down").read_bytes())
    assert content["code"] == "XNYS"
    assert content["sessions"][0] == "1990-01-02"
    assert content["sessions"][-1] == "2027-12-31"
    assert content["count"] == len(content["sessions"])


def test_a_kept_answer_spares_loading_the_library(tmp_path: Path) -> None:
    ExchangeCalendar(today=today, cache=tmp_path).sessions(*THANKSGIVING)
    program = f"""
import sys
from datetime import date
from pathlib import Path
from market_spine.adapters.outbound.calendars.exchange import ExchangeCalendar
calendar = ExchangeCalendar(today=lambda: date(2026, 11, 22), cache=Path({str(tmp_path)!r}))
assert len(calendar.sessions(date(2025, 11, 24), date(2025, 11, 28))) == 4
assert "pandas" not in sys.modules and "exchange_calendars" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def kept(tmp_path: Path) -> Path:
    ExchangeCalendar(today=today, cache=tmp_path).sessions(*THANKSGIVING)
    return only_file(tmp_path)


def truncated(text: str) -> str:
    return text[: len(text) // 2]


def one_lost(text: str) -> str:
    content = json.loads(text)
    content["sessions"].remove("2025-11-26")
    return json.dumps(content)


def one_twice(text: str) -> str:
    content = json.loads(text)
    content["sessions"].append(content["sessions"][-1])
    content["count"] += 1
    return json.dumps(content)


def another_exchange(text: str) -> str:
    return json.dumps(json.loads(text) | {"code": "XLON"})


def no_dates(text: str) -> str:
    return json.dumps(json.loads(text) | {"sessions": [1, 2], "count": 2})


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        one_lost,
        one_twice,
        another_exchange,
        no_dates,
        lambda _: "",
        lambda _: "[]",
        lambda _: "\x00\x00",
    ],
)
def test_a_damaged_cache_is_passed_over_and_written_anew(
    tmp_path: Path, damage: Callable[[str], str]
) -> None:
    file = kept(tmp_path)
    sound = file.read_text()
    file.write_text(damage(sound))
    assert ExchangeCalendar(today=today, cache=tmp_path).sessions(*THANKSGIVING) == SESSIONS
    assert file.read_text() == sound
    assert only_file(tmp_path) == file, "a part file was left behind"


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    calendar = ExchangeCalendar(today=today, cache=in_the_way)
    assert calendar.sessions(*THANKSGIVING) == SESSIONS
    assert in_the_way.read_text() == "not a folder"


def test_a_new_year_is_worked_out_when_it_comes(tmp_path: Path) -> None:
    now = date(2025, 12, 31)
    calendar = ExchangeCalendar(today=lambda: now, cache=tmp_path)
    with pytest.raises(ValidationError):
        calendar.sessions(date(2027, 1, 4), date(2027, 1, 4))
    now = date(2026, 1, 1)
    assert calendar.sessions(date(2027, 1, 4), date(2027, 1, 4)) == (date(2027, 1, 4),)
    assert len(list(tmp_path.iterdir())) == 2


def test_days_beyond_its_bounds_are_refused_and_the_bounds_named() -> None:
    calendar = ExchangeCalendar(today=today)
    for first, last in [
        (date(1989, 12, 31), date(1990, 1, 5)),
        (date(2027, 12, 31), date(2028, 1, 1)),
    ]:
        with pytest.raises(ValidationError) as caught:
            calendar.sessions(first, last)
        assert "1990-01-01" in str(caught.value)
        assert "2027-12-31" in str(caught.value)


def test_an_alias_has_the_same_sessions() -> None:
    assert ExchangeCalendar("OOTC", today=today).sessions(*THANKSGIVING) == SESSIONS


def test_an_unknown_exchange_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="'NOWHERE' is no exchange calendar"):
        ExchangeCalendar("NOWHERE", today=today).sessions(*THANKSGIVING)


def test_what_is_shipped_is_what_the_library_says() -> None:
    assert json.loads(FILE.read_bytes())["library"] == version("exchange_calendars"), (
        "the library was changed: run `make calendars`"
    )
    assert shipped_sessions("XNYS", 2010, 2030) == computed_sessions("XNYS", 2010, 2030)
    assert shipped_sessions("XNYS", 2025, 2025) == computed_sessions("XNYS", 2025, 2025)


@pytest.mark.parametrize(
    ("code", "first", "last"), [("XLON", 2020, 2026), ("XNYS", 2009, 2026), ("XNYS", 2020, 2031)]
)
def test_what_is_not_shipped_is_left_to_the_library(code: str, first: int, last: int) -> None:
    assert shipped_sessions(code, first, last) is None


def test_another_release_of_the_library_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_spine.adapters.outbound.calendars.shipped.version", lambda _: "9")
    assert shipped_sessions("XNYS", 2020, 2026) is None
