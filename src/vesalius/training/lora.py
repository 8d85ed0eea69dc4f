"""LoRA (Hu et al. 2022): a low-rank change of weights that stand still, merged in at the end.

Linear layers and convolutions are adapted by the package peft. ``nn.MultiheadAttention`` reads its
weights past its layers' ``forward`` (peft merges and unmerges them at every call, which rounds them
a little each time), so there the change is put on the weights themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from vesalius.core import TrainingError
from vesalius.training.blocks import blocks_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


class LowRank(nn.Module):
    """``W + alpha / rank * B A``; B starts at zero, A as that of a linear layer."""

    def __init__(self, weight_OI: Tensor, *, rank: int, alpha: float) -> None:
        super().__init__()
        outputs, inputs = weight_OI.shape
        self.scale = alpha / rank
        self.lora_A = nn.Parameter(weight_OI.new_empty(rank, inputs))
        self.lora_B = nn.Parameter(weight_OI.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=sqrt(5))

    def forward(self, weight_OI: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        return weight_OI + self.scale * self.lora_B @ self.lora_A


@contextmanager
def with_lora(tower: nn.Module, *, rank: int, alpha: float, seed: int) -> Iterator[None]:
    """Within the block only low-rank changes learn; at its end they are part of the weights.

    The attention and network layers within the blocks are adapted; where these have neither (a
    ResNet), the blocks' convolutions. The tower has then the parameters that it had before.

    Raises:
        TrainingError: peft is not installed, or the tower has no blocks with such layers.
    """
    layers, attentions = _targets(tower)
    learning = [(parameter, parameter.requires_grad) for parameter in tower.parameters()]
    for parameter, _ in learning:
        parameter.requires_grad_(False)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            _inject(tower, layers, rank=rank, alpha=alpha)
            for module, name in attentions:
                change = LowRank(getattr(module, name), rank=rank, alpha=alpha)
                parametrize.register_parametrization(module, name, change)
        yield
    finally:
        _merge(tower, attentions)
        for parameter, learns in learning:
            parameter.requires_grad_(learns)


def _targets(tower: nn.Module) -> tuple[list[str], list[tuple[nn.Module, str]]]:
    """Return the names of layers to adapt, and weights of attentions with their modules."""
    within = {id(part) for block in blocks_of(tower) for part in block.modules()}
    modules = [(path, part) for path, part in tower.named_modules() if id(part) in within]
    attentions: list[tuple[nn.Module, str]] = []
    inside: set[int] = set()
    for _, part in modules:
        if isinstance(part, nn.MultiheadAttention):
            inside.add(id(part.out_proj))
            named = [name for name in ATTENTION if getattr(part, name) is not None]
            attentions += [*((part, name) for name in named), (part.out_proj, "weight")]
    for kind in (nn.Linear, nn.Conv2d):
        layers = [p for p, part in modules if isinstance(part, kind) and id(part) not in inside
                  and (kind is nn.Linear or part.groups == 1)]  # fmt: skip
        if layers or attentions:
            return layers, attentions
    raise TrainingError(
        f"strategy 'lora': the blocks of the {type(tower).__name__} have no linear layer, "
        "attention or convolution; choose another strategy"
    )


def _inject(tower: nn.Module, layers: list[str], *, rank: int, alpha: float) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise TrainingError(
            "strategy=lora needs the package peft: pip install 'vesalius[lora]'"
        ) from None
    if layers:
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=layers, lora_dropout=0.0)  # type: ignore[arg-type]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers whose rank is above their width
            inject_adapter_in_model(config, tower)


def _merge(tower: nn.Module, attentions: list[tuple[nn.Module, str]]) -> None:
    """Add the changes to the weights, and put the plain layers back."""
    for module, name in reversed(attentions):
        if parametrize.is_parametrized(module, name):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
            names = [name, *(other for other in module._parameters if other != name)]
            for other in names:  # it went to the end: back to where torch has it, first
                module._parameters[other] = module._parameters.pop(other)
    for parent in list(tower.modules()):
        for name, part in list(parent.named_children()):
            layer: Any = part
            if hasattr(layer, "base_layer") and hasattr(layer, "merge"):
                layer.merge()
                setattr(parent, name, layer.get_base_layer())
