"""Charts of steps: what they show, and that they fit whatever width there is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from market_spine.adapters.inbound.cli.gantt import PLAIN, Bar, Strokes, chart
from market_spine.adapters.inbound.cli.step_tree import MOST_ITEMS, StepTree, collapsed
from market_spine.adapters.inbound.cli.times import age, since, spoken, until
from market_spine.domain.errors import ValidationError
from market_spine.domain.plans import Plan, PlannedStep
from market_spine.domain.queueing import Progress
from market_spine.domain.runs import Run, RunState, Trigger

T0 = datetime(2026, 1, 5, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def bar(label: str, created: float, started: float | None, finished: float | None) -> Bar:
    return Bar(
        label,
        "SUCCEEDED",
        run="12345678",
        created=at(created),
        started=None if started is None else at(started),
        finished=None if finished is None else at(finished),
        tries=1,
    )


def drawn(lines: list[str]) -> list[str]:
    """The bars alone, without the blanks in front of the first."""
    start = lines[0].index("0 s")
    return [line[start:] for line in lines[2:]]


def test_bars_stand_on_one_scale_and_waiting_is_lighter() -> None:
    lines = chart(
        [bar("one", 0, 0, 5), bar("two", 5, 7.5, 10), bar("three", 0, 0, 10)], at(99), 80, Strokes()
    )

    one, two, three = drawn(lines)
    width = len(three)
    assert set(three) == {"█"}
    assert one == "█" * (width // 2)
    assert two.count("░") + two.count("█") == width - width // 2
    assert abs(two.count("░") - two.count("█")) <= 1
    assert two.strip().lstrip("░") == "█" * two.count("█")
    assert lines[0].endswith("10.0 s")


def test_what_still_runs_or_waits_reaches_to_now() -> None:
    runs, waits = drawn(
        chart([bar("runs", 0, 0, None), bar("waits", 5, None, None)], at(10), 80, PLAIN)
    )

    assert set(runs) == {"#"}
    assert set(waits.strip()) == {"."}
    assert len(waits) == len(runs)


def test_the_shortest_run_has_a_mark_and_hours_of_waiting_leave_room() -> None:
    short, long = drawn(
        chart(
            [bar("short", 0, 3600, 3600.001), bar("long", 0, 3600, 3660)], at(9999), 80, Strokes()
        )
    )

    assert short.count("█") == 1
    assert long.count("█") >= len(long) // 3


def test_a_run_that_ended_before_it_began_waited_until_then() -> None:
    lines = chart([bar("done", 0, 0, 10), bar("cancelled", 0, None, 5)], at(999), 80, PLAIN)
    done, cancelled = drawn(lines)

    assert lines[0].endswith("10.0 s"), "how long it took does not grow while it is looked at"
    assert "#" not in cancelled
    assert abs(len(cancelled) - len(done) // 2) <= 1


def test_tries_are_shown_where_there_was_more_than_one() -> None:
    once = chart([bar("a", 0, 0, 1)], at(1), 80, PLAIN)
    again = chart([bar("a", 0, 0, 1), Bar("b", "FAILED", tries=3)], at(1), 80, PLAIN)

    assert "tries" not in once[0]
    assert "tries" in again[0]


def test_long_names_keep_both_their_ends_on_a_terminal_and_all_in_a_pipe() -> None:
    name = "finra_otc_weekly_of_a_very_long_name_20251215.csv"

    cut = chart([bar(name, 0, 0, 1)], at(1), 60, Strokes())[2]
    whole = chart([bar(name, 0, 0, 1)], at(1), None, Strokes())[2]

    assert cut.startswith("fin")
    assert "…" in cut
    assert ".csv" in cut
    assert whole.startswith(name)


def test_in_a_pipe_a_chart_has_80_columns() -> None:
    lines = chart([bar("load", 0, 0, 1)], at(1), None, PLAIN)

    assert max(map(len, lines)) == 80
    assert all(line.isascii() for line in lines)


TIMES = st.none() | st.floats(-1e6, 1e6).map(at)
BARS = st.builds(
    Bar,
    label=st.text(st.sampled_from("ab-. é漢"), min_size=1, max_size=60),
    state=st.sampled_from(["RUNNING 12%", "3 of 1,000 FAILED", "PENDING"]),
    run=st.sampled_from(["", "12345678"]),
    depth=st.integers(0, 5),
    created=TIMES,
    started=TIMES,
    finished=TIMES,
    tries=st.integers(0, 12),
    remark=st.none() | st.text("abc ", max_size=60),
)


@given(st.lists(BARS, min_size=1, max_size=6), st.integers(1, 200), TIMES)
def test_no_line_is_wider_than_the_terminal(
    bars: list[Bar], width: int, now: datetime | None
) -> None:
    lines = chart(bars, now or T0, width, Strokes())

    assert len(lines) == len(bars) + 2
    assert all(cell_len(line) <= width for line in lines)


# From runs to lines


class Parts:
    """Answers what the tree asks about runs."""

    def __init__(self, inside: Mapping[str, list[Run]] = {}, **progress: Progress) -> None:
        self.inside = inside
        self.known = progress
        self.asked: list[str] = []

    def parts(self, run_id: str) -> Iterator[Run]:
        self.asked.append(run_id)
        yield from self.inside.get(run_id, [])

    def progress(self, run_ids: Collection[str]) -> Mapping[str, Progress]:
        return {run_id: self.known[run_id] for run_id in run_ids if run_id in self.known}


def run(run_id: str, state: RunState = RunState.SUCCEEDED, **more: Any) -> Run:
    values: dict[str, Any] = {
        "created_at": at(0),
        "started_at": at(1),
        "finished_at": at(2),
        "parent": "top",
        "step": run_id,
        "attempt": 1,
        "trigger": Trigger.WORKFLOW,
        **more,
    }
    return Run(run_id, "mine.one", {}, state, **values)


def top(*steps: PlannedStep, state: RunState = RunState.RUNNING) -> Run:
    return run("top", state, parent=None, step=None, plan=Plan(steps).to_dict())


def tree(reader: Parts) -> Callable[..., list[Bar]]:
    return StepTree(reader).bars  # type: ignore[arg-type]  # it asks these two things only


def test_steps_stand_in_the_order_in_which_they_began() -> None:
    parts = [run("b", started_at=at(5)), run("c", started_at=at(9)), run("a", started_at=at(7))]

    assert [bar.label for bar in tree(Parts())(top(), parts)] == ["b", "a", "c"]


def test_items_stand_together_below_their_sum() -> None:
    items = [run(f"i{n}", step="each", item=n, started_at=at(9 - n)) for n in range(3)]
    parts = [items[1], run("x", started_at=at(8)), items[0], items[2]]

    bars = tree(Parts())(top(), parts)

    assert [(bar.label, bar.depth) for bar in bars] == [
        ("each (3 items)", 0),
        ("each[0]", 1),
        ("each[1]", 1),
        ("each[2]", 1),
        ("x", 0),
    ]
    assert (bars[0].started, bars[0].finished) == (at(7), at(2))


def test_many_items_collapse_to_those_that_matter() -> None:
    states = [RunState.SUCCEEDED] * 9_000 + [RunState.FAILED] * 7 + [RunState.RUNNING]
    parts = [run(f"i{n}", state, step="each", item=n) for n, state in enumerate(states)]

    bars = tree(Parts())(top(), parts)

    assert collapsed(parts)
    assert (bars[0].label, bars[0].state) == ("each (9,008 items)", "7 of 9,008 FAILED")
    assert [bar.state for bar in bars[1:]] == ["FAILED"] * 5 + ["RUNNING"]


def test_so_many_items_are_shown_each() -> None:
    parts = [run(f"i{n}", step="each", item=n) for n in range(MOST_ITEMS)]

    assert not collapsed(parts)
    assert len(tree(Parts())(top(), parts)) == MOST_ITEMS + 1


def test_what_is_inside_a_workflow_is_indented_and_asked_for_once_it_is_shown() -> None:
    nested = [
        run(f"w{n}", step="each", item=n, plan=Plan((PlannedStep("s", "p", {}),)).to_dict())
        for n in range(MOST_ITEMS + 1)
    ]
    reader = Parts({"w0": [run("inner", parent="w0")]})

    few = tree(reader)(top(), nested[:1])
    many = tree(Parts())

    assert [(bar.label, bar.depth) for bar in few] == [
        ("each (1 items)", 0),
        ("each[0]", 1),
        ("inner", 2),
    ]
    assert len(many(top(), nested)) == 1


def test_how_far_a_run_is_stands_with_its_state() -> None:
    parts = [run("a", RunState.RUNNING), run("b", RunState.RUNNING)]
    reader = Parts(a=Progress("load", 9, 12, "files"), b=Progress("load", 9))

    assert [bar.state for bar in tree(reader)(top(), parts)] == ["RUNNING 75%", "RUNNING"]


def test_steps_that_are_not_begun_say_what_they_wait_for() -> None:
    steps = (PlannedStep("a", "p", {}), PlannedStep("b", "p", {}, after=("a",)))

    live = tree(Parts())(top(*steps), [run("a")])
    over = tree(Parts())(top(*steps, state=RunState.CANCELLED), [run("a")])

    assert (live[1].state, live[1].remark) == ("not yet", "after a")
    assert len(over) == 1


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (run("a", RunState.SKIPPED, warnings=("skipped, because b failed",)), "because b failed"),
        (run("a", retry_of="0000-12345678"), "done by run 12345678"),
    ],
)
def test_a_step_that_was_not_done_says_why(part: Run, said: str) -> None:
    [shown] = tree(Parts())(top(), [part])

    assert said in (shown.remark or "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.018, "18 ms"),
        (0.25, "0.25 s"),
        (12.34, "12.3 s"),
        (119.9, "119.9 s"),
        (200, "3 min 20 s"),
        (7200, "2 h"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_are_told_in_two_units_at_most(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("7d", NOW - timedelta(days=7), NOW - timedelta(days=7)),
        ("1d 12h", NOW - timedelta(hours=36), NOW - timedelta(hours=36)),
        ("2026-01-05", datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)),
        ("2026-01-05T09:00+01:00", at(-3600), at(-3600)),
    ],
)
def test_times_are_ages_dates_and_moments(text: str, first: datetime, last: datetime) -> None:
    ended = until(text, NOW)

    assert since(text, NOW) == first
    assert ended is not None
    assert last - ended <= timedelta(microseconds=1)


@pytest.mark.parametrize("text", ["", "soon", "7", "7 days", "-7d", "d", "9" * 30 + "d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    for read in (since, until):
        with pytest.raises(ValidationError, match="is no time"):
            read(text, NOW)
    with pytest.raises(ValidationError, match="is no duration"):
        age(text, "--older-than")
