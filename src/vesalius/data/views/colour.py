"""Brightness, contrast, saturation, hue and grey, in place, on floats within [0, 1].

The same as torchvision's ``adjust_*`` on float images. Legend of shapes: B batch, C channels
(1 or 3), H W pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    Pixels = Float[Tensor, "B C H W"]
    PerImage = Float[Tensor, "B"]

RED, GREEN, BLUE = 0.2989, 0.587, 0.114  # ITU-R 601-2, as torchvision rounds them


def brighten_(pixels_BCHW: Pixels, factor_B: PerImage) -> Pixels:
    """Multiply each image by its factor."""
    return pixels_BCHW.mul_(_each(factor_B)).clamp_(0, 1)


def contrast_(pixels_BCHW: Pixels, factor_B: PerImage) -> Pixels:
    """Move each image away from the mean of its grey by its factor."""
    mean_B111 = luminance(pixels_BCHW).mean((1, 2, 3), keepdim=True)
    offset_B111 = (1 - _each(factor_B)) * mean_B111
    return pixels_BCHW.mul_(_each(factor_B)).add_(offset_B111).clamp_(0, 1)


def saturate_(pixels_BCHW: Pixels, factor_B: PerImage) -> Pixels:
    """Move each pixel away from its own grey by its image's factor."""
    if pixels_BCHW.shape[1] == 1:
        return pixels_BCHW
    grey_B1HW = luminance(pixels_BCHW).mul_(1 - _each(factor_B))
    return pixels_BCHW.mul_(_each(factor_B)).add_(grey_B1HW).clamp_(0, 1)


def shift_hue_(pixels_BCHW: Pixels, shift_B: PerImage) -> Pixels:
    """Turn each image's hues on the colour wheel, by a share of a full turn."""
    if pixels_BCHW.shape[1] == 1:
        return pixels_BCHW
    red, green, blue = pixels_BCHW.unbind(1)
    most = torch.maximum(torch.maximum(red, green), blue)
    chroma = most - torch.minimum(torch.minimum(red, green), blue)
    sixth = 1 / (6 * chroma.clamp(min=1e-12))
    hue = torch.where(
        most == red,
        (green - blue).mul_(sixth),
        torch.where(
            most == green,
            (blue - red).mul_(sixth).add_(1 / 3),
            (red - green).mul_(sixth).add_(2 / 3),
        ),
    )
    hue += shift_B[:, None, None]
    hue.sub_(hue.floor()).mul_(6)  # within [0, 6)
    # each channel falls from `most` by the chroma times its distance on the wheel, in [0, 1]
    fall = (hue - 3).abs_().neg_().add_(2).clamp_(0, 1)
    torch.addcmul(most, fall, chroma, value=-1, out=red)
    fall = torch.sub(hue, 2, out=fall).abs_().sub_(1).clamp_(0, 1)
    torch.addcmul(most, fall, chroma, value=-1, out=green)
    fall = torch.sub(hue, 4, out=fall).abs_().sub_(1).clamp_(0, 1)
    torch.addcmul(most, fall, chroma, value=-1, out=blue)
    return pixels_BCHW


def luminance(pixels_BCHW: Pixels) -> Float[Tensor, "B 1 H W"]:
    """Return the grey of each pixel, in new memory."""
    if pixels_BCHW.shape[1] == 1:
        return pixels_BCHW.clone()
    red, green, blue = pixels_BCHW.split(1, dim=1)
    return (red * RED).add_(green, alpha=GREEN).add_(blue, alpha=BLUE)


def _each(value_B: PerImage) -> Float[Tensor, "B 1 1 1"]:
    return value_B[:, None, None, None]


CHANGES = (brighten_, contrast_, saturate_, shift_hue_)  # in the order of the factors of a draw
