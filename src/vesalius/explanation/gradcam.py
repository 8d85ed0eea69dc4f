"""Grad-CAM (Selvaraju et al. 2017, eq. 1-2): a layer's channels, weighed by their effect.

Legend of shapes: B batch, C channels, S the tower's image size, K targets, D width, h w the layer's
places, H W the original image's pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vesalius.core import Heatmap, ModelError
from vesalius.encoders.borrowing import evaluating, frozen
from vesalius.encoders.layers import layers_of, watch
from vesalius.encoders.placement import on_original, seen_box
from vesalius.encoders.positions import LayerOutput

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from vesalius.encoders import DualEncoder

Score = Callable[[Tensor], Tensor]
"""A score of image rows, ``image_BD -> B``."""
Targets = Sequence[str] | Mapping[str, Score]


def gradcam(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    layer: str = "auto",
    batch_size: int = 16,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    Values are those of :func:`gradcam_maps`, bilinear between the layer's places; 0 where the
    preprocessing cut the image off. The model is borrowed. All maps stand in memory at the size of
    their images: of a large set, give parts.

    Args:
        images: decoded images, also a ``CaseSet``'s ``images``.
        targets: texts, each scored by its cosine with the image; or, by name, scores of image
            rows ``image_BD -> B`` (a classifier's output for a finding).
        layer: a name of :func:`vesalius.encoders.layers.layers_of`; ``auto`` takes the last layer
            whose patches the image's row depends on. In a ViT that pools its class token this is
            the input of the last block: the patches that the last block gives get no gradient.
        device: where the model computes; by default where it is.

    Raises:
        ChoiceError: there is no layer of that name.
        ImageError: an image cannot be read.
        ModelError: no layer has places that the row depends on, the model reads no text, or a score
            is not one number an image with a gradient.
    """
    targets = [targets] if isinstance(targets, str) else targets
    names, maps = list(targets), []
    with evaluating(model, device=device):
        scores = _scores(model, targets)
        for start in range(0, len(images), batch_size):
            given = [images[i] for i in range(start, min(start + batch_size, len(images)))]
            pixels_BCSS = torch.stack([model.preprocess(image) for image in given])
            if layer == "auto":
                layer = _last_with_gradient(model, pixels_BCSS[:1])
            found_BKhw = _maps(model, pixels_BCSS, scores, layer=layer).float().cpu().numpy()
            maps += [
                [
                    Heatmap(
                        on_original(map_hw, seen_box(model.preprocess, image.shape), image.shape),
                        "gradcam",
                        name,
                    )
                    for name, map_hw in zip(names, map_Khw, strict=True)
                ]
                for image, map_Khw in zip(given, found_BKhw, strict=True)
            ]
    return maps


def gradcam_maps(
    model: DualEncoder,
    pixels_BCSS: Float[Tensor, "B C S S"],
    targets: Targets,
    *,
    layer: str = "auto",
) -> Float[Tensor, "B K h w"]:
    """Return max(0, sum_c a_c A_c), a_c the mean over places of the score's gradient at channel c.

    At the layer's own places, never min-max scaled. The image goes through the tower once, and only
    what lies above the layer is differentiated, once for each target. Targets, ``layer`` and
    errors are those of :func:`gradcam`.
    """
    with evaluating(model):
        scores = _scores(model, targets)
        if layer == "auto":
            layer = _last_with_gradient(model, pixels_BCSS[:1])
        return _maps(model, pixels_BCSS, scores, layer=layer)


def _scores(model: DualEncoder, targets: Targets) -> Callable[[Tensor], list[Tensor]]:
    """Return image rows -> the scores of each target; texts are encoded here, once."""
    if isinstance(targets, Mapping):
        chosen = list(targets.values())
        return lambda image_BD: [score(image_BD) for score in chosen]
    model.require_text()
    texts = [targets] if isinstance(targets, str) else list(targets)
    text_KD = normalize(model.encode_text(texts), dim=1)
    return lambda image_BD: list((normalize(image_BD, dim=1) @ text_KD.T).unbind(1))


def _maps(
    model: DualEncoder,
    pixels_BCSS: Tensor,
    scores: Callable[[Tensor], list[Tensor]],
    *,
    layer: str,
) -> Float[Tensor, "B K h w"]:
    seen: list[LayerOutput] = []

    def see(name: str, output: LayerOutput) -> None:
        output.values.requires_grad_()  # the graph begins here: nothing below is differentiated
        seen.append(output)

    with frozen(model), torch.enable_grad():
        chosen = layers_of(model, [layer])
        image_BD = watch(model.image, chosen, pixels_BCSS.to(model.device), see)
        sums_K = _sums(scores(image_BD), images=len(pixels_BCSS))
    (output,) = seen
    maps = []
    for place, score in enumerate(sums_K):
        slopes = _slopes(score, output, keep=place + 1 < len(sums_K))
        weights_BD11 = slopes.map_BDhw.mean((2, 3), keepdim=True)
        maps.append((weights_BD11 * output.map_BDhw).sum(1).relu().detach())
    return torch.stack(maps, 1)


def _sums(scores_KB: list[Tensor], *, images: int) -> list[Tensor]:
    """Return each target's scores in sum: an image's score is its own, so are its gradients."""
    for place, score_B in enumerate(scores_KB):
        if score_B.shape != (images,) or not score_B.requires_grad:
            raise ModelError(
                f"target {place} gives scores of shape {tuple(score_B.shape)}"
                f"{'' if score_B.requires_grad else ' without a gradient'}; wanted is one for each "
                f"of {images} images, computed from image_BD by torch"
            )
    return [score_B.sum() for score_B in scores_KB]


def _slopes(score: Tensor, output: LayerOutput, *, keep: bool) -> LayerOutput:
    """Return the score's gradient at a layer's output, zero where it does not depend on it."""
    (found,) = torch.autograd.grad(
        score, output.values, retain_graph=keep, allow_unused=True, materialize_grads=True
    )
    return LayerOutput(found, output.positions)


def _last_with_gradient(model: DualEncoder, pixels_1CSS: Tensor) -> str:
    """Return the last layer that has places and whose patches the image's row depends on."""
    layers, outputs = layers_of(model), dict[str, LayerOutput]()
    with torch.enable_grad():
        pixels_1CSS = pixels_1CSS.to(model.device).detach().clone().requires_grad_()
        row_1D = watch(model.image, layers, pixels_1CSS, outputs.__setitem__)
        weights_D = torch.linspace(1, 2, row_1D.shape[1], device=model.device)
        score = (row_1D * weights_D).sum()  # unequal weights: what a norm gives has a constant sum
    for name in reversed(layers):
        if outputs[name].positions.grid != (1, 1):
            slopes = _slopes(score, outputs[name], keep=True)
            if slopes.patches_BPD.any():
                return name
    raise ModelError(f"{model.name}: its image row depends on the places of no layer")
