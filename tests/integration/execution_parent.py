"""Starts a task and waits for its end, until it is killed. Has no guard against being imported.

python execution_parent.py KIND FOLDER DEED     KIND is processes or an address of Dask
"""

from __future__ import annotations

import sys

from market_spine.adapters.outbound.execution.dask import DaskExecution
from market_spine.adapters.outbound.execution.processes import ProcessExecution
from market_spine.ports.execution import Execution
from market_spine.testing.execution_entry import ENTRY
from market_spine.testing.execution_suite import task


def made(kind: str, folder: str) -> Execution:
    settings = {"folder": folder}
    if kind == "processes":
        return ProcessExecution(ENTRY, settings, slots=1)
    return DaskExecution(kind, ENTRY, settings, slots=1)


def main() -> None:
    kind, folder, deed = sys.argv[1:]
    execution = made(kind, folder)
    execution.start(task(deed))
    while not (ended := execution.wait(1.0)):
        pass
    print(ended[0].error)
    execution.close()


if sys.argv[1] == "dask":
    # Dask starts its workers as Python's multiprocessing does: with a guard only.
    if __name__ == "__main__":
        main()
else:
    main()
