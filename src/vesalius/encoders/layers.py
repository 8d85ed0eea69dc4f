"""A tower's blocks and layers, found by its structure, and what they give on the way.

Blocks are the members of lists of composite modules (``ModuleList``, ``Sequential``), the
innermost where lists nest (stages of blocks): the layers of a transformer, the residual blocks of a
ResNet, ConvNeXt or Swin. No tower has to declare them.

Legend of shapes: B batch, C channels, H W pixels, D width, L positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vesalius.core import ModelError, unknown
from vesalius.encoders.dual_encoder import DualEncoder
from vesalius.encoders.positions import LayerOutput, positions_of

if TYPE_CHECKING:
    from jaxtyping import Float

LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
BARE_LISTS = (nn.ModuleList, nn.ModuleDict)


def blocks(tower: nn.Module) -> list[nn.Module]:
    """Return a tower's blocks, from its input up; none where it has no list of them."""
    parts = list(tower.children())
    inner = [blocks(part) for part in parts]
    if isinstance(tower, LISTS) and parts and all(map(_composite, parts)):
        return [block for part, own in zip(parts, inner, strict=True) for block in own or [part]]
    return [block for own in inner for block in own]


def parts_of(tower: nn.Module) -> str:
    """Return what a tower consists of, for an error."""
    parts = [f"{name} ({type(part).__name__})" for name, part in tower.named_children()]
    return ", ".join(parts) or "nothing"


def layers_of(tower: nn.Module, names: Iterable[str] | None = None, /) -> dict[str, nn.Module]:
    """Return the layers of an image tower (or of a model's) by name, from its input up.

    A name is the module's path within the tower (``visual.transformer.resblocks.0``). Layers are
    the blocks; but those of a DenseNet hand on only what each adds, so there the list of them,
    which runs as a whole, is the layer. ``names`` chooses some, in the given order.

    Raises:
        ModelError: the tower has none; what it consists of is listed.
        ChoiceError: it has no layer of a name.

    >>> stage = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2)))
    >>> list(layers_of(nn.Sequential(nn.Linear(2, 2), stage)))
    ['1.0', '1.1']
    """
    tower = tower.image if isinstance(tower, DualEncoder) else tower
    found = {id(block) for block in blocks(tower)}
    layers: dict[str, nn.Module] = {}
    for path in [path for path, module in tower.named_modules() if id(module) in found]:
        around = tower.get_submodule(path.rpartition(".")[0])
        whole = isinstance(around, BARE_LISTS) and type(around).forward is not nn.Module.forward
        name = path.rpartition(".")[0] if whole else path
        layers[name] = tower.get_submodule(name)
    if not layers:
        raise ModelError(
            f"no layers can be told apart in this {type(tower).__name__}, which consists of "
            f"{parts_of(tower)}"
        )
    if names is None:
        return layers
    for name in (chosen := list(names)):
        if name not in layers:
            raise unknown("layer", name, layers)
    return {name: layers[name] for name in chosen}


def watch(
    tower: nn.Module,
    layers: Mapping[str, nn.Module],
    pixels_BCHW: Float[Tensor, "B C H W"],
    see: Callable[[str, LayerOutput], None],
) -> Tensor:
    """Run the tower once, show each layer's output as it is made, and return the tower's own.

    Mode and gradients are as the caller set them. Nothing is kept of what ``see`` does not keep.
    The hooks are gone afterwards, also after an error.

    Raises:
        ModelError: an output is of no known form, or the tower never ran one of the layers.
    """
    unseen = dict.fromkeys(layers)

    def show(name: str, module: nn.Module, output: Any) -> None:
        unseen.pop(name, None)
        values = _tensor(name, output)
        see(name, LayerOutput(values, positions_of(name, module, tower, values, pixels_BCHW)))

    handles = []
    try:
        for name, module in layers.items():
            handles.append(
                module.register_forward_hook(
                    lambda module, _, output, name=name: show(name, module, output)
                )
            )
        result: Tensor = tower(pixels_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    if unseen:
        raise ModelError(
            f"this {type(tower).__name__} gives its result without the layers {', '.join(unseen)}"
        )
    return result


def layer_outputs(
    tower: nn.Module,
    layers: Mapping[str, nn.Module],
    pixels_BCHW: Float[Tensor, "B C H W"],
) -> dict[str, LayerOutput]:
    """Return what each layer gives for a batch; all are kept, so choose layers where memory counts.

    Mode and gradients are as the caller set them. Raises as :func:`watch`.
    """
    found: dict[str, LayerOutput] = {}
    watch(tower, layers, pixels_BCHW, found.__setitem__)
    return {name: found[name] for name in layers}


def _composite(part: nn.Module) -> bool:
    """Whether a module with weights is made of others (an adapted layer is still one layer)."""
    adapted = hasattr(part, "base_layer") or hasattr(part, "parametrizations")
    has_parts = next(part.children(), None) is not None
    return has_parts and not adapted and next(part.parameters(), None) is not None


def _tensor(name: str, output: Any) -> Tensor:
    """Return the values that a layer gives; transformers puts them first in a tuple."""
    values = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(values, Tensor):
        raise ModelError(f"layer {name} gives {type(values).__name__}, not a tensor")
    return values
