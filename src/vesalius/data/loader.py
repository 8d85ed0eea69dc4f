"""The loader: images decoded and prepared in worker processes, in a given order.

Legend of shapes: B batch, C channels, S image size.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from os import cpu_count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, ImageColumn, ImageError, Skipped

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8
    from torch import Tensor

log = logging.getLogger(__name__)

Prepare = Callable[["UInt8[np.ndarray, 'H W ...']"], "Float[Tensor, 'C S S']"]
FEW = 128  # images that one process opens sooner than workers start
MOST_WORKERS = 8
NAMED = 5  # broken files that an error names


class BadImages:
    """The images that could not be read, in the order of their discovery, within a bound.

    ``add`` raises DataError as soon as more than ``most`` of ``total`` images are broken.
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
            first = "; ".join(bad.reason for bad in list(self.found.values())[:NAMED])
            raise DataError(
                f"{len(self.found)} of {self.total} images cannot be read, more than the bound of "
                f"{self.most:.0%}: {first}"
            )


def batches(
    cases: CaseSet,
    prepare: Prepare,
    *,
    batch_size: int,
    bad: BadImages,
    order: NDArray[np.integer[Any]] | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Int[np.ndarray, "B"], Float[Tensor, "B C S S"]]]:
    """Yield (positions in ``cases``, prepared images), in the given order.

    Images that cannot be read are left out and put into ``bad``; a batch is then smaller.

    Args:
        prepare: from a decoded image to a tensor; runs in the workers, so it must be picklable.
        order: the positions to read; all, in their order, by default.
        workers: processes; by default one a core, none for a few images.

    Raises:
        DataError: more images are broken than ``bad`` allows.
    """
    import torch
    from torch.utils.data import DataLoader

    positions = np.arange(len(cases)) if order is None else np.asarray(order)
    if workers is None:
        workers = 0 if len(positions) < FEW else min(cpu_count() or 1, MOST_WORKERS)
    loader: Any = DataLoader(
        _Opened(cases.images, prepare),  # type: ignore[arg-type]
        batch_size=batch_size,
        sampler=positions.tolist(),
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=_one_thread if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
    for items in loader:
        for position, _, reason in items:
            if reason:
                bad.add(cases.images.name(position), reason)
        read = [(position, image) for position, image, reason in items if not reason]
        if read:
            yield np.array([p for p, _ in read]), torch.stack([image for _, image in read])


class _Opened:
    """A map from position to (position, prepared image or None, why it cannot be read)."""

    def __init__(self, images: ImageColumn, prepare: Prepare) -> None:
        self.images = images
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[int, Tensor | None, str]:
        try:
            return position, self.prepare(self.images[position]), ""
        except ImageError as error:
            return position, None, str(error)


def _one_thread(_: int) -> None:
    import torch

    torch.set_num_threads(1)
