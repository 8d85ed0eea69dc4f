"""``vesalius compare``: do two clouds of embeddings differ, where, and how sure is that?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vesalius.cli.options import Device, Folder, NoPatientId, Overrides, Workers
from vesalius.core.errors import VesaliusError

ROWS = "rows.json"  # what makes a folder one of embeddings


def compare(
    first: Annotated[str, typer.Argument(metavar="A", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", show_default=False)],
    overrides: Overrides = None,
    on: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--on",
            metavar="READER ROOT",
            show_default=False,
            help="The data; A and B are then models, or groups such as modality=CT.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            show_default=False,
            help="The one model, where A and B are data or groups.",
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Rows of one case belong together; else by case ids.")
    ] = False,
    by: Annotated[
        Literal["patient", "case"], typer.Option("--by", help="What is exchanged: patient or case.")
    ] = "patient",
    permutations: Annotated[
        int, typer.Option("--permutations", min=19, help="Relabellings; p is at least 1/(1 + n).")
    ] = 1000,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Compare two clouds of embeddings: MMD with its p-value, where they differ, a page.

    A and B are two folders that 'vesalius embed' wrote; or two models on the same data (--on);
    or two groups of cases, or two data sets, by one model. Two models on the same cases are
    compared by what no rotation changes (CKA, Procrustes, neighbours, RSA).

    \b
    Examples:
      vesalius compare vectors/site_a vectors/site_b
      vesalius compare biomedclip pubmedclip --on medpix /data/medpix
      vesalius compare modality=CT modality=MR --on medpix /data/medpix -m biomedclip
      vesalius compare nih_cxr14:/data/nih chexpert:/data/chexpert -m biomedclip
    """
    from vesalius.cli.study import run_recipe
    from vesalius.studies import recipe_of

    if on is None and model is None:
        _folders(first, second, overrides, paired, by, permutations, out, device)
        return
    if paired:
        raise VesaliusError("--paired is for two folders; two models on the same data are pairs")
    own = {"by": by, "permutations": permutations}
    plain: dict[str, Any] = {"study": "compare", "split": {"no_patient_id": no_patient_id}}
    if on is not None and model is None:
        stage: dict[str, Any] = {"encoders": {"other": second, "cases": "all", **own}}
        plain |= {"model": {"name": first}, "data": _data(*on)}
        plain["question"] = f"How alike do {first} and {second} see the same images?"
    elif on is not None:
        attribute, names = _groups(first, second)
        stage = {"groups": {"attribute": attribute, **names, "cases": "all", **own}}
        plain |= {"model": {"name": model}, "data": _data(*on)}
        plain["question"] = f"Do {first} and {second} differ in the embeddings of {model}?"
    else:
        stage = {"sources": {**_source(second), "cases": "all", **own}}
        plain |= {"model": {"name": model}, "data": _source(first)}
        plain["question"] = f"Do {first} and {second} differ in the embeddings of {model}?"
    run_recipe(recipe_of({**plain, "compare": [stage]}, overrides or []), out, device, workers)


def _folders(
    first: str,
    second: str,
    overrides: list[str] | None,
    paired: bool,
    by: Literal["patient", "case"],
    permutations: int,
    out: Path | None,
    device: str,
) -> None:
    from vesalius.cli.terminal import narrated, print_scores
    from vesalius.studies import compare_folders
    from vesalius.studies.comparison.design import Design

    if overrides:
        raise VesaliusError(f"{overrides[0]} is a setting of a recipe; two folders take none")
    for folder in (first, second):
        if not (Path(folder) / ROWS).is_file():
            raise VesaliusError(
                f"{folder} is no folder of embeddings (it has no {ROWS}); make one with "
                "'vesalius embed', or name the data (--on) or the model (--model) of a comparison"
            )
    with narrated("nothing was written"):
        _, run = compare_folders(
            Path(first), Path(second), paired=paired or None, out=out, device=device,
            design=Design(by=by, permutations=permutations),
        )  # fmt: skip
    print_scores(run)


def _data(reader: str, root: str) -> dict[str, Any]:
    return {"reader": reader, "root": root}


def _source(word: str) -> dict[str, Any]:
    """Part ``READER:ROOT``; the phantom has no root.

    >>> _source("nih_cxr14:/data/nih"), _source("phantom")
    ({'reader': 'nih_cxr14', 'root': '/data/nih'}, {'reader': 'phantom', 'root': None})
    """
    reader, _, root = word.partition(":")
    return {"reader": reader, "root": root or None}


def _groups(first: str, second: str) -> tuple[str, dict[str, str]]:
    """Part two words ``ATTRIBUTE=VALUE`` of one attribute.

    >>> _groups("modality=CT", "modality=MR")
    ('modality', {'first': 'CT', 'second': 'MR'})
    """
    (name, _, one), (other, _, two) = first.partition("="), second.partition("=")
    if not (one and two) or name != other:
        raise VesaliusError(
            f"with --on and --model A and B are two values of one attribute, such as modality=CT "
            f"modality=MR, not {first} and {second}"
        )
    return name, {"first": one, "second": two}
