"""Batch normalisation by the statistics of the whole batch, where its images lie on many ranks.

Legend of shapes: S images of a rank, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vesalius.data.ranks import told

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@contextmanager
def one_batch(module: nn.Module, *, parted: bool) -> Iterator[None]:
    """Within the block, the module's batch normalisations see all ranks' images as one batch.

    Unlike torch's ``SyncBatchNorm``, it also works on the CPU and leaves the module's classes and
    weights as they are. Every rank must go through the module equally often.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    if not parted or not norms:
        yield
        return
    for part in norms:
        cast("Any", part).forward = partial(_normalised, part)
    try:
        yield
    finally:
        for part in norms:
            del part.forward


def _normalised(norm: Any, values: Float[Tensor, "S C ..."]) -> Tensor:
    """Normalise by mean and variance over the images of all ranks; count them as torch does."""
    over = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1, *[1] * (values.ndim - 2)]
    wide = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    count = wide.new_tensor([values.numel() / values.shape[1]])
    summed = _total(torch.cat([wide.sum(over), count]))
    count = summed[-1].detach()
    mean_C = summed[:-1] / count
    centred = wide - mean_C.view(shape)
    variance_C = _total(centred.square().sum(over)) / count
    if norm.track_running_stats and norm.running_mean is not None:
        norm.num_batches_tracked.add_(1)
        share = norm.momentum
        if share is None:
            share = 1 / float(norm.num_batches_tracked)
        unbiased_C = variance_C.detach() * (count / (count - 1))
        with torch.no_grad():
            norm.running_mean.lerp_(mean_C.detach().to(norm.running_mean.dtype), share)
            norm.running_var.lerp_(unbiased_C.to(norm.running_var.dtype), share)
    scaled = centred * (variance_C + norm.eps).rsqrt().view(shape)
    if norm.affine:
        scaled = scaled * norm.weight.view(shape) + norm.bias.view(shape)
    return scaled.to(values.dtype)


def _total(values: Tensor) -> Tensor:
    return cast("Tensor", _Sum.apply(values))


class _Sum(torch.autograd.Function):
    """The sum over the ranks; each rank's loss depends on every rank's values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        return _summed(slopes[0])


def _summed(values: Tensor) -> Tensor:
    values = values.clone()
    with told():
        dist.all_reduce(values)
    return values
