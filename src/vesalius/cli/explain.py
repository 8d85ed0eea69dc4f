"""``vesalius explain``: where in the images a model finds what words say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import (
    AskedModel,
    Device,
    Folder,
    Reader,
    RootAndSettings,
    Workers,
    root_and_settings,
)


def explain(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text", "-t", help="What to look for; may be given several times.", show_default=False
        ),
    ] = None,
    method: Annotated[str, typer.Option("--method", help="How maps are made.")] = "gradcam",
    layer: Annotated[
        str, typer.Option("--layer", help="A layer's name, auto, or a height: '50 %'.")
    ] = "auto",
    score: Annotated[
        bool, typer.Option("--score", help="Score maps against the set's boxes and masks.")
    ] = False,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
) -> None:
    """Show where a model looks; score it against radiologists.

    With --text every image gets a map for each text: raw values (maps/), pictures (overlays/), a
    page. With --score the maps of the findings that have boxes or masks are scored: pointing game,
    mass in box, IoU, beside controls.

    \b
    Examples:
      vesalius explain folder /data/films -m biomedclip -t "pleural effusion" -t "a nodule"
      vesalius explain nih_cxr14 /data/nih -m biomedclip --score
    """
    from vesalius.cli.study import run_recipe
    from vesalius.core.errors import VesaliusError
    from vesalius.studies import recipe_of

    if not text and not score:
        raise VesaliusError("say what to look for (--text 'pleural effusion'), or --score")
    folder, settings = root_and_settings(root, reader)
    stages = []
    if text:
        stages.append({"maps": {"texts": text, "method": method, "layer": layer}})
    if score:
        stages.append(
            {
                "agreement": {
                    "methods": [method],
                    "layers": [layer],
                    "settings": ["zero-shot"],
                    "cases": "all",
                }
            }
        )
    plain = {
        "study": "explain",
        "question": f"Where does {Path(model).name} look?",
        "data": {"reader": reader, "root": folder},
        "split": {"no_patient_id": True},  # nothing is learnt: who is in which split plays no part
        "model": {"name": model},
        "explain": stages,
    }
    run_recipe(recipe_of(plain, settings), out, device, workers)
