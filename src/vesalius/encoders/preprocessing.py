"""From a decoded image to what a tower sees, described by data: operations in their order.

Their rounding is that of the authors' own pipelines (open_clip, transformers, torchvision), without
torchvision, so that a worker starts fast. Legend: H W pixels of the image, C channels, S the
tower's image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import ImageError, ModelError, unknown
from vesalius.encoders.operations import (
    Crop,
    Floats,
    Normalise,
    Operation,
    Resize,
    Square,
    as_dict,
    from_dict,
)

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor

RESIZES = ("shortest", "longest", "squash")
ON_EITHER = (Resize, Square)
"""Operations that work on bytes and on floats; of the others only Normalise works on floats."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """``operations`` in their order; at their end stands an image of ``size`` × ``size`` pixels.

    A value is picklable and runs in loader workers; as plain values it stands in config.json.

    >>> Preprocessing.usual(8)(np.zeros((10, 20), np.uint8)).shape
    torch.Size([3, 8, 8])
    """

    size: int
    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        kinds = [type(operation) for operation in self.operations]
        if kinds.count(Floats) != 1:
            raise ModelError("preprocessing wants 'floats' once among its operations")
        turn = kinds.index(Floats)
        for place, kind in enumerate(kinds):
            if kind in ON_EITHER or kind is Floats:
                continue
            if (kind is Normalise) != (place > turn):
                where = "after" if kind is Normalise else "before"
                raise ModelError(f"'{kind.__name__.lower()}' can only stand {where} 'floats'")

    @classmethod
    def usual(
        cls,
        size: int,
        *,
        mean: Sequence[float] | None = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
        interpolation: str = "bilinear",
        resize: str = "shortest",
        fill: int = 0,
    ) -> Preprocessing:
        """Return open_clip's evaluation transform: resize, crop or pad, ÷255, mean and std.

        ``resize`` is ``shortest`` (then a centre crop), ``longest`` (then a border of ``fill``) or
        ``squash`` (both sides, aspect lost); without a ``mean`` the values stay in [0, 1].
        """
        if resize not in RESIZES:
            raise unknown("resize", resize, RESIZES)
        fit = Resize(side="both" if resize == "squash" else resize, filter=interpolation)
        steps: list[Operation] = [fit]
        steps += [] if resize == "squash" else [Crop(fill=fill)]
        steps += [Floats()]
        steps += [] if mean is None else [Normalise(tuple(mean), tuple(std))]
        return cls(size, tuple(steps))

    def __call__(self, image: UInt8[np.ndarray, "H W ..."]) -> Float[Tensor, "C S S"]:
        """Return the image as a float32 tensor; raises ImageError on another dtype or shape."""
        import torch
        from PIL.Image import fromarray

        if image.dtype != np.uint8 or not (
            image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
        ):
            raise ImageError(
                f"an image of shape {image.shape} and type {image.dtype}: the model takes uint8, "
                "(H, W) grey or (H, W, 3) colour"
            )
        values_HWC: Any = fromarray(image)
        for operation in self.operations:
            values_HWC = operation(values_HWC, self.size)
        if values_HWC.shape != (self.size, self.size, 3):
            raise ModelError(
                f"the operations ({self.describe()}) make {values_HWC.shape[:2]} pixels of "
                f"{image.shape[:2]}, not {self.size} × {self.size}"
            )
        return torch.from_numpy(np.ascontiguousarray(values_HWC.transpose(2, 0, 1)))

    def resized(self, size: int) -> Preprocessing:
        """Return the same operations for a tower of another image size."""
        return replace(self, size=size)

    def describe(self) -> str:
        """Return everything that changes the pixels, in one line."""
        return ", ".join(operation.describe(self.size) for operation in self.operations)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"size": self.size, "operations": [as_dict(step) for step in self.operations]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Return the preprocessing that :meth:`as_dict` wrote, today or before it had operations.

        Raises ModelError or ChoiceError for an operation or a setting that there is not.
        """
        if "operations" not in values:
            return cls.usual(**values)
        steps = tuple(from_dict(step) for step in values["operations"])
        return cls(int(values["size"]), steps)
