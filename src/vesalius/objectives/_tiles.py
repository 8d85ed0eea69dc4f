"""Sums over all pairs of two sides, at once or a few rows at a time.

A tile is a block of rows of the logits ``left @ rightᵀ``. Its share is added up and the tile
forgotten; the backward pass computes it again. So memory grows with the tile times the batch, not
with the batch squared, at the cost of one product more (cf. Inf-CL, Cheng et al. 2024).

Scales and temperatures belong in the sides: their gradients then come by the chain rule. Where
the sides are short enough that no exp z can overflow, nothing is shifted by its largest entry and
one exponential serves rows and columns.

Legend of shapes: N rows of the left side, M of the right, T rows of a tile, V rows of a side that
meets itself, D width, F findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from vesalius.core.errors import RecipeError
from vesalius.objectives._pairs import EXACT


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


def self_logsumexp(views_VD: Tensor, *, tile: int | None) -> Tensor:
    """Return log Σ_{j≠i} exp z_ij of each row of z = views @ viewsᵀ; a tile takes half of it."""
    with torch.autocast(views_VD.device.type, enabled=False):
        if tile is not None:
            rows_V: Tensor = _SelfLogSumExp.apply(views_VD, _checked(tile))
            return rows_V
        return _logits(views_VD, views_VD, slice(0, len(views_VD)), own=False).logsumexp(1)


def softplus_sum(left_ND: Tensor, right_MD: Tensor, *, tile: int | None) -> Tensor:
    """Return Σ_{i≠j} log(1 + exp z_ij)."""
    with torch.autocast(left_ND.device.type, enabled=False):
        if tile is not None:
            total: Tensor = _SoftplusSum.apply(left_ND, right_MD, _checked(tile))
            return total
        logits_NM = _logits(left_ND, right_MD, slice(0, len(left_ND)), own=False)
        return softplus(logits_NM, threshold=EXACT).sum()


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
        plain = _cannot_overflow(left_ND, right_MD)
        rows_N = left_ND.new_empty(len(left_ND))
        columns_M = left_ND.new_full((len(right_MD),), 0.0 if plain else -torch.inf)
        for rows in _blocks(len(left_ND), tile):
            logits_TM = _logits(left_ND, right_MD, rows, own)
            if plain:
                rows_N[rows] = logits_TM.exp_().sum(1).log()
                columns_M += logits_TM.sum(0)
            else:
                rows_N[rows] = logits_TM.logsumexp(1)
                columns_M = torch.logaddexp(columns_M, logits_TM.logsumexp(0))
        if plain:
            columns_M.log_()
        ctx.save_for_backward(left_ND, right_MD, rows_N, columns_M)
        ctx.tile, ctx.own, ctx.plain = tile, own, plain
        return rows_N, columns_M

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor, grad_M: Tensor) -> tuple[Any, ...]:
        left_ND, right_MD, rows_N, columns_M = ctx.saved_tensors

        def slopes(logits_TM: Tensor, rows: slice) -> Tensor:
            by_row, by_column = (rows_N[rows], grad_N[rows]), (columns_M, grad_M)
            return _slopes(logits_TM, by_row, by_column, ctx.plain)

        return *_pull_back(left_ND, right_MD, slopes, ctx.tile, ctx.own), None, None


class _SelfLogSumExp(torch.autograd.Function):
    """z is symmetric: a tile begins at its own rows, and what lies right of it counts twice."""

    @staticmethod
    def forward(ctx: Any, views_VD: Tensor, tile: int) -> Tensor:
        plain = _cannot_overflow(views_VD, views_VD)
        rows_V = views_VD.new_full((len(views_VD),), 0.0 if plain else -torch.inf)
        for rows in _blocks(len(views_VD), tile):
            logits_TV = _logits(views_VD[rows], views_VD[rows.start :], slice(0, tile), own=False)
            own, after = rows_V[rows], rows_V[rows.stop :]
            later_TV = logits_TV[:, len(own) :]
            if plain:
                own += logits_TV.exp_().sum(1)
                after += later_TV.sum(0)
            else:
                torch.logaddexp(own, logits_TV.logsumexp(1), out=own)
                torch.logaddexp(after, later_TV.logsumexp(0), out=after)
        if plain:
            rows_V.log_()
        ctx.save_for_backward(views_VD, rows_V)
        ctx.tile, ctx.plain = tile, plain
        return rows_V

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_V: Tensor) -> tuple[Any, ...]:
        views_VD, rows_V = ctx.saved_tensors
        grad_VD = torch.zeros_like(views_VD)
        with torch.autocast(views_VD.device.type, enabled=False):
            for rows in _blocks(len(views_VD), ctx.tile):
                onward = slice(rows.start, None)
                logits_TV = _logits(views_VD[rows], views_VD[onward], slice(0, ctx.tile), own=False)
                by_row, by_column = (rows_V[rows], grad_V[rows]), (rows_V[onward], grad_V[onward])
                slopes_TV = _slopes(logits_TV, by_row, by_column, ctx.plain)
                grad_VD[rows].addmm_(slopes_TV, views_VD[onward])
                later_TV = slopes_TV[:, rows.stop - rows.start :]
                grad_VD[rows.stop :].addmm_(later_TV.T, views_VD[rows])
        return grad_VD, None


class _SoftplusSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left_ND: Tensor, right_MD: Tensor, tile: int) -> Tensor:
        total = left_ND.new_zeros(())
        for rows in _blocks(len(left_ND), tile):
            total += softplus(_logits(left_ND, right_MD, rows, own=False), threshold=EXACT).sum()
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
    left_ND: Tensor,
    right_MD: Tensor,
    slopes: Callable[[Tensor, slice], Tensor],
    tile: int,
    own: bool,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of both sides from the slopes of each tile's logits."""
    grad_ND, grad_MD = torch.empty_like(left_ND), torch.zeros_like(right_MD)
    with torch.autocast(left_ND.device.type, enabled=False):
        for rows in _blocks(len(left_ND), tile):
            slopes_TM = slopes(_logits(left_ND, right_MD, rows, own), rows)
            grad_ND[rows] = slopes_TM @ right_MD
            grad_MD.addmm_(slopes_TM.T, left_ND[rows])
    return grad_ND, grad_MD


def _slopes(
    logits_TM: Tensor,
    by_row: tuple[Tensor, Tensor],
    by_column: tuple[Tensor, Tensor],
    plain: bool,
) -> Tensor:
    """Return how the loss changes with each logit, from the sums' logarithms and gradients."""
    (rows_T, grad_T), (columns_M, grad_M) = by_row, by_column
    if plain:
        rates_T, rates_M = grad_T * (-rows_T).exp(), grad_M * (-columns_M).exp()
        return logits_TM.exp_().mul_(rates_T[:, None] + rates_M)
    from_rows_TM = (logits_TM - rows_T[:, None]).exp_().mul_(grad_T[:, None])
    return from_rows_TM.add_(logits_TM.sub_(columns_M).exp_().mul_(grad_M))


def _cannot_overflow(left_ND: Tensor, right_MD: Tensor) -> bool:
    """Whether exp z, its sums and their inverses stay well inside the number format.

    |z_ij| is at most the product of the lengths; two thirds of the format's range leave room for
    sums over a batch and for gradients divided by it.
    """
    longest = left_ND.norm(dim=1).max() * right_MD.norm(dim=1).max()
    return bool(longest < log(torch.finfo(left_ND.dtype).max) * 2 / 3)


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
