"""From a decoded image to what a tower sees, described by data.

The steps and their rounding are those of open_clip's evaluation transform (Pillow resize with
antialiasing → centre crop or pad → ÷255 → mean and standard deviation), without torchvision, so
that a worker starts fast. Legend: H W pixels of the image, C channels, S the tower's image size.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vesalius.core import ImageError, ModelError, unknown

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from PIL.Image import Image
    from torch import Tensor

INTERPOLATIONS = ("bilinear", "bicubic")
RESIZES = ("shortest", "longest", "squash")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Resize to ``size`` pixels, crop to a square, scale to [0, 1], subtract mean, divide by std.

    ``resize`` is ``shortest`` (shortest side, then centre crop), ``longest`` (longest side, then
    pad with ``fill``) or ``squash`` (both sides, aspect lost). Grey images become three equal
    channels. A value is picklable and runs in loader workers.

    >>> Preprocessing(size=8)(np.zeros((10, 20), np.uint8)).shape
    torch.Size([3, 8, 8])
    """

    size: int
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    interpolation: str = "bilinear"
    resize: str = "shortest"
    fill: int = 0

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", self.interpolation, INTERPOLATIONS)
        if self.resize not in RESIZES:
            raise unknown("resize", self.resize, RESIZES)
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ModelError(f"preprocessing wants 3 means and 3 positive stds, not {self}")

    def __call__(self, image: UInt8[np.ndarray, "H W ..."]) -> Float[Tensor, "C S S"]:
        """Return the image as a float32 tensor; raises ImageError on another dtype or shape."""
        import torch
        from PIL import Image

        if image.dtype != np.uint8 or not (
            image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
        ):
            raise ImageError(
                f"an image of shape {image.shape} and type {image.dtype}: the model takes uint8, "
                "(H, W) grey or (H, W, 3) colour"
            )
        fitted = self._fit(Image.fromarray(image))
        values_HWC = np.asarray(fitted.convert("RGB"), dtype=np.float32) / np.float32(255)
        values_HWC -= np.asarray(self.mean, np.float32)
        values_HWC /= np.asarray(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(values_HWC.transpose(2, 0, 1)))

    def _fit(self, image: Image) -> Image:
        """Return the image as a square of ``size``; rounding as torchvision and open_clip do it."""
        from PIL.Image import Resampling

        filters = {"bilinear": Resampling.BILINEAR, "bicubic": Resampling.BICUBIC}
        target = self._resized(image.width, image.height)
        if target != image.size:
            image = image.resize(target, filters[self.interpolation])
        if image.size == (self.size, self.size):
            return image
        return self._crop_or_pad(image)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.resize == "squash":
            return self.size, self.size
        if self.resize == "longest":
            ratio = max(width, height) / self.size
            return round(width / ratio), round(height / ratio)
        if width <= height:
            return self.size, int(self.size * height / width)
        return int(self.size * width / height), self.size

    def _crop_or_pad(self, image: Image) -> Image:
        from PIL import ImageOps

        across, down = max(self.size - image.width, 0), max(self.size - image.height, 0)
        if across or down:
            border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
            fill = self.fill if image.mode == "L" else (self.fill,) * 3
            image = ImageOps.expand(image, border, fill)
        left = round((image.width - self.size) / 2.0)
        top = round((image.height - self.size) / 2.0)
        return image.crop((left, top, left + self.size, top + self.size))

    def describe(self) -> str:
        """Return everything that changes the pixels, in one line."""
        means = ",".join(f"{value:g}" for value in self.mean)
        stds = ",".join(f"{value:g}" for value in self.std)
        shape = {"shortest": "centre crop", "longest": f"pad {self.fill}", "squash": "no crop"}
        return (
            f"{self.interpolation} {self.resize} {self.size}, {shape[self.resize]}, RGB, "
            f"mean {means}, std {stds}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Return the preprocessing that :meth:`as_dict` wrote."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
