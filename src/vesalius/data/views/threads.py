"""Torch's own threads, put aside: views cut a batch among threads by its images instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def single_threaded_ops() -> Iterator[int]:
    """Keep torch from cutting single operations among threads; yield how many threads it had.

    The operations of views are too small for it: threads that wait for the next one spin, and on a
    busy machine that takes several times longer. Sums that are cut are rounded otherwise, too.

    >>> before = torch.get_num_threads()
    >>> with single_threaded_ops() as threads:
    ...     inside = torch.get_num_threads()
    >>> inside, threads == before == torch.get_num_threads()
    (1, True)
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)
