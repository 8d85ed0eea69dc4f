"""Gaussian blur, each image with its own standard deviation.

Legend of shapes: B batch, C channels, H W pixels, K taps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import conv2d, pad

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

BLURRED_FROM = 64  # pixels of a side; a smaller image has no detail to lose (Chen et al. 2020, B.9)


def taps_of(side: int) -> int:
    """Return the kernel's width: a tenth of the side, and odd; 1, which is none, for small images.

    >>> taps_of(28), taps_of(224)
    (1, 23)
    """
    return 1 if side < BLURRED_FROM else 2 * round(side / 20) + 1


def blurred(
    pixels_BCHW: Float[Tensor, "B C H W"], sigma_B: Float[Tensor, "B"], *, taps: int
) -> Float[Tensor, "B C H W"]:
    """Return each image under its Gaussian; the image is mirrored at its edges.

    As torchvision's ``gaussian_blur``: the kernel is cut at ``taps`` and sums to 1.
    """
    B, C, H, W = pixels_BCHW.shape
    radius = taps // 2
    offsets_K = torch.arange(-radius, radius + 1, device=pixels_BCHW.device)
    kernel_BK = torch.exp(-0.5 * (offsets_K / sigma_B[:, None]) ** 2)
    kernel_BK = kernel_BK / kernel_BK.sum(1, keepdim=True)
    kernels = kernel_BK.repeat_interleave(C, 0)
    flat = pad(pixels_BCHW, [radius] * 4, mode="reflect").reshape(1, B * C, H + 2 * radius, -1)
    flat = conv2d(flat, kernels[:, None, None, :], groups=B * C)
    flat = conv2d(flat, kernels[:, None, :, None], groups=B * C)
    return flat.reshape(B, C, H, W)
