"""The images of a training: read once where memory allows, as half-precision pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet
from vesalius.data.loader import BadImages, Loader, Prepare
from vesalius.data.ranks import world
from vesalius.training.settings import Conditions

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

CACHE_BYTES = 2 * 2**30  # of prepared images in memory; what does not fit is read every epoch


class TrainingImages:
    """Prepared images of the two splits.

    Pixels are rounded to float16, a sixteenth of a grey level, whether they were kept or read
    again: a training that goes on after a kill sees the very same values.
    """

    def __init__(
        self,
        splits: dict[str, CaseSet],
        prepare: Prepare,
        conditions: Conditions,
        *,
        dtype: str = "float16",
    ) -> None:
        self._bytes = dtype == "uint8"
        total = sum(len(cases) for cases in splits.values())
        self._loaders = {
            name: Loader(
                cases,
                prepare,
                bad=BadImages(len(cases), most=conditions.max_bad),
                workers=conditions.workers,
                cache_bytes=CACHE_BYTES * len(cases) // (max(total, 1) * world()),
                dtype=dtype,
            )
            for name, cases in splits.items()
        }

    def batches(
        self, split: str, groups: Sequence[NDArray[np.integer]]
    ) -> Iterator[tuple[Int[np.ndarray, "B"], Float[Tensor, "B C H W"]]]:
        """Yield one batch a group, without its unreadable images: float32, or bytes if kept so."""
        for rows_B, pixels_BCHW in self._loaders[split].batches(groups):
            yield rows_B, pixels_BCHW if self._bytes else pixels_BCHW.float()
