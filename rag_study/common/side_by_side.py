"""Tasks that wait for another process, some of them at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def results(tasks: Iterable[Callable[[], T]], at_once: int) -> Iterator[T]:
    """What the tasks return, in their order; `at_once` of them are under way, in threads.

    Tasks are taken as they are needed, so that what makes them may take its time. After one that
    raises, or where nobody asks further, none is begun; those under way are waited for.
    """
    pool, pending = ThreadPoolExecutor(at_once), deque[Future]()
    try:
        for task in tasks:
            pending.append(pool.submit(task))
            if len(pending) > at_once:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
