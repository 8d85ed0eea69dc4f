"""Apply draws to the pixels of a batch.

Legend of shapes: B batch, C channels, H W pixels of the source, S of a side of the view.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import torch

from vesalius.core.errors import DataError
from vesalius.data.views.blur import blurred, taps_of
from vesalius.data.views.colour import CHANGES, luminance
from vesalius.data.views.draws import Draws
from vesalius.data.views.geometry import resample
from vesalius.data.views.threads import single_threaded_ops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float, UInt8
    from torch import Tensor

FLOATS_AT_ONCE = 2**18  # on the CPU: a piece of 1 MiB stays in the cache between changes
NEUTRAL = (1.0, 1.0, 1.0, 0.0)  # factors that change nothing


def apply(
    pixels_BCHW: UInt8[Tensor, "B C H W"], draws: Draws, *, size: tuple[int, int] | None = None
) -> Float[Tensor, "B C S S"]:
    """Return the views of the images as floats in [0, 1], on the pixels' device.

    Rows of the draws applied to the same rows of the batch give the same pixels. On the CPU as many
    threads as torch has share the rows, in pieces; how many there are changes no bit.

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
    if pixels_BCHW.is_cuda:
        return _made(pixels_BCHW, draws, size)
    count, channels = pixels_BCHW.shape[:2]
    views_BCSS = torch.empty(count, channels, *size, device=pixels_BCHW.device)
    most = max(FLOATS_AT_ONCE // (channels * size[0] * size[1]), 1)

    def make(first: int) -> None:
        piece = slice(first, first + most)
        views_BCSS[piece] = _made(pixels_BCHW[piece], draws[piece], size)

    with single_threaded_ops() as threads:
        pieces = range(0, count, most)
        if min(threads, len(pieces)) < 2:
            for first in pieces:
                make(first)
        else:
            begin = partial(torch.set_num_threads, 1)
            with ThreadPoolExecutor(threads, initializer=begin) as pool:
                list(pool.map(make, pieces))
    return views_BCSS


def _made(
    pixels_BCHW: UInt8[Tensor, "B C H W"], draws: Draws, size: tuple[int, int]
) -> Float[Tensor, "B C S S"]:
    there = draws.to(pixels_BCHW.device)
    views_BCSS = resample(pixels_BCHW, there, size).div_(255)
    for change, rows in _changes(draws):
        factors = there.factors_B4[rows, change]
        if len(rows) == len(draws):
            CHANGES[change](views_BCSS, factors)
        else:
            views_BCSS[rows] = CHANGES[change](views_BCSS[rows], factors)
    return _finished(views_BCSS, there, draws)


def _changes(draws: Draws) -> Iterator[tuple[int, Tensor]]:
    """Yield changes of colour and the rows that ask for them: first ones, second ones ..."""
    asked_B4 = draws.jitter_B[:, None] & (draws.factors_B4 != torch.tensor(NEUTRAL))
    asked_B4 = asked_B4.gather(1, draws.order_B4)
    codes_B4 = torch.where(asked_B4, draws.order_B4, -1)
    if len(draws) == 1:
        yield from ((change, torch.tensor([0])) for change in codes_B4[0].tolist() if change >= 0)
        return
    for code_B in codes_B4.unbind(1):
        for change in range(4):
            rows = (code_B == change).nonzero()[:, 0]
            if len(rows):
                yield change, rows


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
