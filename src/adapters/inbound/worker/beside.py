"""A worker in a thread beside a server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ....application.worker import Worker
from ....ports.execution import Execution

log = logging.getLogger(__name__)


@contextmanager
def working_beside(
    make: Callable[[], tuple[Worker, Execution]], until: Callable[[], bool] = lambda: False
) -> Iterator[Worker]:
    """A worker that works while the context is open; it takes nothing more once it is stopped.

    It ends sooner where ``until``, asked while there is nothing to do, says so. At the end of the
    context what is under way has the grace time to end.
    """
    worker, execution = make()

    def run() -> None:
        try:
            worker.run(until)
        except Exception:
            log.exception("the worker beside the server has ended; start another with spine worker")
        finally:
            execution.close()

    thread = threading.Thread(target=run, name="worker", daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()
