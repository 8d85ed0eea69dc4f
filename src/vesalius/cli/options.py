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
        help="The folder (or file) of the data, then settings such as data.text=caption.",
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
NoPatientId = Annotated[
    bool,
    typer.Option("--no-patient-id", help="Allow data without patient ids: each case stands alone."),
]
SETTING = re.compile(r"[A-Za-z_][\w.]*=")


def root_and_settings(words: list[str] | None) -> tuple[str | None, list[str]]:
    """Part ``[ROOT] [KEY=VALUE]...`` into the root and the settings.

    >>> root_and_settings(["images", "data.text=caption"])
    ('images', ['data.text=caption'])
    """
    given = list(words or [])
    settings = [word for word in given if SETTING.match(word) and not Path(word).exists()]
    roots = [word for word in given if word not in settings]
    if len(roots) > 1:
        raise VesaliusError(
            f"one folder was expected, not {len(roots)}: {', '.join(roots)}; "
            "settings have the form key=value"
        )
    return (roots[0] if roots else None), settings
