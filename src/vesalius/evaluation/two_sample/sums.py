"""Sums over all pairs of cases, for all relabellings at once, in tiles.

With the label vector a ∈ {0, 1}ᴺ of a relabelling, K the kernel without its diagonal and r = K1,
all that MMD² needs is Q = aᵀKa: the x–x pairs sum to Q, the x–y pairs to aᵀr − Q, the y–y pairs to
1ᵀr − 2aᵀr + Q. A tile of the upper triangle costs one product with all label vectors and is
forgotten; the N × N matrix never exists.

A constant c is taken off the kernel's values: what is summed then scatters around 0, and float32 is
wrong by 1e-6 instead of 1e-2.

Legend: N cases of both samples pooled, I and J cases of a tile's two sides, P relabellings,
K bandwidths, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from vesalius.data.progress import bar
from vesalius.data.ranks import gathered_objects, rank, world
from vesalius.evaluation.two_sample.kernels import Fitted, alike, apart

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

BLOCK = 2048  # cases on a side of a tile
LONG = 400  # tiles above which a bar is shown


@dataclass(frozen=True, slots=True)
class Sums:
    """Float64 sums of the kernel, less its centre and without its diagonal.

    ``within_KP`` = aᵀKa, ``rows_KN`` = K1, ``observed_KN`` = Ka of the observed labels.
    """

    within_KP: Float[np.ndarray, "K P"]
    rows_KN: Float[np.ndarray, "K N"]
    observed_KN: Float[np.ndarray, "K N"]


def tiled_sums(
    z_ND: Tensor,
    labels_NP: Tensor,
    *,
    fitted: Fitted,
    block: int | None = None,
) -> Sums:
    """Return the sums of all bandwidths; the ranks of a job share the tiles."""
    import torch

    (total, width), block = z_ND.shape, block or BLOCK
    shape = len(fitted.sigmas), total
    zeros = partial(torch.zeros, dtype=torch.float64, device=z_ND.device)
    within_KP = zeros(shape[0], labels_NP.shape[1])
    rows_KN, observed_KN = zeros(shape), zeros(shape)
    tiles = list(_upper_triangle(total, block))[rank() :: world()]
    shown = bar("comparing pairs", len(tiles), unit="tiles", show=len(tiles) > LONG and rank() == 0)
    with torch.no_grad(), shown as advance:
        for rows, columns in tiles:
            apart_IJ = apart(fitted.kernel, z_ND[rows], z_ND[columns])
            left_IP = labels_NP[rows].to(z_ND.dtype)
            right_JP = left_IP if rows == columns else labels_NP[columns].to(z_ND.dtype)
            for k, (sigma, centre) in enumerate(zip(fitted.sigmas, fitted.centres, strict=True)):
                alike_IJ = alike(fitted.kernel, apart_IJ, sigma, width).sub_(centre)
                if rows == columns:
                    alike_IJ.fill_diagonal_(0)
                sums_IP = alike_IJ @ right_JP
                rows_KN[k, rows] += alike_IJ.sum(1, dtype=torch.float64)
                observed_KN[k, rows] += sums_IP[:, 0]
                twice = 1
                if rows != columns:
                    twice = 2
                    rows_KN[k, columns] += alike_IJ.sum(0, dtype=torch.float64)
                    observed_KN[k, columns] += alike_IJ.T @ left_IP[:, 0]
                within_KP[k] += twice * sums_IP.mul_(left_IP).sum(0, dtype=torch.float64)
            advance(1)
    parts = gathered_objects([t.cpu().numpy() for t in (within_KP, rows_KN, observed_KN)])
    return Sums(*(np.sum(same, axis=0) for same in zip(*parts, strict=True)))


def _upper_triangle(total: int, block: int) -> Iterator[tuple[slice, slice]]:
    sides = [slice(start, min(start + block, total)) for start in range(0, total, block)]
    return ((rows, columns) for i, rows in enumerate(sides) for columns in sides[i:])
