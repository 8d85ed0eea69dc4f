"""Occlusion (Zeiler and Fergus 2014, section 4.2): what a score loses when a patch is covered.

Legend of shapes: B batch, C channels, S the tower's image size, K targets, p the patch's positions
along one axis, P = p·p of all positions, H W the original image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vesalius.core import Heatmap, ModelError
from vesalius.explanation.placing import heatmaps
from vesalius.explanation.targets import Scores, Targets, checked

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from vesalius.encoders import DualEncoder

PARTS = 8  # patches along a side of the image, by default


def occlusion(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: float | None = None,
    batch_size: int = 64,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    A pixel's value is the mean drop of the score over the patches that cover it, in units of the
    score: positive where the image speaks for the target, negative where it speaks against it. No
    gradient is needed, and any tower will do. One image costs ((S - patch) / stride + 1)² passes
    for all targets together. The model is borrowed; of a large set, give parts.

    Args:
        images, targets, device: as :func:`vesalius.explanation.gradcam` takes them.
        patch: its side, in pixels of the tower's image; by default an eighth of the image.
        stride: pixels from one position to the next; by default half the patch. The last position
            ends at the image's edge, whatever the stride.
        fill: what covers, as a value of prepared pixels; by default each image's own mean in each
            channel.
        batch_size: covered images that go through the tower at a time.

    Raises:
        ImageError: an image cannot be read.
        ModelError: the patch does not fit into the tower's image, the model reads no text, or a
            score is not one number an image.
    """
    size = model.image_size
    patch = max(size // PARTS, 1) if patch is None else patch
    stride = max(patch // 2, 1) if stride is None else stride
    if not 1 <= patch <= size or not 1 <= stride <= patch:
        raise ModelError(
            f"{model.name}: patches of {patch} pixels, {stride} apart, do not cover an image of "
            f"{size}; wanted is 1 <= stride <= patch <= {size}"
        )

    def maps(pixels_BCSS: Tensor, scores: Scores) -> Tensor:
        cover_pS = _cover(size, patch=patch, stride=stride).to(pixels_BCSS)
        drops_BKpp = _drops(model, pixels_BCSS, scores, cover_pS, fill=fill, batch_size=batch_size)
        return _spread(drops_BKpp, cover_pS)

    return heatmaps(
        model, images, targets, maps, method="occlusion", batch_size=batch_size, device=device
    )


def _cover(size: int, *, patch: int, stride: int) -> Float[Tensor, "p S"]:
    """Return which pixels along an axis each position covers.

    >>> _cover(5, patch=2, stride=2).int().tolist()
    [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]
    """
    starts = [*range(0, size - patch, stride), size - patch]
    cover_pS = torch.zeros(len(starts), size)
    for row_S, start in zip(cover_pS, starts, strict=True):
        row_S[start : start + patch] = 1
    return cover_pS


def _drops(
    model: DualEncoder,
    pixels_BCSS: Tensor,
    scores: Scores,
    cover_pS: Tensor,
    *,
    fill: float | None,
    batch_size: int,
) -> Float[Tensor, "B K p p"]:
    """Return each score of the whole image less that of the image covered at each position."""
    images, places = len(pixels_BCSS), len(cover_pS)
    cover_PSS = (cover_pS[:, None, :, None] * cover_pS[None, :, None, :]).flatten(0, 1).bool()
    fill_BC11 = pixels_BCSS.mean((2, 3), keepdim=True)
    if fill is not None:
        fill_BC11 = torch.full_like(fill_BC11, fill)
    whole_KB = torch.stack(checked(scores(model.image(pixels_BCSS)), images=images))
    covered_Kn = []
    for n in torch.arange(images * places**2, device=pixels_BCSS.device).split(batch_size):
        at, position = n // places**2, n % places**2
        covered = torch.where(cover_PSS[position][:, None], fill_BC11[at], pixels_BCSS[at])
        covered_Kn.append(torch.stack(checked(scores(model.image(covered)), images=len(n))))
    covered_KBP = torch.cat(covered_Kn, 1).unflatten(1, (images, places**2))
    drops_KBP = whole_KB[:, :, None] - covered_KBP
    return drops_KBP.transpose(0, 1).unflatten(2, (places, places)).detach()


def _spread(drops_BKpp: Tensor, cover_pS: Tensor) -> Float[Tensor, "B K S S"]:
    """Return at each pixel the mean over the positions that cover it."""
    share_Sp = (cover_pS / cover_pS.sum(0)).T.to(drops_BKpp)
    return share_Sp @ drops_BKpp @ share_Sp.T
