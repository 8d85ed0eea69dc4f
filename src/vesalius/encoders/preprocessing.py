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
RESIZES = ("shortest", "longest", "squash", "corner")


def _stretch(image: Image, size: int) -> Image:
    from PIL.Image import fromarray

    values = np.asarray(image, np.float64)
    values = values - values.min()
    return fromarray((values / (values.max() or 1) * 255).astype(np.uint8))


def _grey(image: Image, size: int) -> Image:
    return image.convert("L")


def _square(image: Image, size: int) -> Image:
    from PIL.Image import new

    side = max(size, *image.size)
    square = new(image.mode, (side, side), 0)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


FIRST = {"stretch": _stretch, "grey": _grey, "square": _square}
"""What can be done before the resize: ``stretch`` from the image's own minimum and maximum to
0-255 (bytes, rounded down); one ``grey`` channel; a black ``square`` of at least ``size`` with the
image in its middle."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Resize to ``size`` pixels, crop to a square, scale to [0, 1], subtract mean, divide by std.

    ``resize`` is ``shortest`` (shortest side, then centre crop), ``longest`` (longest side, then
    pad with ``fill``), ``squash`` (both sides, aspect lost) or ``corner`` (longest side, on floats
    and not on bytes, then black on the right and below). ``resize_to`` is the side to resize to
    where the crop is smaller; ``first`` are operations of :data:`FIRST`, in their order. Grey
    images become three equal channels. A value is picklable and runs in loader workers.

    >>> Preprocessing(size=8)(np.zeros((10, 20), np.uint8)).shape
    torch.Size([3, 8, 8])
    """

    size: int
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    interpolation: str = "bilinear"
    resize: str = "shortest"
    fill: int = 0
    resize_to: int = 0
    first: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.first:
            if name not in FIRST:
                raise unknown("first operation", name, FIRST)
        if self.resize_to and (self.resize != "shortest" or self.resize_to < self.size):
            raise ModelError(f"resize_to wants resize='shortest' and at least size, not {self}")
        if self.interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", self.interpolation, INTERPOLATIONS)
        if self.resize not in RESIZES:
            raise unknown("resize", self.resize, RESIZES)
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ModelError(f"preprocessing wants 3 means and 3 positive stds, not {self}")

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
        picture = fromarray(image)
        for name in self.first:
            picture = FIRST[name](picture, self.size)
        if self.resize == "corner":
            values_HWC = self._cornered(picture)
        else:
            values_HWC = _floats(self._fit(picture))
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

    def _cornered(self, image: Image) -> Float[np.ndarray, "S S 3"]:
        """Resize with antialiasing on floats, as torchvision does it to tensors."""
        import torch

        values_CHW = torch.from_numpy(_floats(image)).permute(2, 0, 1)
        scale = max(image.size) / self.size
        shape = (max(int(image.height / scale), 1), max(int(image.width / scale), 1))
        small_CHW = torch.nn.functional.interpolate(
            values_CHW[None], shape, mode=self.interpolation, antialias=True
        )[0]
        values_HWC = np.zeros((self.size, self.size, 3), np.float32)
        values_HWC[: shape[0], : shape[1]] = small_CHW.permute(1, 2, 0).numpy()
        return values_HWC

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.resize == "squash":
            return self.size, self.size
        if self.resize == "longest":
            ratio = max(width, height) / self.size
            return round(width / ratio), round(height / ratio)
        side = self.resize_to or self.size
        if width <= height:
            return side, int(side * height / width)
        return int(side * width / height), side

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
        shape = {
            "shortest": f"centre crop {self.size}" if self.resize_to else "centre crop",
            "longest": f"pad {self.fill}",
            "squash": "no crop",
            "corner": "on floats, pad 0 right and below",
        }
        steps = [*self.first, f"{self.interpolation} {self.resize} {self.resize_to or self.size}"]
        steps += [shape[self.resize], "RGB", f"mean {means}", f"std {stds}"]
        return ", ".join(steps)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Return the preprocessing that :meth:`as_dict` wrote."""
        tuples = {name: tuple(values.get(name, ())) for name in ("mean", "std", "first")}
        return cls(**{**values, **tuples})


def _floats(image: Image) -> Float[np.ndarray, "H W 3"]:
    values_HWC = np.asarray(image.convert("RGB"), dtype=np.float32)
    return values_HWC / np.float32(255)
