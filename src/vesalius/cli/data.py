"""``vesalius data``: what there is to read, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import Reader, RootAndSettings, root_and_settings

app = typer.Typer(help="Look at data before anything is learnt from it.", no_args_is_help=True)


@app.command("list")
def list_readers() -> None:
    """List the formats that can be read, with their settings."""
    from vesalius.cli.terminal import first_line
    from vesalius.data import READERS, reader_function, settings_of

    for name in READERS:
        typer.echo(f"{name:<10} {first_line(reader_function(name))}")
        for key, default in settings_of(name).items():
            typer.echo(f"{'':<10}   data.{key}={default}")


@app.command()
def inspect(
    reader: Reader,
    root: RootAndSettings = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the page goes.", show_default="runs/inspect-…"),
    ] = None,
) -> None:
    """Count, check and picture a data set: labels, patients, splits, unreadable files.

    Examples: vesalius data inspect nih_cxr14 /data/nih
              vesalius data inspect manifest /data/set file=captions.csv text=caption
    """
    from vesalius.cli.terminal import narrated, print_inspection
    from vesalius.studies import inspect_data

    folder, settings = root_and_settings(root)
    with narrated("nothing was written"):
        found, page = inspect_data(reader, folder, settings, out)
    print_inspection(found, page)
