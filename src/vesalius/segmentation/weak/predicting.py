"""A segmenter draws masks, and says where its snapshots disagree.

Legend of shapes: B batch, C channels, H W pixels of the original, K snapshots, S of a side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from vesalius.core import DataError, ImageColumn
from vesalius.data.progress import bar
from vesalius.encoders.borrowing import evaluating
from vesalius.segmentation.weak.learning import Segmenter
from vesalius.segmentation.weak.prepared import at_size, name_of, normalised

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class PredictedMask:
    """One image's mask, in the pixels of the original.

    ``probability_HW`` is the mean over the snapshots, ``uncertainty_HW`` their standard deviation:
    0 where they agree, and everywhere for one snapshot; 0.5 at most.
    """

    mask_HW: Bool[np.ndarray, "H W"]
    probability_HW: Float[np.ndarray, "H W"]
    uncertainty_HW: Float[np.ndarray, "H W"]


def predict_masks(
    segmenter: Segmenter,
    images: Sequence[Any] | ImageColumn,
    *,
    threshold: float = 0.5,
    batch_size: int = 16,
    device: str | None = None,
    progress: bool = True,
) -> Iterator[PredictedMask]:
    """Yield the mask of each image, in their order: only one batch is held at a time.

    ``images`` are those of :func:`train_segmenter`; a pixel is inside where the mean probability of
    the snapshots is above ``threshold``. The networks are borrowed, a batch at a time: mode and
    device come back.

    Raises:
        DataError: there is no image, the threshold is no probability; later, an image is not uint8
            of shape (H, W) or (H, W, 3).
    """
    if len(images) == 0:
        raise DataError("there are no images to segment")
    if not 0 <= threshold < 1:
        raise DataError(f"threshold is {threshold}, not within [0, 1)")
    if batch_size < 1:
        raise DataError(f"batch_size is {batch_size}, not 1 or more")
    return _predicted(segmenter, images, threshold, batch_size, device, progress)


def _predicted(
    segmenter: Segmenter,
    images: Sequence[Any] | ImageColumn,
    threshold: float,
    batch_size: int,
    device: str | None,
    progress: bool,
) -> Iterator[PredictedMask]:
    with bar("segmenting", len(images), unit="images", show=progress) as advance:
        for first in range(0, len(images), batch_size):
            rows = range(first, min(first + batch_size, len(images)))
            given = [np.asarray(images[i]) for i in rows]
            sides = {"size": segmenter.size, "channels": segmenter.channels}
            pixels_BCSS = torch.stack(
                [
                    at_size(image, name_of(images, i), **sides)
                    for i, image in zip(rows, given, strict=True)
                ]
            )
            found_KBSS = torch.stack(
                [_probabilities(one, pixels_BCSS, device) for one in segmenter.snapshots]
            )
            for place, image in enumerate(given):
                yield _on_original(found_KBSS[:, place], image.shape[:2], threshold)
            advance(len(given))


def _probabilities(
    snapshot: nn.Module, pixels_BCSS: Tensor, device: str | None
) -> Float[Tensor, "B S S"]:
    with evaluating(snapshot, device=device):  # given back before a mask is handed out
        home = next(snapshot.parameters()).device
        logits_BSS = snapshot(normalised(pixels_BCSS.to(home)))[:, 0]
        return logits_BSS.float().sigmoid().cpu()


def _on_original(
    found_KSS: Float[Tensor, "K S S"], shape: tuple[int, ...], threshold: float
) -> PredictedMask:
    found_KHW = interpolate(found_KSS[None], tuple(shape), mode="bilinear", antialias=True)[0]
    std_HW, mean_HW = torch.std_mean(found_KHW, 0, correction=0)
    return PredictedMask((mean_HW > threshold).numpy(), mean_HW.numpy(), std_HW.numpy())
