"""Threads for sums over rows, in place of those that BLAS would start inside each product."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Task = TypeVar("Task")
Result = TypeVar("Result")

_controller = cache(ThreadpoolController)  # finding the libraries takes a millisecond
_lock = threading.Lock()
_limits: list[Any] = []  # one entry for each caller that is inside


@contextmanager
def _blas_on_one_thread() -> Iterator[int]:
    """Keep BLAS from starting threads; yields how many it may use otherwise.

    The limit is one of the whole process: the first caller sets it, the last one lifts it, and callers in between find
    that their share of the machine is one thread.
    """
    with _lock:
        _limits.append(_limits[0] if _limits else _controller().limit(limits=1, user_api="blas"))
        first = len(_limits) == 1
    try:
        yield (_limits[0].get_original_num_threads()["blas"] or 1) if first else 1
    finally:
        with _lock:
            limit = _limits.pop()
            if not _limits:
                limit.restore_original_limits()


def in_threads(function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """The results of a function for several tasks, in order, on as many threads as BLAS may use."""
    tasks = list(tasks)
    with _blas_on_one_thread() as n_threads:
        if min(n_threads, len(tasks)) == 1:
            yield from map(function, tasks)
        else:
            context = copy_context()  # holds numpy's error state
            with ThreadPoolExecutor(n_threads) as pool:
                yield from pool.map(lambda task: context.copy().run(function, task), tasks)
