"""``vesalius compare``: do two clouds of embeddings differ, where, and how sure is that?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vesalius.cli.options import Device, Folder, Overrides, Workers
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
            help="The data; A and B are then models, or groups such as modality=CT.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="The one model of two groups or data sets.", show_default=False
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Rows of one case are a pair (two folders).")
    ] = False,
    by: Annotated[
        Literal["patient", "case"], typer.Option("--by", help="What is exchanged: patient or case.")
    ] = "patient",
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
) -> None:
    """Compare two clouds of embeddings: MMD, p-value, where.

    A and B are two folders that 'vesalius embed' wrote; or two models on the same data (--on);
    or two groups of cases, or two data sets, by one model. Two models on the same cases are
    compared by what no rotation changes (CKA, Procrustes, neighbours, RSA). KEY=VALUE sets the
    test: permutations=9999, kernel=energy, bandwidth=aggregate, gamma=1.

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
        _folders(first, second, overrides or [], paired, by, out, device)
        return
    if paired:
        raise VesaliusError("--paired is for two folders; two models on the same data are pairs")
    _meant(first, second, on, model)
    asked = f"Do {first} and {second} differ in the embeddings of {model}?"
    if on is not None and model is None:
        name, stage = "encoders", {"other": second}
        asked = f"How alike do {first} and {second} see the same images?"
    elif on is not None:
        name, stage = "groups", _groups(first, second)
    else:
        name, stage = "sources", _source(second)
    plain: dict[str, Any] = {
        "study": "compare",
        "question": asked,
        "data": _source(first) if on is None else {"reader": on[0], "root": on[1] or None},
        "split": {"no_patient_id": True},  # nothing is learnt: who is in which split plays no part
        "model": {"name": first if model is None else model},
        "compare": [{name: {**stage, "cases": "all", "by": by}}],
    }
    run_recipe(recipe_of(plain, _placed(overrides or [], name)), out, device, workers)


def _folders(
    first: str,
    second: str,
    settings: list[str],
    paired: bool,
    by: Literal["patient", "case"],
    out: Path | None,
    device: str,
) -> None:
    from vesalius.cli.terminal import narrated, print_scores
    from vesalius.studies import compare_folders

    for folder in (first, second):
        if not (Path(folder) / ROWS).is_file():
            raise VesaliusError(
                f"{folder} is no folder of embeddings (it has no {ROWS}); make one with "
                "'vesalius embed', or name the data (--on) or the model (--model) of a comparison"
            )
    with narrated("nothing was written"):
        run = compare_folders(
            Path(first), Path(second), [f"by={by}", *settings],
            paired=paired or None, out=out, device=device,
        )  # fmt: skip
    print_scores(run)


def _meant(first: str, second: str, on: tuple[str, str] | None, model: str | None) -> None:
    """Refuse words that ask for another comparison than the options do."""
    if on is not None and model is None and "=" in first + second:
        raise VesaliusError(
            f"{first} and {second} are groups, not models: name the model (--model) that sees them"
        )
    if on is None and all((Path(folder) / ROWS).is_file() for folder in (first, second)):
        raise VesaliusError(
            f"{first} and {second} are folders of embeddings, encoded already: leave --model out"
        )


def _placed(settings: list[str], stage: str) -> list[str]:
    """Give a bare setting of the test its place in the recipe."""
    from vesalius.studies import Recipe

    keys = [setting.partition("=")[0] for setting in settings]
    bare = [key for key in keys if "." not in key and key not in Recipe.model_fields]
    return [
        f"{stage}.{setting}" if key in bare else setting
        for key, setting in zip(keys, settings, strict=True)
    ]


def _source(word: str) -> dict[str, Any]:
    """Part ``READER:ROOT``; the phantom has no root.

    >>> _source("nih_cxr14:/data/nih"), _source("phantom")
    ({'reader': 'nih_cxr14', 'root': '/data/nih'}, {'reader': 'phantom', 'root': None})
    """
    reader, _, root = word.partition(":")
    return {"reader": reader, "root": root or None}


def _groups(first: str, second: str) -> dict[str, Any]:
    """Part two words ``ATTRIBUTE=VALUE`` of one attribute.

    >>> _groups("modality=CT", "modality=MR")
    {'attribute': 'modality', 'first': 'CT', 'second': 'MR'}
    """
    (name, _, one), (other, _, two) = first.partition("="), second.partition("=")
    if not (one and two) or name != other:
        raise VesaliusError(
            f"with --on and --model A and B are two values of one attribute, such as modality=CT "
            f"modality=MR, not {first} and {second}"
        )
    return {"attribute": name, "first": one, "second": two}
