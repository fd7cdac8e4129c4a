"""The examples of a page are found as they stand there, and a wrong one is not taken for right."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_examples import Example, examples, pairs

PAGE = """\
# A page

```console
$ export A=1
$ say '{
    "two": 2
  }' now  # it's a comment
two
lines
$ say nothing
```

```sh
spine serve
```

```python
print("one")
```

```text
one
```

```python
x = 1
```

Some words.

```text
no output of it
```
"""


def test_commands_and_blocks_are_found_with_what_they_show(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    assert list(examples(page)) == [
        Example("console", 4, "export A=1", ()),
        Example(
            "console", 5, "say '{\n    \"two\": 2\n  }' now  # it's a comment", ("two", "lines")
        ),
        Example("console", 10, "say nothing", ()),
        Example("python", 18, 'print("one")\n', ("one",)),
        Example("python", 26, "x = 1\n", ()),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["a"], False),
        (["a"], ["a", "b"], False),
        (["a"], [], False),
        (["a   b"], ["a b"], True),
        (["a", "...", "z"], ["a", "b", "z", "y", "z"], True),
        (["a", "..."], ["a"], True),
        (["a", "...", "z"], ["a", "b"], False),
        (["...", "a", "...", "b", "..."], ["b", "a"], False),
        (["took in 0.27 s"], ["took in 1.31 s"], True),
        (["took in 0.27 s"], ["took in 0.27 m"], False),
    ],
)
def test_what_is_printed_is_compared_line_by_line(
    shown: list[str], printed: list[str], same: bool
) -> None:
    assert (pairs(shown, printed) is not None) is same


def test_lines_are_paired_with_those_that_they_stand_for() -> None:
    one, other = "01a21c6d-2fb7-767d-ba01-b868b05943f8", "01a21c6c-e600-7677-a6c9-51da35e85e87"

    assert pairs([f"run {one}", "...", "end"], [f"run {other}", "x", "end"]) == [
        (f"run {one}", f"run {other}"),
        ("end", "end"),
    ]
