"""M2IB (Wang et al. 2023): how much a block's output must tell for the score to stand.

Legend of shapes: B batch, C channels, S the tower's image size, K targets, N noise copies, n all
B·K·N of them, L positions, D the layer's width, h w its places, H W the original image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vesalius.core import Heatmap, ModelError
from vesalius.encoders.borrowing import frozen
from vesalius.encoders.layers import layer_outputs, layers_of
from vesalius.encoders.positions import LayerOutput
from vesalius.explanation.placing import heatmaps
from vesalius.explanation.sensitivity import last_with_gradient
from vesalius.explanation.targets import Scores, Targets, checked

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from vesalius.encoders import DualEncoder

BLOCK = 7  # counted from 0, as the authors' code does
OPEN = 5.0  # alpha at first: next to everything passes
STEPS = 10
RATE = 1.0  # Adam's
COPIES = 10
BETA = 0.1


def bottleneck(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    layer: str = "auto",
    beta: float = BETA,
    seed: int = 0,
    batch_size: int = 2,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    A layer's output z is let through in part, t = lambda z + (1 - lambda) e with e ~ N(0, 1) and
    lambda = sigmoid(alpha), and alpha, one for each value, minimises beta · capacity - score:
    capacity is the mean KL(N(lambda z, (1 - lambda)²) || N(0, 1)), the score a mean over ten
    copies of the noise; ten steps of Adam at rate 1 from alpha = 5 (Wang et al. 2023, eq. 4-7).
    The map is the capacity that remains, summed over the width, in nats: high where the score
    needs what the layer tells. A target whose score never has a gradient has a map of zeros.

    Each image and target has an alpha of its own and all have the same noise, so that no map
    depends on its batch. The model is borrowed.

    Args:
        images, targets, device: as :func:`vesalius.explanation.gradcam` takes them.
        layer: a name of :func:`vesalius.encoders.layers.layers_of`; ``auto`` takes block 7 counted
            from 0, or the last on whose patches the image's row depends where that comes first.
        beta: what capacity costs.
        seed: of the noise.
        batch_size: images at a time; each goes through the upper blocks 10 · K times.

    Raises:
        ChoiceError: there is no layer of that name.
        ImageError: an image cannot be read.
        ModelError: as :func:`vesalius.explanation.gradcam`.
    """

    def maps(pixels_BCSS: Tensor, scores: Scores) -> Tensor:
        nonlocal layer
        if layer == "auto":  # asked once, not for every batch
            layer = _block(model, pixels_BCSS[:1])
        output = layer_outputs(model.image, layers_of(model, [layer]), pixels_BCSS)[layer]
        with frozen(model), torch.enable_grad():
            return _capacities(
                model, pixels_BCSS[:1], scores, output, layer=layer, beta=beta, seed=seed
            )

    return heatmaps(
        model, images, targets, maps, method="bottleneck", batch_size=batch_size, device=device
    )


def _block(model: DualEncoder, pixels_1CSS: Tensor) -> str:
    names, last = list(layers_of(model)), last_with_gradient(model, pixels_1CSS)
    return names[min(BLOCK, names.index(last))]


def _capacities(
    model: DualEncoder,
    pixels_1CSS: Tensor,
    scores: Scores,
    output: LayerOutput,
    *,
    layer: str,
    beta: float,
    seed: int,
) -> Float[Tensor, "B K h w"]:
    """Return what remains of each position's capacity when alpha has been fitted."""
    z_B1LD = output.tokens_BLD.detach()[:, None]
    batch, _, length, width = z_B1LD.shape
    with torch.no_grad():
        targets = len(scores(model.image(pixels_1CSS)))
    alpha_BKLD = z_B1LD.new_full((batch, targets, length, width), OPEN).requires_grad_()
    adam = torch.optim.Adam([alpha_BKLD], lr=RATE)
    generator = torch.Generator().manual_seed(seed)
    asked_BK = torch.zeros(batch, targets, dtype=torch.bool, device=z_B1LD.device)
    for _ in range(STEPS):
        mean_BKLD = alpha_BKLD.sigmoid() * z_B1LD
        deviation_BKLD = (-alpha_BKLD).sigmoid()  # 1 - lambda, exact also where that is small
        capacity_BKLD = capacity(mean_BKLD, deviation_BKLD)
        (price_BKLD,) = torch.autograd.grad(
            capacity_BKLD.mean((2, 3)).sum(), alpha_BKLD, retain_graph=True
        )
        noise_NLD = torch.randn(COPIES, length, width, generator=generator).to(z_B1LD)
        t_BKNLD = mean_BKLD[:, :, None] + deviation_BKLD[:, :, None] * noise_NLD
        row_nD = _through(model, pixels_1CSS, output, t_BKNLD.flatten(0, 2), layer=layer)
        scores_Kn = checked(scores(row_nD), images=len(row_nD), with_gradient=True)
        fit = torch.zeros((), device=z_B1LD.device)
        for place, score_n in enumerate(scores_Kn):
            fit = fit + score_n.unflatten(0, (batch, targets, COPIES))[:, place].mean(1).sum()
        (slope_BKLD,) = torch.autograd.grad(fit, alpha_BKLD, materialize_grads=True)
        asked_BK |= slope_BKLD.flatten(2).any(2)
        alpha_BKLD.grad = beta * price_BKLD - slope_BKLD
        adam.step()
    kept_BKL = capacity_BKLD.detach().sum(3) * asked_BK[:, :, None]
    return kept_BKL[:, :, output.positions.prefix :].unflatten(2, output.positions.grid)


def capacity(mean: Tensor, deviation: Tensor) -> Tensor:
    """Return KL(N(mean, deviation²) || N(0, 1)), in nats.

    >>> capacity(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])).tolist()
    [0.0, 2.0]
    """
    variance = deviation**2
    return (mean**2 + variance - 1 - variance.log()) / 2


def _through(
    model: DualEncoder, pixels_1CSS: Tensor, output: LayerOutput, t_nLD: Tensor, *, layer: str
) -> Tensor:
    """Return the image rows that follow if a layer gives ``t_nLD``, whatever the pixels."""
    order, grid = output.positions.order, output.positions.grid
    given = t_nLD
    if order == "LBD":
        given = t_nLD.transpose(0, 1)
    elif order == "BDhw":
        given = t_nLD.transpose(1, 2).unflatten(2, grid)
    elif order == "BhwD":
        given = t_nLD.unflatten(1, grid)
    elif order == "BD":
        raise ModelError(f"{model.name}: layer {layer} has no places")

    def replace(module: nn.Module, _: Any, own: Any) -> Any:
        return (given, *own[1:]) if isinstance(own, tuple) else given

    handle = layers_of(model, [layer])[layer].register_forward_hook(replace)
    try:
        row_nD: Tensor = model.image(pixels_1CSS)
    finally:
        handle.remove()
    return row_nD
