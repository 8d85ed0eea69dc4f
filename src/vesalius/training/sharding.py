"""FSDP: each rank keeps a part of every weight, gradient and optimiser state of the towers.

A tower is sharded block by block (torch's ``fully_shard``): a block's weights are gathered when it
is run and dropped after it; its gradients are averaged as they are dealt out. The scale of the
logits, and what else is a single number or belongs to two blocks, stays whole on every rank.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn

from vesalius.core import TrainingError
from vesalius.data.ranks import lost, rank, told, world
from vesalius.training.blocks import blocks_of
from vesalius.training.distributed import is_asked, is_sharded
from vesalius.training.settings import Conditions
from vesalius.training.towers import towers

if TYPE_CHECKING:
    from torch import Tensor

Parameters = dict[nn.Parameter, nn.Parameter]
OF_FSDP = re.compile("fsdp|composable")  # what fully_shard leaves in a module's attributes


@contextmanager
def sharded(module: nn.Module, conditions: Conditions) -> Iterator[Parameters]:
    """Within the block the towers are sharded, if the conditions ask for it and there are ranks.

    Yields each parameter's stand-in. At the end the module has its own parameters again, with what
    they have become; after an error, with what they were: ranks that may be gone are not asked.

    Raises:
        TrainingError: the conditions ask for what does not go together with it.
        RankError: another rank has ended.
    """
    if not is_asked(conditions):
        yield {}
        return
    if conditions.compile:
        raise TrainingError("shard and compile do not go together; choose one of them")
    before = [_Before.of(part) for part in module.modules()]
    device = torch.device(conditions.device)
    places = {
        parameter: (part, name)
        for part in module.modules()
        for name, parameter in part.named_parameters(recurse=False)
    }
    try:
        with told():
            _shard(module, device)
        found = {own: part._parameters[name] for own, (part, name) in places.items()}
        stand_ins = {own: now for own, now in found.items() if now is not None and now is not own}
        for own in stand_ins:  # out of the accelerator's memory
            own.data = own.data.cpu()
        others = [*(own for own in places if own not in stand_ins), *module.buffers()]
        with _as_begun_after_an_error(others):
            yield stand_ins
            with torch.no_grad(), told():
                ended = {own: _whole(now).to(device) for own, now in stand_ins.items()}
        for own, value in ended.items():
            own.data = value
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise lost(error) from error
        raise
    finally:
        for was in before:
            was.put_back()
        for own in places:
            own.data, own.grad = own.data.to(device), None


def own_part(value: Tensor) -> Tensor:
    """Return what this rank has of a tensor; memory is shared, so it can be changed in place."""
    own: Any = value
    found: Tensor = own.to_local() if is_sharded(value) else value
    return found


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gather what is sharded into the memory of the first rank; the other ranks leave it out.

    Every rank must come here, with the same names.
    """
    found = {}
    for name, value in tensors.items():
        if not is_sharded(value):
            found[name] = value
            continue
        with told():
            gathered = _whole(value)
        if rank() == 0:
            found[name] = gathered.cpu()
    return found


def dealt(value: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor sharded as another one of its shape is, or as it is if that is not."""
    if not is_sharded(like) or value.shape != like.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    there: Any = like
    return distribute_tensor(
        value.to(like.device), there.device_mesh, there.placements, src_data_rank=None
    )


def total_norm(gradients: Sequence[Tensor]) -> float:
    """Return the length of all gradients as one vector, sharded and whole ones together."""
    parts = [own_part(slope) for slope in gradients if is_sharded(slope)]
    others = [slope for slope in gradients if not is_sharded(slope)]
    if not parts:
        return float(nn.utils.get_total_norm(others))
    squared = nn.utils.get_total_norm(parts).double().square()
    with told():
        dist.all_reduce(squared)
    if others:
        squared += nn.utils.get_total_norm(others).double().square()
    return float(squared.sqrt())


@contextmanager
def _as_begun_after_an_error(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Give tensors their values back where an error ends the block."""
    begun = [value.detach().clone() for value in tensors]
    try:
        yield
    except BaseException:
        for value, was in zip(tensors, begun, strict=True):
            value.data.copy_(was)
        raise


def _whole(value: Any) -> Tensor:
    found: Tensor = value.detach().full_tensor()
    return found.contiguous()


def _shard(module: nn.Module, device: torch.device) -> None:
    """Shard each tower with weights, its blocks first."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    units = _units(module)
    holders = Counter(parameter for unit in units for parameter in _of_its_own(unit, units))
    stay = {own for own, count in holders.items() if count > 1 or own.ndim == 0}
    mesh = init_device_mesh(device.type, (world(),))
    for parameter in module.parameters():
        parameter.data = parameter.data.contiguous()
    for unit in units:
        fully_shard(unit, mesh=mesh, reshard_after_forward=True, ignored_params=stay)


def _units(module: nn.Module) -> list[nn.Module]:
    """Return what is gathered at once: blocks that are called as modules, and the towers."""
    found: list[nn.Module] = []
    for tower in towers(module):
        try:
            blocks = blocks_of(tower)
        except TrainingError:  # none can be told apart
            blocks = []
        called = [b for b in blocks if not isinstance(b, (nn.ModuleList, nn.ModuleDict))]
        if next(tower.parameters(), None) is not None:
            found += [part for part in [*called, tower] if part not in found]
    return found


def _of_its_own(unit: nn.Module, units: list[nn.Module]) -> set[nn.Parameter]:
    """Return the parameters of a unit that are not in another one inside it."""
    others = {id(other) for other in units if other is not unit}
    inside = {
        id(inner) for part in unit.modules() if id(part) in others for inner in part.modules()
    }
    parts = [part for part in unit.modules() if id(part) not in inside]
    return {parameter for part in parts for parameter in part.parameters(recurse=False)}


@dataclass(frozen=True, slots=True)
class _Before:
    """A module's class, parameters and hooks as they were: torch cannot undo ``fully_shard``."""

    part: nn.Module
    kind: type[nn.Module]
    tables: dict[str, Any]

    @classmethod
    def of(cls, part: nn.Module) -> _Before:
        tables = {
            name: value.copy()
            for name, value in vars(part).items()
            if name == "_parameters" or (name.startswith("_") and "_hooks" in name)
            if hasattr(value, "copy")
        }
        return cls(part, type(part), tables)

    def put_back(self) -> None:
        from torch.distributed import _composable_state

        self.part.__class__ = self.kind
        for name, value in self.tables.items():
            setattr(self.part, name, value)
        for name in [name for name in vars(self.part) if OF_FSDP.search(name)]:
            delattr(self.part, name)
        _composable_state._module_state_mapping.pop(self.part, None)
