"""``vesalius models``: the encoders, and the files that each one wants."""

from __future__ import annotations

import typer


def models() -> None:
    """List the models that can be loaded, with the files that each wants and where they go."""
    from vesalius.encoders import catalogue

    for card in catalogue():
        typer.echo(f"{card.name}\n    {card.what}")
