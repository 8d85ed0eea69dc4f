"""Apply draws to the pixels of a batch.

Legend of shapes: B batch, C channels, H W pixels of the source, S of a side of the view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from vesalius.core.errors import DataError
from vesalius.data.views.blur import blurred, taps_of
from vesalius.data.views.colour import CHANGES, luminance
from vesalius.data.views.draws import Draws
from vesalius.data.views.geometry import resample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float, UInt8
    from torch import Tensor

FLOATS_AT_ONCE = (
    2**18
)  # on the CPU: a piece of 1 MiB stays in the cache from one change to the next


def apply(
    pixels_BCHW: UInt8[Tensor, "B C H W"], draws: Draws, *, size: tuple[int, int] | None = None
) -> Float[Tensor, "B C S S"]:
    """Return the views of the images as floats in [0, 1], on the pixels' device.

    Rows of the draws applied to the same rows of the batch give the same pixels.

    Args:
        size: height and width of the views; those of the images by default.

    Raises:
        DataError: the pixels are not uint8 in one or three channels, or not as many as the draws.

    >>> from vesalius.data.views import preset
    >>> pixels = torch.zeros(4, 3, 28, 28, dtype=torch.uint8)
    >>> drawn = preset("simclr").draw(4, (28, 28), torch.Generator().manual_seed(0))
    >>> apply(pixels, drawn).shape
    torch.Size([4, 3, 28, 28])
    """
    if pixels_BCHW.dtype != torch.uint8 or (
        pixels_BCHW.ndim != 4 or pixels_BCHW.shape[1] not in (1, 3)
    ):
        raise DataError(
            f"views are made of uint8 pixels (images, 1 or 3 channels, height, width), not of "
            f"{str(pixels_BCHW.dtype).removeprefix('torch.')} {tuple(pixels_BCHW.shape)}"
        )
    if len(draws) != len(pixels_BCHW):
        raise DataError(f"{len(draws)} draws do not fit {len(pixels_BCHW)} images")
    size = size or (pixels_BCHW.shape[2], pixels_BCHW.shape[3])
    there = draws.to(pixels_BCHW.device)
    small_BCSS = resample(pixels_BCHW, there, size)
    views_BCSS = torch.empty(small_BCSS.shape, device=small_BCSS.device)
    most = len(draws) if pixels_BCHW.is_cuda else FLOATS_AT_ONCE // small_BCSS[:1].numel()
    for order, rows in _same_order(draws, max(most, 1)):
        place = slice(int(rows), int(rows) + 1) if len(rows) == 1 else rows
        piece, own = small_BCSS[place].float().div_(255), there[place]
        for change in order:
            piece = CHANGES[change](piece, own.factors_B4[:, change])
        views_BCSS[place] = _finished(piece, own, draws[place])
    return views_BCSS


def _finished(
    views_BCSS: Float[Tensor, "B C S S"], there: Draws, here: Draws
) -> Float[Tensor, "B C S S"]:
    """Make some views grey and some blurred; the draws lie beside the pixels, and on the CPU."""
    grey = here.grey_B.nonzero()[:, 0]
    if len(grey) and views_BCSS.shape[1] == 3:
        views_BCSS[grey] = luminance(views_BCSS[grey]).expand(-1, 3, -1, -1)
    taps = taps_of(min(views_BCSS.shape[-2:]))
    rows = (here.sigmas_B > 0).nonzero()[:, 0]
    if taps > 1 and len(rows):
        views_BCSS[rows] = blurred(views_BCSS[rows], there.sigmas_B[rows], taps=taps)
    return views_BCSS


def _same_order(draws: Draws, most: int) -> Iterator[tuple[list[int], Tensor]]:
    """Yield rows that go through the same changes in the same order, at most so many at once."""
    code_B = (draws.order_B4 * torch.tensor([64, 16, 4, 1])).sum(1)
    code_B = torch.where(draws.jitter_B, code_B, -1)
    for code in code_B.unique().tolist():
        order = [] if code < 0 else [code >> 6, code >> 4 & 3, code >> 2 & 3, code & 3]
        for rows in (code_B == code).nonzero()[:, 0].split(most):
            yield order, rows
