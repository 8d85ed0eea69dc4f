"""The program: its verbs, and what becomes of errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from vesalius import __version__
from vesalius.cli import compare, data, embed, evaluate, explain, models, segment, study, train
from vesalius.cli.options import Device, Folder, Overrides, Workers
from vesalius.core.errors import VesaliusError

HELP = """Learn, test, explain and use representations of medical images and their text.

Start with 'vesalius demo': it draws a phantom cohort, trains a small CLIP on it, tests the
embeddings and writes a page. Then look at your own images with 'vesalius data inspect'.
Research use only: not for diagnosis.
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
QUICK = ["data.n=300", "replicates=200", "pretrain.epochs=2", "fine_tune.epochs=1"]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vesalius {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere on the line).")
    ] = False,
) -> None:
    """Hold the options that every verb shares."""


@app.command()
def demo(
    overrides: Overrides = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute's worth: fewer cases, fewer epochs.")
    ] = False,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
) -> None:
    """Run the whole job on the built-in phantom and write a page.

    Draws chest films with reports, trains a small CLIP model on them, then measures zero-shot,
    linear probe, kNN, fine-tuning, retrieval and separability. Needs no data and no network.
    The same as 'vesalius study run quickstart'.
    """
    faster = QUICK if quick else []
    study.run_named("quickstart", [*faster, *(overrides or [])], out, device, workers)


app.add_typer(study.app, name="study")
app.add_typer(data.app, name="data")
app.add_typer(evaluate.app, name="evaluate")
app.command("train")(train.train)
app.command("embed")(embed.embed)
app.command("compare")(compare.compare)
app.command("explain")(explain.explain)
app.command("segment")(segment.segment)
app.add_typer(models.app, name="models")


def main() -> None:
    """Run the program: an error that a user can mend is one message and exit code 2."""
    # Before torch loads: its threads then sleep while they wait. By default they spin, and beside
    # another busy program that made training ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        sys.exit(app(arguments, prog_name="vesalius", standalone_mode=True))
    except VesaliusError as error:
        if debug:
            raise
        who = f" (rank {number})" if (number := os.environ.get("RANK")) else ""
        typer.echo(f"vesalius{who}: {error}", err=True)
        sys.exit(2)
