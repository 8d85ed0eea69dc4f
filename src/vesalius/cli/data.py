"""``vesalius data``: what there is to read, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import Reader, RootAndSettings, Workers, root_and_settings

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


@app.command()
def audit(
    reader: Reader,
    root: RootAndSettings = None,
    against: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--against",
            metavar="READER ROOT",
            help="Another set, such as a model's pretraining data; 'hashes FILE' for its "
            "hashes.csv. Its settings: against.KEY=VALUE.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The audit's folder.", show_default="runs/audit-…"),
    ] = None,
    workers: Workers = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if anything but notes is found.")
    ] = False,
) -> None:
    """Look for what makes numbers wrong: leaks, duplicates, contradictions, names of people.

    Patients and images in several splits or in another set, near twins (confirmed by pixels),
    labels at odds, reused texts, unreadable images, burned-in text, words like an identifier.

    Examples: vesalius data audit nih_cxr14 /data/nih
              vesalius data audit folder /data/test --against manifest /data/pretraining --strict
    """
    from vesalius.cli.terminal import narrated, print_audit
    from vesalius.studies import audit_data

    folder, settings = root_and_settings(root)
    with narrated("what was looked at is kept; the same command goes on from there"):
        found, page = audit_data(reader, folder, settings, against=against, out=out,
                                 workers=workers)  # fmt: skip
    print_audit(found, page)
    if strict and any(finding.level != "note" for finding in found.findings()):
        raise typer.Exit(1)
