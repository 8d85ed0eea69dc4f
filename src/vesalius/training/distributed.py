"""Many ranks, one batch: each encodes its share, and all see the same loss and gradient.

The rows of a batch do not depend on the number of ranks. Each rank takes its contiguous share of
them; their features are gathered in the batch's order, every rank computes the same objective on
all of them, and the gradients of the parameters are averaged. What a rank's own graph gives is the
derivative of the sum of all ranks' (equal) losses, so the average is the gradient of the one loss.

Legend of shapes: B batch, S share of a rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from vesalius.core import RankError
from vesalius.data.ranks import gathered_objects, rank, told, world
from vesalius.training.settings import Conditions

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

BUCKET = 2**24  # numbers that are averaged at once


@dataclass(frozen=True, slots=True)
class Shares:
    """The rows of a batch that can be read, by rank; one entry stands for all of them.

    A batch with fewer cases than ranks is not parted: every rank takes all of it.
    """

    rows: tuple[NDArray[np.integer], ...]

    @property
    def parted(self) -> bool:
        return len(self.rows) > 1

    @property
    def rows_B(self) -> NDArray[np.integer]:
        return np.concatenate(self.rows)


def own_share(group: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return this rank's contiguous part of a batch, or all of it if it is too small to part."""
    return group if len(group) < world() else np.array_split(group, world())[rank()]


def shares(group: NDArray[np.integer], rows_S: NDArray[np.integer]) -> Shares | None:
    """Return who has which rows of a batch, told by what this rank could read of its share.

    None means that a rank could read nothing of its share while another could: the batch must not
    be parted then, for a rank with nothing has no graph to put a gradient into.
    """
    if len(group) < world() or world() == 1:
        return Shares((rows_S,))
    rows = gathered_objects(rows_S)
    empty = [len(own) == 0 for own in rows]
    return None if any(empty) and not all(empty) else Shares(tuple(rows))


def gathered(features: dict[str, Tensor], parts: Shares) -> dict[str, Tensor]:
    """Return the features of the whole batch from those of this rank's share, with gradient."""
    if not parts.parted:
        return features
    sizes = [len(rows) for rows in parts.rows]
    return {name: cast("Tensor", _Gather.apply(own, sizes)) for name, own in features.items()}


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the ranks; one that is missing counts as zero.

    A parameter that has none on any rank keeps none: an optimiser leaves it as it is. Those of
    sharded parameters are means already.
    """
    if world() == 1:
        return
    learning = [own for own in parameters if own.requires_grad and not is_sharded(own)]
    has = gathered_objects([parameter.grad is not None for parameter in learning])
    used = [own for own, *there in zip(learning, *has, strict=True) if any(there)]
    for parameter in used:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for bucket in _buckets([cast("Tensor", parameter.grad) for parameter in used]):
        flat = torch.cat([slope.reshape(-1) for slope in bucket])
        with told():
            dist.all_reduce(flat)
        flat /= world()
        for slope, mean in zip(bucket, flat.split([s.numel() for s in bucket]), strict=True):
            slope.copy_(mean.view_as(slope))


def is_asked(conditions: Conditions) -> bool:
    """Return whether towers are sharded: one rank has nobody to share with."""
    return conditions.shard and world() > 1


def is_sharded(value: object) -> bool:
    """Return whether a tensor lies in parts on all ranks."""
    if world() == 1:
        return False  # what knows such tensors takes a second to load
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor)


def begin_alike(module: nn.Module) -> None:
    """Give every rank the first one's weights and buffers."""
    if world() > 1:
        for value in module.state_dict().values():
            with told():
                dist.broadcast(value.data, src=0)


def same_everywhere(progress: object) -> None:
    """Check that every rank goes on from the same place.

    Raises:
        RankError: the ranks found different checkpoints.
    """
    found = gathered_objects(progress)
    if any(other != found[0] for other in found):
        raise RankError(
            "the ranks found different checkpoints; their folder must be one that all machines "
            "of the job share"
        )


class _Gather(torch.autograd.Function):
    """All ranks' rows, in their order. Backward: the slopes of the sum of all ranks' losses.

    Every rank computes the same loss, so that sum's slope is ``world`` times the own one's, and
    nothing has to be exchanged.
    """

    @staticmethod
    def forward(ctx: Any, own_SD: Float[Tensor, "S ..."], sizes: Sequence[int]) -> Tensor:
        ctx.first = sum(sizes[: rank()])
        ctx.size = sizes[rank()]
        padded = own_SD.new_zeros(max(sizes), *own_SD.shape[1:])
        padded[: ctx.size] = own_SD.detach()
        found = [torch.empty_like(padded) for _ in sizes]
        with told():
            dist.all_gather(found, padded)
        return torch.cat([part[:size] for part, size in zip(found, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return slopes[0][ctx.first : ctx.first + ctx.size] * world(), None


def _buckets(slopes: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield gradients of one type and device, together about ``BUCKET`` numbers."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for slope in slopes:
        kinds.setdefault((slope.dtype, slope.device), []).append(slope)
    for same in kinds.values():
        bucket: list[Tensor] = []
        for slope in same:
            bucket.append(slope)
            if sum(own.numel() for own in bucket) >= BUCKET:
                yield bucket
                bucket = []
        if bucket:
            yield bucket
