"""Sums over all pairs of two sides, at once or a few rows at a time.

A tile is a block of rows of the logits ``left @ rightᵀ``. Its share is added up and the tile
forgotten; the backward pass computes it again. So memory grows with the tile times the batch, not
with the batch squared, at the cost of one product more (cf. Inf-CL, Cheng et al. 2024).

Scales and temperatures belong in ``left``: their gradients then come by the chain rule.

Legend of shapes: N rows of the left side, M of the right, T rows of a tile, D width, F findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from vesalius.core.errors import RecipeError


def logsumexps(
    left_ND: Tensor, right_MD: Tensor, *, tile: int | None, own: bool = True
) -> tuple[Tensor, Tensor]:
    """Return log Σ_j exp z_ij of each row (N) and log Σ_i exp z_ij of each column (M).

    ``own=False`` leaves the z_ii out.
    """
    with torch.autocast(left_ND.device.type, enabled=False):
        if tile is not None:
            rows_N, columns_M = _LogSumExps.apply(left_ND, right_MD, _checked(tile), own)
            return rows_N, columns_M
        logits_NM = _logits(left_ND, right_MD, slice(0, len(left_ND)), own)
        return logits_NM.logsumexp(1), logits_NM.logsumexp(0)


def softplus_sum(left_ND: Tensor, right_MD: Tensor, *, tile: int | None) -> Tensor:
    """Return Σ_{i≠j} log(1 + exp z_ij)."""
    with torch.autocast(left_ND.device.type, enabled=False):
        if tile is not None:
            total: Tensor = _SoftplusSum.apply(left_ND, right_MD, _checked(tile))
            return total
        return softplus(_logits(left_ND, right_MD, slice(0, len(left_ND)), own=False)).sum()


def expected_logits(
    left_ND: Tensor, right_MD: Tensor, left_NF: Tensor, right_MF: Tensor, *, tile: int | None
) -> Tensor:
    """Return Σ_ij (P_ij / N + Q_ij / M) z_ij; P, Q are the softmaxes of left_NF @ right_MFᵀ.

    P is over each row and Q over each column. They are targets: no gradient flows into them.
    """
    with torch.autocast(left_ND.device.type, enabled=False):
        if tile is not None:
            total: Tensor = _ExpectedLogits.apply(
                left_ND, right_MD, left_NF, right_MF, _checked(tile)
            )
            return total
        with torch.no_grad():
            alike_NM = left_NF @ right_MF.T
            target_NM = alike_NM.softmax(1) / len(left_ND) + alike_NM.softmax(0) / len(right_MD)
        return (target_NM * (left_ND @ right_MD.T)).sum()


class _LogSumExps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left_ND: Tensor, right_MD: Tensor, tile: int, own: bool
    ) -> tuple[Tensor, Tensor]:
        rows_N = left_ND.new_empty(len(left_ND))
        columns_M = left_ND.new_full((len(right_MD),), -torch.inf)
        for rows in _blocks(len(left_ND), tile):
            logits_TM = _logits(left_ND, right_MD, rows, own)
            rows_N[rows] = logits_TM.logsumexp(1)
            columns_M = torch.logaddexp(columns_M, logits_TM.logsumexp(0))
        ctx.save_for_backward(left_ND, right_MD, rows_N, columns_M)
        ctx.tile, ctx.own = tile, own
        return rows_N, columns_M

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor, grad_M: Tensor) -> tuple[Any, ...]:
        left_ND, right_MD, rows_N, columns_M = ctx.saved_tensors

        def slopes(logits_TM: Tensor, rows: slice) -> Tensor:
            by_row_TM = (logits_TM - rows_N[rows, None]).exp_().mul_(grad_N[rows, None])
            return by_row_TM + logits_TM.sub_(columns_M).exp_().mul_(grad_M)

        return *_pull_back(left_ND, right_MD, slopes, ctx.tile, ctx.own), None, None


class _SoftplusSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left_ND: Tensor, right_MD: Tensor, tile: int) -> Tensor:
        total = left_ND.new_zeros(())
        for rows in _blocks(len(left_ND), tile):
            total += softplus(_logits(left_ND, right_MD, rows, own=False)).sum()
        ctx.save_for_backward(left_ND, right_MD)
        ctx.tile = tile
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        left_ND, right_MD = ctx.saved_tensors

        def slopes(logits_TM: Tensor, rows: slice) -> Tensor:
            return logits_TM.sigmoid_().mul_(grad)

        return *_pull_back(left_ND, right_MD, slopes, ctx.tile, own=False), None


class _ExpectedLogits(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left_ND: Tensor, right_MD: Tensor, left_NF: Tensor, right_MF: Tensor, tile: int
    ) -> Tensor:
        rows_N, columns_M = logsumexps(left_NF.detach(), right_MF.detach(), tile=tile)
        grad_ND, grad_MD = torch.empty_like(left_ND), torch.zeros_like(right_MD)
        for rows in _blocks(len(left_ND), tile):
            alike_TM = left_NF[rows] @ right_MF.T
            target_TM = (alike_TM - rows_N[rows, None]).exp_().div_(len(left_ND))
            target_TM += alike_TM.sub_(columns_M).exp_().div_(len(right_MD))
            grad_ND[rows] = target_TM @ right_MD
            grad_MD.addmm_(target_TM.T, left_ND[rows])
        ctx.save_for_backward(grad_ND, grad_MD)
        return (left_ND * grad_ND).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        grad_ND, grad_MD = ctx.saved_tensors
        return grad * grad_ND, grad * grad_MD, None, None, None


def _pull_back(
    left_ND: Tensor, right_MD: Tensor, slopes: Any, tile: int, own: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of both sides from the slopes of each tile's logits."""
    grad_ND, grad_MD = torch.empty_like(left_ND), torch.zeros_like(right_MD)
    with torch.autocast(left_ND.device.type, enabled=False):
        for rows in _blocks(len(left_ND), tile):
            slopes_TM = slopes(_logits(left_ND, right_MD, rows, own), rows)
            grad_ND[rows] = slopes_TM @ right_MD
            grad_MD.addmm_(slopes_TM.T, left_ND[rows])
    return grad_ND, grad_MD


def _logits(left_ND: Tensor, right_MD: Tensor, rows: slice, own: bool) -> Tensor:
    logits_TM = left_ND[rows] @ right_MD.T
    if not own:
        logits_TM.diagonal(rows.start).fill_(-torch.inf)
    return logits_TM


def _blocks(rows: int, tile: int) -> Iterator[slice]:
    return (slice(start, min(start + tile, rows)) for start in range(0, rows, tile))


def _checked(tile: int) -> int:
    if isinstance(tile, bool) or not isinstance(tile, int) or tile < 1:
        raise RecipeError(f"tile is {tile!r}; it must be a whole number of rows, 1 or more")
    return tile
