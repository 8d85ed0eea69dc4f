"""``vesalius models``: the encoders, and the files that each one wants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vesalius.encoders import ModelCard


def models() -> None:
    """List the models, the files that each wants and their places.

    Besides these: local-dir:PATH (any folder in open_clip's layout) and the path of an own Run.
    """
    from vesalius.encoders import catalogue, weights_folder

    weights = weights_folder()
    for card in catalogue():
        typer.echo(f"{card.name}\n    {card.what}\n    {_facts(card)}")
        if card.files:
            typer.echo(f"    {_files(card, weights)}")
    typer.echo(
        "local-dir:PATH\n    any folder in open_clip's layout\n"
        "PATH\n    a Run of your own (vesalius train, vesalius demo)\n\n"
        f"Weights are looked for in {weights} (set VESALIUS_WEIGHTS to change it); nothing is "
        "downloaded by itself."
    )


def _facts(card: ModelCard) -> str:
    size = f", {card.image_size} px, {card.context} tokens" if card.image_size else ""
    return f"{card.domain}; licence {card.licence}{size}"


def _files(card: ModelCard, weights: Path) -> str:
    """Say which files go where, and whether they are there."""
    names, folder = ", ".join(card.files), weights / card.place
    if all((folder / name).is_file() for name in card.files):
        return f"here: {names} in {folder}"
    return f"wants {names} (from {card.source}) in {folder}"
