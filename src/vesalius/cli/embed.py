"""``vesalius embed``: encode once, evaluate many times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vesalius.cli.options import (
    AskedModel,
    Device,
    Reader,
    RootAndSettings,
    Workers,
    root_and_settings,
)


def embed(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    modality: Annotated[
        Literal["image", "text"], typer.Option("--modality", help="image or text.")
    ] = "image",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where the embeddings go, and go on from.")
    ] = Path("embeddings"),
    precision: Annotated[
        Literal["fp32", "fp16"], typer.Option("--precision", help="fp32 or fp16.")
    ] = "fp32",
    device: Device = "cpu",
    workers: Workers = None,
) -> None:
    """Encode images or texts into a folder of vectors.

    The same command goes on where a stopped one was; nothing is encoded twice.

    Example: vesalius embed folder /data/images --model biomedclip --out vectors
    """
    from vesalius.cli.terminal import narrated
    from vesalius.data.ranks import ranks
    from vesalius.studies import embed_data

    folder, settings = root_and_settings(root, reader)
    with (
        narrated(f"what was encoded is kept in {out}; the same command goes on from there"),
        ranks(device) as place,
    ):
        found = embed_data(
            reader,
            folder,
            settings,
            model=model,
            modality=modality,
            out=out,
            precision=precision,
            device=device,
            workers=workers,
        )
    if place.rank == 0:
        typer.echo(f"{len(found):,} {modality} embeddings of width {found.width} in {out}")
