"""How a score changes with a layer's channels, and the layer at which to ask.

Legend of shapes: B batch, C channels, S the tower's image size, D width of the layer, K targets,
h w the layer's places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vesalius.core import ModelError
from vesalius.encoders.borrowing import frozen
from vesalius.encoders.layers import layers_of, watch
from vesalius.encoders.positions import LayerOutput
from vesalius.explanation.targets import Scores, checked

if TYPE_CHECKING:
    from jaxtyping import Float

    from vesalius.encoders import DualEncoder


def channels(
    model: DualEncoder, pixels_BCSS: Float[Tensor, "B C S S"], scores: Scores, *, layer: str
) -> tuple[Float[Tensor, "B D h w"], Float[Tensor, "B K D"]]:
    """Return a layer's map, and the mean over places of each score's gradient at its channels.

    The images go through the tower once, and only what lies above the layer is differentiated,
    once for each target. A class token and registers count in neither.

    Raises:
        ChoiceError: there is no layer of that name.
        ModelError: a score is not one number an image with a gradient.
    """
    seen: list[LayerOutput] = []

    def see(name: str, output: LayerOutput) -> None:
        output.values.requires_grad_()  # the graph begins here: nothing below is differentiated
        seen.append(output)

    with frozen(model), torch.enable_grad():
        chosen = layers_of(model, [layer])
        image_BD = watch(model.image, chosen, pixels_BCSS.to(model.device), see)
        scores_KB = checked(scores(image_BD), images=len(pixels_BCSS), with_gradient=True)
        sums_K = [score_B.sum() for score_B in scores_KB]  # a score is its image's, so is its slope
    (output,) = seen
    weights_KBD = []
    for place, score in enumerate(sums_K):
        slopes = _slopes(score, output, keep=place + 1 < len(sums_K))
        weights_KBD.append(slopes.map_BDhw.mean((2, 3)))
    return output.map_BDhw.detach(), torch.stack(weights_KBD, 1)


def last_with_gradient(model: DualEncoder, pixels_1CSS: Float[Tensor, "1 C S S"]) -> str:
    """Return the last layer that has places and whose patches the image's row depends on.

    In a ViT that pools its class token this is the last but one: the patches that the last block
    gives get no gradient.

    Raises:
        ModelError: there is none.
    """
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


def _slopes(score: Tensor, output: LayerOutput, *, keep: bool) -> LayerOutput:
    """Return the score's gradient at a layer's output, zero where it does not depend on it."""
    (found,) = torch.autograd.grad(
        score, output.values, retain_graph=keep, allow_unused=True, materialize_grads=True
    )
    return LayerOutput(found, output.positions)
