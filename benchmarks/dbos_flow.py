"""Five steps that do nothing, in a row, on DBOS: ``dbos_flow.py URL RUNS`` prints its runs/s."""

from __future__ import annotations

import logging
import sys
import time

from dbos import DBOS


@DBOS.step()
def step(number: int) -> int:
    return number


@DBOS.workflow()
def graph(number: int) -> int:
    for _ in range(5):
        step(number)
    return number


def main() -> None:
    url, runs = sys.argv[1], int(sys.argv[2])
    DBOS(config={"name": "noop", "system_database_url": url, "run_admin_server": False})
    DBOS.launch()
    logging.disable(logging.WARNING)
    DBOS.start_workflow(graph, 0).get_result()
    started = time.perf_counter()
    handles = [DBOS.start_workflow(graph, number) for number in range(runs)]
    for number, handle in enumerate(handles):
        if handle.get_result() != number:
            raise SystemExit("a run has another result")
    took = time.perf_counter() - started
    DBOS.destroy()
    print(f"{runs / took:.0f} runs/s, submitting included")


if __name__ == "__main__":
    main()
