"""Crop, resize, flip and turn: as few resamplings as they need.

Without a turn there is one, antialiased and separable: weights of rows and of columns. A turn goes
into one bilinear sampling with the crop, unless pixels are thrown away: then the crop is made first
(antialiased) and turned afterwards.

Legend of shapes: B batch, C channels, H W pixels of the source, S of an axis of the view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import grid_sample, interpolate

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from torch import Tensor

    from vesalius.data.views.draws import Draws

ONE_BY_ONE = 64  # on the CPU, images of this side and above are resized one at a time


def resample(
    pixels_BCHW: UInt8[Tensor, "B C H W"], draws: Draws, size: tuple[int, int]
) -> Float[Tensor, "B C S S"]:
    """Return the images cropped, resized, flipped and turned, in whole levels from 0 to 255.

    The draws lie on the pixels' device.
    """
    if draws.angles_B is None:
        return _cropped(pixels_BCHW, draws.boxes_B4, draws.flips_B, size)
    height, width = pixels_BCHW.shape[-2:]
    if height > size[0] or width > size[1]:
        crops_BCSS = _cropped(pixels_BCHW, draws.boxes_B4, draws.flips_B, size)
        whole_B4 = torch.tensor([0.0, 0.0, *size], device=pixels_BCHW.device)
        boxes_B4 = whole_B4.expand(len(draws), 4)
        return _turned(crops_BCSS, boxes_B4, torch.zeros_like(draws.flips_B), draws.angles_B, size)
    return _turned(pixels_BCHW, draws.boxes_B4, draws.flips_B, draws.angles_B, size)


def _cropped(
    pixels_BCHW: UInt8[Tensor, "B C H W"],
    boxes_B4: Float[Tensor, "B 4"],
    flips_B: Bool[Tensor, "B"],
    size: tuple[int, int],
) -> Float[Tensor, "B C S S"]:
    """Crop and resize as torchvision's ``resized_crop(antialias=True)`` does, and flip."""
    whole = bool((boxes_B4 == boxes_B4.round()).all()) if not pixels_BCHW.is_cuda else False
    if whole and min(size) >= ONE_BY_ONE:
        return _one_by_one(pixels_BCHW, boxes_B4, flips_B, size)
    top_B, left_B, height_B, width_B = boxes_B4.unbind(1)
    rows_BSH = axis_weights(top_B, height_B, pixels_BCHW.shape[-2], size[0])
    columns_BSW = axis_weights(left_B, width_B, pixels_BCHW.shape[-1], size[1])
    columns_BSW = torch.where(flips_B[:, None, None], columns_BSW.flip(1), columns_BSW)
    B, C, H, W = pixels_BCHW.shape
    sources = pixels_BCHW.transpose(1, 2).float().reshape(B, H, C * W)
    down = torch.bmm(rows_BSH, sources).reshape(B, size[0] * C, W)
    views = torch.bmm(down, columns_BSW.mT).reshape(B, size[0], C, size[1])
    return views.transpose(1, 2).contiguous().round_()  # weights sum to 1: within 0 and 255


def _one_by_one(
    pixels_BCHW: UInt8[Tensor, "B C H W"],
    boxes_B4: Float[Tensor, "B 4"],
    flips_B: Bool[Tensor, "B"],
    size: tuple[int, int],
) -> Float[Tensor, "B C S S"]:
    views_BCSS = torch.empty(*pixels_BCHW.shape[:2], *size)
    boxes, flips = boxes_B4.int().tolist(), flips_B.tolist()
    for i, ((top, left, height, width), flip) in enumerate(zip(boxes, flips, strict=True)):
        crop = pixels_BCHW[i : i + 1, :, top : top + height, left : left + width]
        view = interpolate(crop, size, mode="bilinear", antialias=True)
        views_BCSS[i : i + 1] = view.flip(-1) if flip else view
    return views_BCSS


def axis_weights(
    start_B: Float[Tensor, "B"], length_B: Float[Tensor, "B"], source: int, target: int
) -> Float[Tensor, "B S N"]:
    """Return the weights by which ``target`` pixels are made of ``source`` ones along an axis.

    A triangle around each target pixel's place within the box, as wide as a target pixel but at
    least a source pixel, cut at the box and made to sum to 1.
    """
    scale_B11 = (length_B / target)[:, None, None]
    target_S1 = torch.arange(target, device=start_B.device)[:, None] + 0.5
    source_N = torch.arange(source, device=start_B.device) + 0.5
    from_start_B1N = source_N - start_B[:, None, None]
    weights_BSN = (from_start_B1N - target_S1 * scale_B11).div_(scale_B11.clamp(min=1))
    weights_BSN = (1 - weights_BSN.abs_()).clamp_(min=0)
    weights_BSN *= (from_start_B1N > 0) & (from_start_B1N < length_B[:, None, None])
    return weights_BSN.div_(weights_BSN.sum(2, keepdim=True))


def _turned(
    pixels_BCHW: Float[Tensor, "B C H W"] | UInt8[Tensor, "B C H W"],
    boxes_B4: Float[Tensor, "B 4"],
    flips_B: Bool[Tensor, "B"],
    angles_B: Float[Tensor, "B"],
    size: tuple[int, int],
) -> Float[Tensor, "B C S S"]:
    """Sample the box turned about its middle, in one step; the edge is repeated beyond the image.

    The turn is that of the view's own pixels, after the resizing: no shear in a stretched crop.
    """
    height, width = pixels_BCHW.shape[-2:]
    device = pixels_BCHW.device
    y_S = torch.arange(size[0], device=device) + 0.5 - size[0] / 2
    x_S = torch.arange(size[1], device=device) + 0.5 - size[1] / 2
    radians_B11 = torch.deg2rad(angles_B)[:, None, None]
    cos, sin = radians_B11.cos(), radians_B11.sin()
    turned_x_BSS = cos * x_S - sin * y_S[:, None]
    turned_y_BSS = sin * x_S + cos * y_S[:, None]
    turned_x_BSS = torch.where(flips_B[:, None, None], -turned_x_BSS, turned_x_BSS)
    top, left, tall, wide = (side[:, None, None] for side in boxes_B4.unbind(1))
    x_BSS = left + wide * (turned_x_BSS / size[1] + 0.5)
    y_BSS = top + tall * (turned_y_BSS / size[0] + 0.5)
    grid_BSS2 = torch.stack([2 * x_BSS / width - 1, 2 * y_BSS / height - 1], dim=3)
    turned = grid_sample(pixels_BCHW.float(), grid_BSS2, padding_mode="border", align_corners=False)
    return turned.round_()
