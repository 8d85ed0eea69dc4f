"""What can be loaded: a card for each model, data and not code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is, and which files it wants where (relative to the weights folder)."""

    name: str
    what: str
    domain: str
    licence: str
    gated: bool
    files: tuple[str, ...]
    place: str
    image_size: int
    context: int


CARDS = (
    ModelCard(
        name="tiny",
        what="built in; learns on two CPU cores in minutes; random weights",
        domain="any",
        licence="MIT",
        gated=False,
        files=(),
        place="",
        image_size=112,
        context=128,
    ),
)


def catalogue() -> list[ModelCard]:
    """Return the cards of the models that have a name."""
    return list(CARDS)
