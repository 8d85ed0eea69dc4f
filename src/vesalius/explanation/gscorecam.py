"""gScoreCAM (Chen et al. 2022, section 3): few channels, weighed by what each alone lets through.

Legend of shapes: B batch, C channels of the image, S the tower's image size, K targets, D channels
of the layer, n the chosen ones, h w the layer's places, H W the original image's pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vesalius.core import Heatmap, ModelError
from vesalius.explanation.placing import heatmaps
from vesalius.explanation.sensitivity import channels, last_with_gradient
from vesalius.explanation.targets import Scores, Targets, checked

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from vesalius.encoders import DualEncoder


def gscorecam(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    layer: str = "auto",
    top: int = 300,
    batch_size: int = 64,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    The ``top`` channels of the highest mean gradient are taken. Each, enlarged to the image and
    scaled to [0, 1], masks it; the softmax of the masked images' scores weighs the channels, and
    the map is the positive part of their weighted sum. A text's score is here the model's logit
    (its cosine times the logit scale), as in the authors' code: a softmax of bare cosines tells no
    channel from another. A target on which no channel has an effect has a map of zeros.

    One image costs as many passes as channels are chosen, those of several targets once.

    Args:
        images, targets, layer, device: as :func:`vesalius.explanation.gradcam` takes them.
        top: channels to take, at most as many as the layer has.
        batch_size: masked images that go through the tower at a time.

    Raises:
        ChoiceError: there is no layer of that name.
        ImageError: an image cannot be read.
        ModelError: as :func:`vesalius.explanation.gradcam`, or ``top`` is less than 1.
    """
    if top < 1:
        raise ModelError(f"gscorecam takes the top 1 channel or more, not {top}")
    scale = 1.0 if isinstance(targets, Mapping) else model.logit_scale.detach().exp().item()

    def maps(pixels_BCSS: Tensor, scores: Scores) -> Tensor:
        nonlocal layer
        if layer == "auto":  # asked once, not for every batch
            layer = last_with_gradient(model, pixels_BCSS[:1])
        map_BDhw, slopes_BKD = channels(model, pixels_BCSS, scores, layer=layer)
        found = []
        for image_CSS, map_Dhw, slopes_KD in zip(pixels_BCSS, map_BDhw, slopes_BKD, strict=True):
            chosen_KD = _chosen(slopes_KD, top=top)
            logits_KD = torch.zeros_like(slopes_KD)
            for which_n in chosen_KD.any(0).nonzero()[:, 0].split(batch_size):
                masked_nCSS = _masks(map_Dhw[which_n], image_CSS.shape[-1]) * image_CSS
                scores_Kn = checked(scores(model.image(masked_nCSS)), images=len(which_n))
                logits_KD[:, which_n] = scale * torch.stack(scores_Kn).to(logits_KD)
            weights_KD = logits_KD.masked_fill(~chosen_KD, float("-inf")).softmax(1).nan_to_num()
            found.append(torch.einsum("kd,dhw->khw", weights_KD, map_Dhw).relu())
        return torch.stack(found)

    return heatmaps(model, images, targets, maps, method="gscorecam", batch_size=16, device=device)


def _chosen(slopes_KD: Tensor, *, top: int) -> Tensor:
    """Return for each target which channels it takes; none without an effect on the score.

    >>> _chosen(torch.tensor([[3.0, 0.0, -1.0, 2.0], [0.0, 0.0, 0.0, 0.0]]), top=3).tolist()
    [[True, False, False, True], [False, False, False, False]]
    """
    highest_Kn = slopes_KD.topk(min(top, slopes_KD.shape[1]), dim=1).indices
    taken_KD = torch.zeros_like(slopes_KD, dtype=torch.bool).scatter(1, highest_Kn, True)
    return taken_KD & (slopes_KD != 0)


def _masks(map_nhw: Float[Tensor, "n h w"], size: int) -> Float[Tensor, "n 1 S S"]:
    """Return each channel enlarged and scaled to [0, 1]; one that is even everywhere masks all."""
    wide_n1SS = interpolate(map_nhw[:, None], size=(size, size), mode="bilinear")
    low = wide_n1SS.amin((2, 3), keepdim=True)
    span = wide_n1SS.amax((2, 3), keepdim=True) - low
    return torch.where(span > 0, (wide_n1SS - low) / span, 0)
