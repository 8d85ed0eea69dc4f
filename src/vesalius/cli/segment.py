"""``vesalius segment``: masks of what words name."""

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

NONE = "none"


def segment(
    reader: Reader,
    model: AskedModel,
    text: Annotated[
        list[str],
        typer.Option("--text", "-t", help="What to segment; may be given several times."),
    ],
    root: RootAndSettings = None,
    method: Annotated[str, typer.Option("--method", help="How maps are made.")] = "gradcam",
    refiner: Annotated[
        str, typer.Option("--refiner", help="How a map becomes a mask: kmeans, otsu, dense_crf.")
    ] = "kmeans",
    sam: Annotated[
        str,
        typer.Option(
            "--sam",
            help="What goes on from that mask's box: the folder of a model of the SAM family, "
            "random_walker or grabcut (no weights needed), or none.",
        ),
    ] = "random_walker",
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
) -> None:
    """Make masks of what words name: PNG, NIfTI, DICOM-SEG.

    Every image gets a mask for each text (masks/), pictures (overlays/) and a page. A mask has the
    size of its image: PNG (0 and 255), for NIfTI a volume in the source's voxels, for DICOM one
    DICOM-SEG a file with a segment for each text.

    Privacy: by the standard a DICOM-SEG carries the patient and study elements of its source. Treat
    masks/*.dcm like the source itself.

    \b
    Examples:
      vesalius segment folder /data/films -m biomedclip -t "a nodule" -t "the heart"
      vesalius segment nifti /data/ct -m biomedclip -t "a tumour" slices=all --sam /models/medsam
    """
    from vesalius.cli.study import run_recipe
    from vesalius.studies import recipe_of

    folder, settings = root_and_settings(root, reader)
    stage = {
        "texts": text,
        "method": method,
        "refiner": refiner,
        "segmenter": None if sam == NONE else sam,
    }
    plain = {
        "study": "segment",
        "question": f"Where does {Path(model).name} find {', '.join(text)}?",
        "data": {"reader": reader, "root": folder},
        "split": {"test": 0, "validation": 0},  # nothing is learnt: one patient is enough
        "model": {"name": model},
        "segment": [{"masks": stage}],
    }
    run_recipe(recipe_of(plain, settings), out, device, workers)
