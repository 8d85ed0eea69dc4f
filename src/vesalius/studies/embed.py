"""Embed a data set outside a study: encode once, evaluate many times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from vesalius import embedding, encoders
from vesalius.core import Embeddings, Run
from vesalius.data.ranks import by_first, own_device
from vesalius.studies.recipe import recipe_of
from vesalius.studies.runner import kept, read_data


def embed_data(
    reader: str,
    root: str | None,
    settings: Sequence[str],
    *,
    model: str,
    out: Path,
    modality: Literal["image", "text"] = "image",
    precision: Literal["fp32", "fp16"] = "fp32",
    device: str = "cpu",
    workers: int | None = None,
) -> Embeddings:
    """Read cases, encode them with a model, and save the vectors in a folder.

    Called again after a stop, it encodes only what is not there yet. The ranks of a job share it.

    Raises:
        VesaliusError: the folder holds other vectors, or files of another origin.
    """
    plain = {
        "study": "embed",
        "question": "",
        "data": {"reader": reader, "root": root},
        "model": {"name": model},
    }
    recipe = recipe_of(plain, settings)
    cases = read_data(recipe)
    own = {key: value for key, value in kept(recipe).items() if key in ("data", "model")}
    made = {**own, "modality": modality, "precision": precision}
    out = by_first(lambda: Run.open(out, made)).path
    device = own_device(device)
    encoder = encoders.load(**recipe.model, device=device, seed=recipe.seed)
    found = embedding.encode(
        encoder,
        cases,
        modality,
        store=out / "store",
        precision=precision,
        max_bad=recipe.max_bad,
        device=device,
        workers=workers,
    )
    by_first(lambda: embedding.save(found, out))
    return found
