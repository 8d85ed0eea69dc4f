"""Arguments and options that several verbs share, so that they read alike everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from vesalius.core.errors import VesaliusError

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings to change, by their place in the recipe: data.n=500 model=biomedclip.",
        show_default=False,
    ),
]
Reader = Annotated[
    str, typer.Argument(metavar="READER", help="The format of the data ('vesalius data list').")
]
RootAndSettings = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ROOT] [KEY=VALUE]...",
        help="The folder (or file) of the data, then settings: those of the reader bare "
        "(text=caption), others by their place in the recipe (split.by=given).",
        show_default=False,
    ),
]
AskedModel = Annotated[
    str,
    typer.Option("--model", "-m", help="A model's name, or the path of a Run ('vesalius models')."),
]
Model = Annotated[
    str, typer.Option("--model", "-m", help="A model's name or path ('vesalius models').")
]
Folder = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The Run's folder.", show_default="runs/STUDY-HASH"),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="Processes that read images.", show_default="by cores"),
]
Submit = Annotated[
    str | None,
    typer.Option(
        "--submit",
        metavar="slurm[:KEY=VALUE,...]",
        help="Write a batch file instead: slurm, slurm:nodes=2,tasks=4,time=08:00:00.",
        show_default=False,
    ),
]
NoPatientId = Annotated[
    bool,
    typer.Option("--no-patient-id", help="Allow data without patient ids: each case stands alone."),
]
SETTING = re.compile(r"[A-Za-z_][\w.]*=")


def root_and_settings(words: list[str] | None, reader: str) -> tuple[str | None, list[str]]:
    """Part ``[ROOT] [KEY=VALUE]...`` into the root and the settings by their place in a recipe.

    A dotted key is such a place. A bare key is a setting of the reader, except where the reader
    has none of that name and a recipe has.

    >>> root_and_settings(["images", "text=caption", "split.by=given", "seed=1"], "manifest")
    ('images', ['data.text=caption', 'split.by=given', 'seed=1'])
    """
    roots, settings = parted(words or [])
    if len(roots) > 1:
        raise VesaliusError(
            f"one folder was expected, not {len(roots)}: {', '.join(roots)}; "
            "settings have the form key=value"
        )
    return (roots[0] if roots else None), [_placed(setting, reader) for setting in settings]


def parted(words: list[str]) -> tuple[list[str], list[str]]:
    """Part paths from settings: a word with an equals sign is a setting, unless it is a file.

    >>> parted(["probe.csv", "score=p"])
    (['probe.csv'], ['score=p'])
    """
    settings = [word for word in words if SETTING.match(word) and not Path(word).exists()]
    return [word for word in words if word not in settings], settings


def _placed(setting: str, reader: str) -> str:
    from vesalius.data import settings_of
    from vesalius.studies import Recipe

    key = setting.partition("=")[0]
    of_recipe = key in Recipe.model_fields and key not in settings_of(reader)
    return setting if "." in key or of_recipe else f"data.{setting}"
