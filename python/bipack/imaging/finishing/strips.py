"""Work cut into strips that run side by side and stay in the processor's cache.

A 4K frame is far larger than any cache, so a filter made of many small steps is many times faster a strip at a time.
OpenCV and numpy let go of Python's lock, so strips run on all cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_MOST_THREADS = 8
"""More only wait for memory."""


def in_strips(length: int, size: int, work: Callable[[int, int], None]) -> None:
    """Call `work(first, last)` for every strip of `size` of a side of `length`; `last` is not inside the strip.

    Strips run at once in any order, so they must write to different places. The first error is raised.
    """
    edges = [*range(0, length, max(1, size)), length]
    threads = min(os.cpu_count() or 1, _MOST_THREADS, len(edges) - 1)
    if threads <= 1:
        for first, last in zip(edges, edges[1:]):
            work(first, last)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="bipack-strip") as pool:
        for done in [pool.submit(work, first, last) for first, last in zip(edges, edges[1:])]:
            done.result()
