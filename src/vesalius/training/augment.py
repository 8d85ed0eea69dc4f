"""Other views of images and texts that say the same: no flip, a heart lies on one side.

Legend of shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import affine_grid, grid_sample

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

TURN = 0.12  # radians, about 7°
SHIFT = 0.08  # of half a side
ZOOM = 0.10
CONTRAST = 0.15
BRIGHTNESS = 0.15  # in units of prepared pixels
SHORTENED = 0.7  # of the texts
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def draw_jitter(count: int, generator: torch.Generator) -> Float[Tensor, "B 6"]:
    """Return what :func:`jitter` does to each of ``count`` images, uniform in [-1, 1].

    ``generator`` lives on the CPU, so that every device draws the same.
    """
    return 2 * torch.rand(count, 6, generator=generator) - 1


def jitter(
    pixels_BCHW: Float[Tensor, "B C H W"], draws_B6: Float[Tensor, "B 6"]
) -> Float[Tensor, "B C H W"]:
    """Return the images slightly turned, shifted, zoomed, and changed in contrast and brightness.

    Each image has its own change, ``draws_B6`` of the bounds above. What comes in from outside
    repeats the edge.

    >>> still = torch.zeros(2, 3, 8, 8)
    >>> jitter(still, draw_jitter(2, torch.Generator().manual_seed(0))).shape
    torch.Size([2, 3, 8, 8])
    """
    draws_B6 = draws_B6.to(pixels_BCHW)
    moved_BCHW = moved(pixels_BCHW, draws_B6, beyond="border")
    contrast_B111 = (1 + CONTRAST * draws_B6[:, 4])[:, None, None, None]
    brightness_B111 = (BRIGHTNESS * draws_B6[:, 5])[:, None, None, None]
    return moved_BCHW * contrast_B111 + brightness_B111


def moved(
    values_BCHW: Float[Tensor, "B C H W"],
    draws_B6: Float[Tensor, "B 6"],
    *,
    beyond: Literal["border", "zeros"],
) -> Float[Tensor, "B C H W"]:
    """Return what lies on the images (masks) turned, shifted and zoomed as ``jitter`` does them.

    ``beyond`` is what comes in from outside: the edge again, or 0.
    """
    draws_B6 = draws_B6.to(values_BCHW)
    turn_B, zoom_B = TURN * draws_B6[:, 0], 1 + ZOOM * draws_B6[:, 1]
    cos_B, sin_B = zoom_B * torch.cos(turn_B), zoom_B * torch.sin(turn_B)
    shift_B2 = SHIFT * draws_B6[:, 2:4]
    affine_B23 = torch.stack(
        [
            torch.stack([cos_B, -sin_B, shift_B2[:, 0]], dim=1),
            torch.stack([sin_B, cos_B, shift_B2[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid_BHW2 = affine_grid(affine_B23, list(values_BCHW.shape), align_corners=False)
    return grid_sample(values_BCHW, grid_BHW2, padding_mode=beyond, align_corners=False)


def shortened(text: str, *, generator: torch.Generator) -> str:
    """Return the text, or, seven times in ten, only some of its sentences, in their order.

    A prompt is one sentence: a model that saw whole reports only would not know what to do with it
    (ConVIRT, Zhang et al. 2022, section 3.3, always draws a single one).

    >>> shortened("Clear lungs.", generator=torch.Generator().manual_seed(0))
    'Clear lungs.'
    """
    sentences = SENTENCE_END.split(text.strip())
    if len(sentences) < 2 or torch.rand((), generator=generator) >= SHORTENED:
        return text
    count = int(torch.randint(1, len(sentences) + 1, (), generator=generator))
    chosen = torch.randperm(len(sentences), generator=generator)[:count].sort().values
    return " ".join(sentences[i] for i in chosen.tolist())
