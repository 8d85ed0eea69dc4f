"""The loader: decodes and prepares images in worker processes, in a fixed order.

Unreadable images are left out and listed; too many of them stop the work. What was prepared once
may be kept in memory up to a bound, so that later epochs neither decode nor render again.

Legend of shapes: N cases, B batch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, ImageColumn, ImageError, Skipped

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

log = logging.getLogger(__name__)

Prepare = Callable[[Any], Any]
T = TypeVar("T")

WORTH_WORKERS = 256  # fewer images are read sooner than processes start
MOST_WORKERS = 8
NAMED = 5  # broken files that an error names


def batches(
    cases: CaseSet,
    prepare: Prepare,
    *,
    batch_size: int,
    bad: BadImages | None = None,
    order: Sequence[int] | NDArray[np.integer] | None = None,
    workers: int | None = None,
    max_bad: float = 0.05,
) -> Generator[tuple[Int[np.ndarray, "B"], Float[Tensor, "B ..."]], None, None]:
    """Yield ``(indices_B, pixels_B…)``: prepared images stacked, in the given order.

    Images that cannot be read are left out, so that a batch may be smaller, and put into ``bad``.

    Args:
        prepare: from a uint8 image to an array of one shape for all; it must be picklable.
        bad: collects the unreadable images; by default a new one that allows ``max_bad``.
        order: the positions to read; all, in their order, by default.
        workers: processes; None chooses by the number of images and cores, 0 stays in this one.

    Raises:
        DataError: more than the allowed share of the images cannot be read.
    """
    bad = BadImages(len(cases), most=max_bad) if bad is None else bad
    everything = np.arange(len(cases)) if order is None else np.asarray(order)
    groups = [everything[i : i + batch_size] for i in range(0, len(everything), batch_size)]
    loader = Loader(cases, prepare, bad=bad, workers=workers)
    for indices_B, pixels in loader.batches(groups):
        if len(indices_B):
            yield indices_B, pixels


def in_groups(order_N: NDArray[np.integer], batch_size: int) -> list[NDArray[np.integer]]:
    """Cut an order into batches; a last batch of one joins the one before it.

    Batch normalisation cannot learn from one case, and a contrastive loss has no negative in it.

    >>> [len(group) for group in in_groups(np.arange(9), 4)]
    [4, 5]
    """
    groups = [order_N[i : i + batch_size] for i in range(0, len(order_N), batch_size)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [np.concatenate(groups[-2:])]
    return groups


class Loader:
    """Reads the images of a set as often as asked, and remembers which ones are unreadable.

    ``dtype`` is that of the batches *and* of what is kept in memory, so that an image has the same
    values whether it was kept or read again. ``cache_bytes`` bounds what is kept (0: nothing).
    """

    def __init__(
        self,
        cases: CaseSet,
        prepare: Prepare,
        *,
        bad: BadImages,
        workers: int | None = None,
        cache_bytes: int = 0,
        dtype: str = "float32",
    ) -> None:
        self.cases = cases
        self.bad = bad
        self.workers = workers
        self._fetch = Prepared(cases.images, prepare, dtype)
        self._kept: dict[int, NDArray[Any]] = {}
        self._unreadable: set[int] = set()
        self._room = cache_bytes

    def batches(
        self, groups: Sequence[NDArray[np.integer]]
    ) -> Iterator[tuple[Int[np.ndarray, "B"], Float[Tensor, "B ..."]]]:
        """Yield one batch a group, without its unreadable images; it may be empty."""
        missing = [
            [int(i) for i in group if int(i) not in self._kept and int(i) not in self._unreadable]
            for group in groups
        ]
        reading = read_groups(self._fetch, [m for m in missing if m], workers=self.workers)
        try:
            for group, asked in zip(groups, missing, strict=True):
                fresh = dict(zip(asked, next(reading), strict=True)) if asked else {}
                yield self._stack(group, fresh)
        finally:
            reading.close()

    def _stack(
        self, group: NDArray[np.integer], fresh: dict[int, NDArray[Any] | Unreadable]
    ) -> tuple[NDArray[np.integer], Tensor]:
        import torch

        for index, value in fresh.items():
            if isinstance(value, Unreadable):
                self._unreadable.add(index)
                self.bad.add(self.cases.images.name(index), value.reason)
            elif value.nbytes <= self._room:
                self._kept[index] = value
                self._room -= value.nbytes
        rows = [int(i) for i in group if int(i) not in self._unreadable]
        values: list[Any] = [self._kept[i] if i in self._kept else fresh[i] for i in rows]
        stacked = np.stack(values) if values else np.empty((0,), dtype=self._fetch.dtype)
        return np.array(rows, dtype=np.intp), torch.from_numpy(stacked)


class BadImages:
    """The images that could not be read, in the order of their discovery, within a bound.

    ``add`` raises DataError as soon as more than the share ``most`` of ``total`` are broken.
    """

    def __init__(self, total: int, *, most: float = 0.05) -> None:
        self.total = total
        self.most = most
        self.found: dict[str, Skipped] = {}

    def add(self, name: str, reason: str) -> None:
        if name not in self.found:
            self.found[name] = Skipped(name, reason)
            log.warning("left out: %s", reason)
        if len(self.found) > self.most * self.total:
            first = "; ".join(bad.reason for bad in self.skipped[:NAMED])
            raise DataError(
                f"{len(self.found)} of {self.total} images cannot be read, more than the bound of "
                f"{self.most:.0%}: {first}; mend them or take them out of the set ('vesalius data "
                "inspect' lists them all), or allow more, as in max_bad=0.2"
            )

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        return tuple(self.found.values())


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a fetch left instead of a value."""

    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """Fetches one image by its index: opened, prepared, as an array of a dtype."""

    images: ImageColumn
    prepare: Prepare
    dtype: str = "float32"

    def __call__(self, index: int) -> NDArray[Any]:
        return np.asarray(self.prepare(self.images[index])).astype(self.dtype, copy=False)


