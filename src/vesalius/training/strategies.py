"""Strategies: which parts of the towers learn, from the head alone to everything.

A strategy is a pair of ways, one for the image tower and one for the text tower; each way is a
context within which the tower learns so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from vesalius.core import unknown
from vesalius.training.blocks import below
from vesalius.training.freezing import frozen
from vesalius.training.lora import with_lora
from vesalius.training.settings import Reach

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder

Way = Callable[[nn.Module, Reach, int], AbstractContextManager[None]]


def whole(tower: nn.Module, reach: Reach, seed: int) -> AbstractContextManager[None]:
    """Everything learns."""
    return frozen(())


def still(tower: nn.Module, reach: Reach, seed: int) -> AbstractContextManager[None]:
    """Nothing learns, batch statistics included."""
    return frozen(tower.parameters())


def last_blocks(tower: nn.Module, reach: Reach, seed: int) -> AbstractContextManager[None]:
    """The last blocks learn, and what comes after them."""
    return frozen(below(tower, reach.last_blocks))


def low_rank(tower: nn.Module, reach: Reach, seed: int) -> AbstractContextManager[None]:
    """Low-rank changes of the blocks' layers learn."""
    return with_lora(tower, rank=reach.lora_rank, alpha=reach.lora_alpha, seed=seed)


STRATEGIES: dict[str, tuple[Way, Way]] = {
    "full": (whole, whole),
    "head": (still, still),
    "last_blocks": (last_blocks, last_blocks),
    "locked_image": (still, whole),  # LiT (Zhai et al. 2022)
    "locked_text": (whole, still),
    "lora": (low_rank, low_rank),
}
"""Name -> how the image tower and the text tower learn."""

OF_LABELS = ("full", "head", "last_blocks", "lora")
OF_PAIRS = ("full", "last_blocks", "locked_image", "locked_text", "lora")


@contextmanager
def learning(
    encoder: DualEncoder, strategy: str, reach: Reach, *, seed: int, words: bool = True
) -> Iterator[None]:
    """Within the block the towers learn by the strategy; ``words=False`` keeps the text tower.

    Raises:
        ChoiceError: there is no such strategy for labels (no words) or for pairs.
        TrainingError: a tower's structure does not allow it.
    """
    choices = OF_PAIRS if words else OF_LABELS
    if strategy not in choices:
        raise unknown("strategy", strategy, choices)
    image_way, text_way = STRATEGIES[strategy]
    towers: Any = encoder
    with (
        image_way(towers.image, reach, seed),
        (text_way if words else still)(towers.text, reach, seed + 1),
    ):
        yield
