"""A batch of images at a time through an explainer, its maps back onto the original images.

Legend of shapes: B batch, C channels, S the tower's image size, K targets, h w places, H W the
original image's pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vesalius.core import Heatmap
from vesalius.encoders.borrowing import evaluating
from vesalius.encoders.placement import on_original, seen_box
from vesalius.explanation.targets import Scores, Targets, named, scores_of

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

    from vesalius.encoders import DualEncoder

Maps = Callable[[Tensor, Scores], Tensor]
"""Prepared pixels and the scores of each target -> maps, ``pixels_BCSS -> BKhw``."""


def heatmaps(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    maps: Maps,
    *,
    method: str,
    batch_size: int,
    device: str | None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target; the model is borrowed.

    Maps are bilinear between their places, and 0 where the preprocessing cut the image off.
    """
    names, placed = named(targets), list[list[Heatmap]]()
    if not names:
        return [[] for _ in images]
    with evaluating(model, device=device):
        scores = scores_of(model, targets)
        for start in range(0, len(images), batch_size):
            given = [images[i] for i in range(start, min(start + batch_size, len(images)))]
            pixels_BCSS = torch.stack([model.preprocess(image) for image in given])
            found_BKhw = maps(pixels_BCSS.to(model.device), scores).float().cpu().numpy()
            for image, map_Khw in zip(given, found_BKhw, strict=True):
                box = seen_box(model.preprocess, image.shape)
                placed.append(
                    [
                        Heatmap(on_original(map_hw, box, image.shape), method, name)
                        for name, map_hw in zip(names, map_Khw, strict=True)
                    ]
                )
    return placed