@dataclass(frozen=True, slots=True)
class _Groups(Generic[T]):
    """The groups as a torch data set: one item is one group, fetched."""

    fetch: Callable[[int], T]
    groups: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: int) -> list[T | Unreadable]:
        return [self._one(index) for index in self.groups[number]]

    def _one(self, index: int) -> T | Unreadable:
        try:
            return self.fetch(index)
        except (ImageError, OSError) as error:
            return Unreadable(str(error))


def read_groups(
    fetch: Callable[[int], T],
    groups: Sequence[Sequence[int]],
    *,
    workers: int | None = None,
) -> Generator[list[T | Unreadable], None, None]:
    """Yield the fetched values of each group, in order; an image error becomes ``Unreadable``.

    Worker processes live as long as the iteration: they end with it, also when it is broken off.
    """
    source = _Groups(fetch, groups)
    count = sum(len(group) for group in groups)
    processes = min(chosen_workers(count) if workers is None else workers, len(groups))
    if processes == 0:
        yield from (source[number] for number in range(len(source)))
        return
    from torch import Generator as RandomState
    from torch.utils.data import DataLoader

    # arrays travel through a pipe: shared memory is scarce in containers, and a lack of it kills
    loader: Any = DataLoader(
        source,  # type: ignore[arg-type]
        batch_size=None,
        num_workers=processes,
        collate_fn=_as_it_is,
        worker_init_fn=_begin_worker,
        generator=RandomState(),  # it draws a seed: not from the global state
    )
    running = iter(loader)
    try:
        yield from running
    finally:
        running._shutdown_workers()  # else they live until the traceback is forgotten


def chosen_workers(count: int) -> int:
    """Return how many processes are worth starting for so many images: none, or a core less."""
    if count < WORTH_WORKERS:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_WORKERS, (cores or 1) - 1)


def _as_it_is(values: T) -> T:
    return values


def _begin_worker(number: int) -> None:
    """Leave Ctrl-C to the parent, which ends the workers itself."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
