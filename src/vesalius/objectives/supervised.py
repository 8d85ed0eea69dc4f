"""Losses of labels: unknown truths (NaN) take no part.

Legend of shapes: B batch, C labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def masked_bce(
    logits_BC: Float[Tensor, "B C"],
    truths_BC: Float[Tensor, "B C"],
    *,
    pos_weight: Float[Tensor, "C"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean binary cross-entropy over the known truths (1, 0), in nats.

    NaN is unknown, never negative: it is left out of the sum and of the count, and its logit gets
    no gradient. With no known truth at all the loss is 0. ``pos_weight`` weighs the positives of
    each label.

    >>> import torch
    >>> truths = torch.tensor([[1.0, float("nan")], [0.0, float("nan")]])
    >>> round(float(masked_bce(torch.zeros(2, 2), truths)), 6)  # log 2
    0.693147
    """
    import torch
    from torch.nn import functional

    _same_shape("masked_bce", logits_BC, truths_BC)
    known_BC = ~torch.isnan(truths_BC)
    losses_BC = functional.binary_cross_entropy_with_logits(
        _wide(logits_BC),
        torch.nan_to_num(truths_BC).to(_wide(logits_BC)),
        pos_weight=pos_weight,
        reduction="none",
    )
    return torch.where(known_BC, losses_BC, 0.0).sum() / known_BC.sum().clamp(min=1)


def cross_entropy(
    logits_BC: Float[Tensor, "B C"], truths_BC: Float[Tensor, "B C"]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy over the cases whose class is known, in nats.

    ``truths_BC`` is one-hot; a row with a NaN, or without a 1, is unknown and left out. With no
    known case at all the loss is 0.

    >>> import torch
    >>> round(float(cross_entropy(torch.zeros(2, 4), torch.eye(4)[:2])), 6)  # log 4
    1.386294
    """
    import torch
    from torch.nn import functional

    _same_shape("cross_entropy", logits_BC, truths_BC)
    known_B = known_classes(truths_BC)
    losses_B = functional.cross_entropy(
        _wide(logits_BC), torch.nan_to_num(truths_BC).argmax(1), reduction="none"
    )
    return torch.where(known_B, losses_B, 0.0).sum() / known_B.sum().clamp(min=1)


def known_classes(truths_BC: Float[Tensor, "B C"]) -> Tensor:
    """Return, for each row, whether its class is known: exactly one 1 and no NaN."""
    return (truths_BC == 1).sum(1).eq(1) & ~truths_BC.isnan().any(1)


def _same_shape(name: str, logits_BC: Tensor, truths_BC: Tensor) -> None:
    if logits_BC.ndim != 2 or logits_BC.shape != truths_BC.shape:
        raise ValueError(
            f"{name}: logits {tuple(logits_BC.shape)} and truths {tuple(truths_BC.shape)} "
            "must be two equal shapes (B, C)"
        )


def _wide(values: Tensor) -> Tensor:
    import torch

    return values.to(torch.promote_types(values.dtype, torch.float32))
