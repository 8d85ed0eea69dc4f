"""``vesalius models``: the encoders, the files that each one wants, and whether they are right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vesalius.encoders import ModelCard

app = typer.Typer(
    help="List the models; check files, compare them with a card.",
    invoke_without_command=True,
)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models, the files that each wants and their places.

    Besides these: local-dir:PATH (any folder in open_clip's layout), hf:PATH (one in transformers'
    layout) and the path of an own Run.
    """
    if context.invoked_subcommand is not None:
        return
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


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A weight file, or a model's folder.")],
) -> None:
    """Say what a file or folder is, and whether it loads.

    Example: vesalius models check ~/weights/QuiltNet-B-32
    """
    from vesalius.encoders import load
    from vesalius.encoders.identification import identify

    path = path.expanduser().resolve()
    what, name = identify(path)
    typer.echo(f"{path}: {what}")
    if name:
        home = path if path.is_dir() else path.parent
        found = load(name, weights_dir=str(home.parent))
        words = f"{found.context_length} tokens" if found.context_length else "no words"
        typer.echo(f"loads as {name}: {found.image_size} px, {words}, width {found.width}")
    else:
        typer.echo("does not load as it lies here")
        raise typer.Exit(2)


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A name of 'vesalius models'.")],
    path: Annotated[Path, typer.Argument(help="The model's folder, or its weight file.")],
) -> None:
    """Compare files with a model's card.

    Digests (those of the card, and of a file SHA256SUMS in the folder), tensors, pixels and tokens
    are looked at; the exit code is 2 where one is wrong.

    Example: vesalius models verify biomedclip ~/weights/biomedclip
    """
    from vesalius.core import ModelError
    from vesalius.encoders.verification import verify as compared

    wrong = []
    for found in compared(name, path):
        typer.echo(f"{'ok   ' if found.right else 'WRONG'} {found.what}: {found.said}")
        wrong += [] if found.right else [found.what]
    if wrong:
        raise ModelError(f"{path} is not what the card of {name} says: {', '.join(wrong)}")


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A Run's path, or a name of 'vesalius models'.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    to: Annotated[
        str, typer.Option("--to", help="hub (this package's files), or open_clip (local-dir).")
    ] = "hub",
) -> None:
    """Write a model and its card for a hub or open_clip.

    \b
    Examples:
      vesalius models export runs/train-1a2b3c4d ~/export/mine
      vesalius models export runs/train-1a2b3c4d ~/export/mine --to open_clip
    """
    from vesalius.studies import export_model

    place = export_model(name, folder, to=to)
    typer.echo(f"{place}: {', '.join(sorted(path.name for path in place.iterdir()))}")


def _facts(card: ModelCard) -> str:
    size = f", {card.image_size} px" if card.image_size else ""
    tokens = f", {card.context} tokens" if card.context else ""
    gated = ", gated: its owner must grant access" if card.gated else ""
    return f"{card.domain}; licence {card.licence}{gated}{size}{tokens}"


def _files(card: ModelCard, weights: Path) -> str:
    """Say which files go where, and whether they are there."""
    folder = card.folder(weights)
    names = ", ".join(" or ".join(some) for some in card.files)
    if all(any((folder / name).is_file() for name in some) for some in card.files):
        return f"here: {names} in {folder}"
    return f"wants {names} (from {card.source}) in {folder}"
