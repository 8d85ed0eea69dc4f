"""Attention rolled out (Abnar and Zuidema 2020), and by its effect (Chefer et al. 2021).

Legend of shapes: B batch, C channels, S the tower's image size, K targets, h heads, L tokens,
P patches, H W the original image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vesalius.core import Heatmap, ModelError
from vesalius.encoders.borrowing import frozen
from vesalius.encoders.layers import layers_of, watch
from vesalius.encoders.positions import LayerOutput, Positions
from vesalius.explanation.placing import heatmaps
from vesalius.explanation.probabilities import Probabilities
from vesalius.explanation.targets import Scores, Targets, checked

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from vesalius.encoders import DualEncoder


def attention_rollout(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    batch_size: int = 8,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    The map says how much of each patch flows into the image's row, as if attention were all: the
    product over the blocks of (A + I) / 2, A the mean over heads (Abnar and Zuidema 2020, eq. 1).
    **It does not ask the target**: the map is the same for each, which makes it a control for those
    that do. The model is borrowed; of a large set, give parts.

    Args:
        images, targets, device: as :func:`vesalius.explanation.gradcam` takes them.

    Raises:
        ImageError: an image cannot be read.
        ModelError: the tower's tokens do not attend to one another (a ConvNet; Swin, whose windows
            attend each for itself).
    """

    def maps(pixels_BCSS: Tensor, scores: Scores) -> Tensor:
        positions, reads_L = _tokens(model, pixels_BCSS[:1])
        with Probabilities() as seen:
            row_BD = model.image(pixels_BCSS)
        blocks, pool_BhL = _sorted(model, seen.found, len(pixels_BCSS), len(reads_L))
        rolled_BLL = _identity(blocks[0])
        for found_BhLL in blocks:
            rolled_BLL = (found_BhLL.mean(1) @ rolled_BLL + rolled_BLL) / 2
        reads_BL = reads_L.expand(len(row_BD), -1) if pool_BhL is None else pool_BhL.mean(1)
        flow_BL = (reads_BL[:, None] @ rolled_BLL)[:, 0]
        return _placed(flow_BL, positions)[:, None].expand(-1, len(scores(row_BD)), -1, -1)

    return heatmaps(
        model, images, targets, maps, method="attention_rollout", batch_size=batch_size,
        device=device,
    )  # fmt: skip


def relevance(
    model: DualEncoder,
    images: Sequence[UInt8[np.ndarray, "H W ..."]],
    targets: Targets,
    *,
    batch_size: int = 4,
    device: str | None = None,
) -> list[list[Heatmap]]:
    """Return, for each image, one heatmap a target, in the original image's coordinates.

    Attention counts where more of it would raise the score: R <- R + E_h[max(0, dscore/dA · A)] R
    from block to block, R = I at first (Chefer et al. 2021, "Generic attention-model
    explainability", eq. 5-6). The map is the row of R that the image's row is read from. All
    probabilities of a batch stand in memory. The model is borrowed.

    Args:
        images, targets, device: as :func:`vesalius.explanation.gradcam` takes them.

    Raises:
        ImageError: an image cannot be read.
        ModelError: as :func:`attention_rollout`, or a score is not one number an image with a
            gradient.
    """

    def maps(pixels_BCSS: Tensor, scores: Scores) -> Tensor:
        positions, reads_L = _tokens(model, pixels_BCSS[:1])
        with frozen(model), torch.enable_grad():
            with Probabilities() as seen:
                row_BD = model.image(pixels_BCSS.clone().requires_grad_())
            scores_KB = checked(scores(row_BD), images=len(row_BD), with_gradient=True)
            sums_K = [score_B.sum() for score_B in scores_KB]
        # torch's own attention returns a view of what it went on with: the gradient is at its base
        asked = [each if each._base is None else each._base for each in seen.found]
        found = []
        for score in sums_K:
            slopes = torch.autograd.grad(
                score, asked, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            counts = [
                (slope.view_as(weight) * weight).detach().relu()
                for slope, weight in zip(slopes, seen.found, strict=True)
            ]
            blocks, pool_BhL = _sorted(model, counts, len(row_BD), len(reads_L))
            found.append(_placed(_relevant(blocks, pool_BhL, reads_L), positions))
        return torch.stack(found, 1)

    return heatmaps(
        model, images, targets, maps, method="relevance", batch_size=batch_size, device=device
    )


def _relevant(blocks: list[Tensor], pool_BhL: Tensor | None, reads_L: Tensor) -> Tensor:
    """Return how much each token counts; what a token is to itself before any block does not."""
    rolled_BLL = _identity(blocks[0])
    for counts_BhLL in blocks:
        rolled_BLL = rolled_BLL + counts_BhLL.mean(1) @ rolled_BLL
    if pool_BhL is not None:
        return (pool_BhL.mean(1)[:, None] @ rolled_BLL)[:, 0]
    return reads_L @ rolled_BLL - reads_L


def _identity(block_BhLL: Tensor) -> Tensor:
    batch, _, length, _ = block_BhLL.shape
    return torch.eye(length).to(block_BhLL).expand(batch, -1, -1)


def _placed(tokens_BL: Float[Tensor, "B L"], positions: Positions) -> Tensor:
    return tokens_BL[:, positions.prefix :].unflatten(1, positions.grid)


def _tokens(
    model: DualEncoder, pixels_1CSS: Float[Tensor, "1 C S S"]
) -> tuple[Positions, Float[Tensor, "L"]]:
    """Return where the last block's tokens lie, and which of them the image's row is read from.

    Those are the tokens with a gradient: a class token, or all patches in equal parts.
    """
    outputs: dict[str, LayerOutput] = {}
    with torch.enable_grad():
        pixels_1CSS = pixels_1CSS.detach().clone().requires_grad_()
        row_1D = watch(model.image, layers_of(model), pixels_1CSS, outputs.__setitem__)
        weights_D = torch.linspace(1, 2, row_1D.shape[1], device=model.device)
        score = (row_1D * weights_D).sum()  # unequal weights: what a norm gives has a constant sum
    tokens = [found for found in outputs.values() if "L" in found.positions.order]
    if not tokens:
        raise ModelError(f"{model.name}: there is no attention to read, its layers give maps")
    (slope,) = torch.autograd.grad(
        score, tokens[-1].values, allow_unused=True, materialize_grads=True
    )
    positions = tokens[-1].positions
    read_L = LayerOutput(slope, positions).tokens_BLD[0].any(1).to(row_1D)
    return positions, read_L / read_L.sum().clamp(min=1)


def _sorted(
    model: DualEncoder, found: list[Tensor], batch: int, length: int
) -> tuple[list[Float[Tensor, "B h L L"]], Float[Tensor, "B h L"] | None]:
    """Return what the blocks attend to, and the one query that pools the tokens, if there is one.

    Raises:
        ModelError: the blocks do not attend from each token to each.
    """
    whole = [each for each in found if each.shape[-2:] == (length, length)]
    if not whole or any(len(each) != batch for each in found):
        seen = sorted({f"{each.shape[-2]} × {each.shape[-1]}" for each in found})
        raise ModelError(
            f"{model.name}: there is no attention among all of its {length} tokens to read; seen "
            f"was {', '.join(seen) or 'none'}, of {length} × {length} for each image wanted"
        )
    pools = [each[:, :, 0] for each in found if each.shape[-2:] == (1, length)]
    return whole, pools[-1] if pools else None
