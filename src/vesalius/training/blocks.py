"""A tower's blocks and depths: what "the last two blocks" and "lower layers" mean in training.

Blocks are found by the tower's structure (:mod:`vesalius.encoders.layers`).
"""

from __future__ import annotations

from torch import nn

from vesalius.core import TrainingError
from vesalius.encoders.layers import blocks, parts_of


def blocks_of(tower: nn.Module) -> list[nn.Module]:
    """Return a tower's blocks, from its input up.

    Raises:
        TrainingError: there are not two of them; what the tower consists of is listed.
    """
    found = blocks(tower)
    if len(found) < 2:
        raise TrainingError(
            f"no blocks can be told apart in this {type(tower).__name__}, which consists of "
            f"{parts_of(tower)}; choose strategy 'full' or 'head' without layer_decay"
        )
    return found


def depths(tower: nn.Module) -> tuple[dict[nn.Parameter, int], int]:
    """Return each parameter's depth, and the number of blocks.

    0 is what comes before the blocks (embeddings, stem), 1 … n are the blocks, n + 1 is what comes
    after them (norm, pooling, projection). What lies between two blocks counts with the second.
    """
    numbers = {id(block): number for number, block in enumerate(blocks_of(tower), start=1)}
    paths = [path for path, module in tower.named_modules() if id(module) in numbers]
    found: dict[nn.Parameter, int] = {}
    seen, block = 0, ""
    for path, module in tower.named_modules():
        if id(module) in numbers:
            seen, block = numbers[id(module)], path
        around = not path or any(other.startswith(f"{path}.") for other in paths)
        for name, parameter in module.named_parameters(recurse=False):
            if seen and f"{path}.".startswith(f"{block}."):
                depth = seen
            elif around:  # a parameter of its own: places and class tokens, or a projection
                depth = len(numbers) + 1 if "proj" in name else 0
            else:
                depth = 0 if seen == 0 else seen + 1
            found.setdefault(parameter, depth)
    return found, len(numbers)


def below(tower: nn.Module, last: int) -> list[nn.Parameter]:
    """Return the parameters below the last blocks.

    Raises:
        TrainingError: the tower has fewer blocks.
    """
    found, number = depths(tower)
    if last > number:
        raise TrainingError(f"last_blocks is {last}, and the {type(tower).__name__} has {number}")
    return [parameter for parameter, depth in found.items() if depth <= number - last]


def decayed_rates(
    tower: nn.Module, rate: float, decay: float | None
) -> list[tuple[nn.Parameter, float]]:
    """Return each parameter with its learning rate, ``rate * decay ** (layers above it)``.

    As BEiT's (Bao et al. 2022) and MAE's (He et al. 2022) fine-tuning: ``rate`` itself is that of
    what comes after the blocks. None decays nothing; a tower that stands still needs no blocks.
    """
    if decay is None or not any(parameter.requires_grad for parameter in tower.parameters()):
        return [(parameter, rate) for parameter in tower.parameters()]
    found, number = depths(tower)
    return [(parameter, rate * decay ** (number + 1 - d)) for parameter, d in found.items()]
