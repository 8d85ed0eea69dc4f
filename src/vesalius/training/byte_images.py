"""A preprocessing in two halves: bytes, of which views are made, and then floats.

Legend of shapes: B batch, C channels, H W pixels of the image, S those of the tower.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vesalius.core import TrainingError
from vesalius.encoders.operations import Floats, Normalise, Operation
from vesalius.encoders.preprocessing import Preprocessing

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Bytes:
    """What comes before the floats: from a decoded image to uint8 pixels at the tower's size."""

    whole: Preprocessing
    operations: tuple[Operation, ...]

    def __call__(self, image: UInt8[np.ndarray, "H W ..."]) -> UInt8[np.ndarray, "C S S"]:
        from PIL.Image import fromarray

        values: Any = fromarray(image)
        for operation in self.operations:
            values = operation(values, self.whole.size)
        pixels_SSC = np.asarray(values.convert("RGB"))
        return np.ascontiguousarray(pixels_SSC.transpose(2, 0, 1))


@dataclass(frozen=True, slots=True)
class Normalised:
    """What comes after the views: from [0, 1] to what the tower takes."""

    scale: float
    operations: tuple[Normalise, ...]

    def __call__(self, views_BCSS: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C S S"]:
        views_BCSS = views_BCSS * self.scale if self.scale != 1 else views_BCSS
        for operation in self.operations:
            mean, std = (
                torch.tensor(values, device=views_BCSS.device)[:, None, None]
                for values in (operation.mean, operation.std)
            )
            views_BCSS = (views_BCSS - mean) / std
        return views_BCSS


def bytes_then_floats(preprocess: Any) -> tuple[Bytes, Callable[[Tensor], Tensor]]:
    """Return both halves of a preprocessing: bytes of one image, floats of a batch of views.

    Raises:
        TrainingError: the model resizes floats, or prepares pixels by code of its own.
    """
    if not isinstance(preprocess, Preprocessing):
        raise TrainingError("views: this model prepares its pixels by code of its own")
    operations = preprocess.operations
    kinds = [type(operation) for operation in operations]
    turn = kinds.index(Floats)
    floats, after = operations[turn], operations[turn + 1 :]
    assert isinstance(floats, Floats), "found by its type"
    norms = tuple(step for step in after if isinstance(step, Normalise))
    if len(norms) != len(after):
        raise TrainingError(
            f"views are made of bytes, and this model changes floats: {preprocess.describe()}"
        )
    return Bytes(preprocess, operations[:turn]), Normalised(255 / floats.divide, norms)
