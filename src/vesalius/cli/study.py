"""``vesalius study``: recipes, from the catalogue or of one's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import Device, Folder, NoPatientId, Overrides, Submit, Workers

app = typer.Typer(help="List, show and run studies: experiments with one page each.",
                  no_args_is_help=True)  # fmt: skip
Name = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, or a recipe's path.")]


@app.command("list")
def list_studies() -> None:
    """List the studies that come with Vesalius, and what they ask."""
    from vesalius.studies import catalogue, read_yaml

    names = catalogue()
    for name in names:
        typer.echo(f"{name:<{max(map(len, names))}}  {read_yaml(name)['question']}")


@app.command()
def show(study: Name, overrides: Overrides = None) -> None:
    """Print a study's recipe with every default written out."""
    import yaml

    from vesalius.studies import load_recipe

    resolved = load_recipe(study, overrides or []).resolved()
    typer.echo(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True).rstrip())


@app.command()
def run(
    study: Name,
    overrides: Overrides = None,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
    submit: Submit = None,
) -> None:
    """Run a study to its page. The same command goes on where a stopped one was.

    Example: vesalius study run iu_xray data.reader=nih_cxr14 data.root=/data/nih model=biomedclip
    """
    settings = [*(overrides or []), *(["split.no_patient_id=true"] if no_patient_id else [])]
    run_named(study, settings, out, device, workers, submit)


def run_named(
    study: str,
    overrides: list[str],
    out: Path | None,
    device: str,
    workers: int | None,
    submit: str | None = None,
) -> None:
    """Run a study by name or path and print what came out."""
    from vesalius.studies import load_recipe

    run_recipe(load_recipe(study, overrides), out, device, workers, submit)


def run_recipe(
    recipe: object,
    out: Path | None,
    device: str,
    workers: int | None,
    submit: str | None = None,
) -> None:
    """Run a checked recipe, with its progress on the terminal, and print its scores.

    With ``submit`` a batch file is written that does so.
    """
    from vesalius.cli.submit import write_batch_file
    from vesalius.cli.terminal import narrated, print_scores
    from vesalius.data.ranks import ranks
    from vesalius.studies import Recipe, default_folder, run_study

    assert isinstance(recipe, Recipe)
    folder = out or default_folder(recipe)
    if submit is not None:
        path = write_batch_file(submit, folder, device=device, arguments=sys.argv[1:])
        typer.echo(f"written; submit it with: sbatch {shlex.quote(str(path))}")
        return
    with (
        narrated(f"the Run in {folder} is kept; the same command goes on from there"),
        ranks(device) as place,
    ):
        finished = run_study(recipe, folder, device=device, workers=workers)
    if place.rank == 0:
        print_scores(finished)
