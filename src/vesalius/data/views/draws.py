"""Draws: what happens to each image of a batch, decided on the CPU before any pixel is touched.

Legend of shapes: B images, T tries, 4 the sides of a box or the four changes of colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import log
from typing import TYPE_CHECKING, Any

import torch

from vesalius.core.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Generator, Tensor

    from vesalius.data.views.presets import Preset

TRIES = 10  # torchvision's: then the largest centred crop of an allowed aspect
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


@dataclass(frozen=True, slots=True)
class Draws:
    """What happens to each image; indexed by rows, it is what happens to those.

    ``boxes_B4`` are top, left, height and width of the crop in pixels. ``angles_B`` turn
    counterclockwise, in degrees. ``factors_B4`` are brightness, contrast, saturation and hue (a
    shift), applied in the order of ``order_B4`` where ``jitter_B``. None: it happens to no image.
    ``sigmas_B`` of 0 leave an image sharp.
    """

    boxes_B4: Float[Tensor, "B 4"]
    flips_B: Bool[Tensor, "B"]
    angles_B: Float[Tensor, "B"] | None
    jitter_B: Bool[Tensor, "B"]
    factors_B4: Float[Tensor, "B 4"]
    order_B4: Int[Tensor, "B 4"]
    grey_B: Bool[Tensor, "B"]
    sigmas_B: Float[Tensor, "B"]

    def __len__(self) -> int:
        return len(self.flips_B)

    def __getitem__(self, rows: Any) -> Draws:
        """Return the draws of some rows: a slice, a list or a tensor of places."""
        return self._each(lambda value: value[rows])

    def to(self, device: torch.device) -> Draws:
        """Return the draws on a device."""
        return self._each(lambda value: value.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        changed: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            changed[field.name] = None if value is None else change(value)
        return Draws(**changed)


def draw(preset: Preset, count: int, size: tuple[int, int], generator: Generator) -> Draws:
    """Return the draws of a batch; distributions are those of torchvision's random transforms.

    >>> from vesalius.data.views import preset
    >>> drawn = draw(preset("simclr"), 8, (28, 28), torch.Generator().manual_seed(0))
    >>> len(drawn), len(drawn[2:5])
    (8, 3)

    Raises:
        DataError: an image has no pixels.
    """
    if min(size) < 1:
        raise DataError(f"images of {size[0]} x {size[1]} pixels cannot be cropped")
    boxes_B4 = (
        _crops(preset, count, size, generator)
        if preset.crops
        else _frames(preset, count, size, generator)
    )
    flips_B = _chance(preset.flip, count, generator)
    angles_B = preset.turn * _uniform(-1, 1, count, generator) if preset.turn else None
    jitter_B = _chance(preset.jitter, count, generator)
    spreads = (preset.brightness, preset.contrast, preset.saturation)
    factors = [_uniform(max(0.0, 1 - s), 1 + s, count, generator) for s in spreads]
    factors.append(_uniform(-preset.hue, preset.hue, count, generator))
    order_B4 = torch.rand(count, 4, generator=generator).argsort(dim=1)
    grey_B = _chance(preset.grey, count, generator)
    blurred_B = _chance(preset.blur, count, generator)
    sigmas_B = _uniform(*preset.sigma, count, generator) * blurred_B
    return Draws(
        boxes_B4, flips_B, angles_B, jitter_B, torch.stack(factors, 1), order_B4, grey_B, sigmas_B
    )


def _crops(
    preset: Preset, count: int, size: tuple[int, int], generator: Generator
) -> Float[Tensor, "B 4"]:
    """Return whole-pixel boxes: the first of ten tries that fits, or else the largest in the middle
    (as torchvision's RandomResizedCrop)."""
    height, width = size
    areas_BT = height * width * _uniform(*preset.area, (count, TRIES), generator).double()
    low, high = preset.aspect
    aspects_BT = _uniform(log(low), log(high), (count, TRIES), generator).double().exp()
    widths_BT = (areas_BT * aspects_BT).sqrt().round()
    heights_BT = (areas_BT / aspects_BT).sqrt().round()
    fits_BT = (widths_BT >= 1) & (widths_BT <= width) & (heights_BT >= 1) & (heights_BT <= height)
    first_B1 = fits_BT.int().argmax(1, keepdim=True)
    widths_B, heights_B = widths_BT.gather(1, first_B1)[:, 0], heights_BT.gather(1, first_B1)[:, 0]
    places_B2 = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    tops_B = (places_B2[:, 0] * (height - heights_B + 1)).floor()
    lefts_B = (places_B2[:, 1] * (width - widths_B + 1)).floor()
    boxes_B4 = torch.stack([tops_B, lefts_B, heights_B, widths_B], 1)
    middle_4 = torch.tensor(_middle(preset, size), dtype=torch.float64)
    return torch.where(fits_BT.any(1, keepdim=True), boxes_B4, middle_4).float()


def _middle(preset: Preset, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest box in the middle whose aspect is allowed."""
    height, width = size
    aspect = min(max(width / height, preset.aspect[0]), preset.aspect[1])
    w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
    return float((height - h) // 2), float((width - w) // 2), float(h), float(w)


def _frames(
    preset: Preset, count: int, size: tuple[int, int], generator: Generator
) -> Float[Tensor, "B 4"]:
    """Return the image's own frame, zoomed and shifted."""
    sides_2 = torch.tensor(size, dtype=torch.float32)
    zoom_B1 = 1 + preset.zoom * _uniform(-1, 1, (count, 1), generator)
    shift_B2 = preset.shift / 2 * _uniform(-1, 1, (count, 2), generator) * sides_2
    extents_B2 = zoom_B1 * sides_2
    return torch.cat([(sides_2 - extents_B2) / 2 + shift_B2, extents_B2], 1)


def _uniform(low: float, high: float, shape: int | tuple[int, ...], generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _chance(probability: float, count: int, generator: Generator) -> Bool[Tensor, "B"]:
    return torch.rand(count, generator=generator) < probability
