"""Encode: from images or texts to rows, each different one once.

Legend of shapes: N cases, B batch, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vesalius.core import CaseSet, Embeddings, ModelError, unknown
from vesalius.data.loader import BadImages
from vesalius.data.progress import bar
from vesalius.data.ranks import rank, world
from vesalius.embedding.reading import (
    Digest,
    Item,
    exchange,
    image_batches,
    text_batches,
    with_rows,
)
from vesalius.embedding.rows import MemoryRows, Rows, Store, pieces

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder

TYPES = {"fp32": np.float32, "fp16": np.float16}
NAMED = 5  # inputs that an error names


def encode(
    model: DualEncoder,
    cases: CaseSet,
    modality: Literal["image", "text"] = "image",
    *,
    store: str | Path | None = None,
    precision: Literal["fp32", "fp16"] = "fp32",
    batch_size: int = 64,
    workers: int | None = None,
    max_bad: float = 0.05,
    device: str | None = None,
    progress: bool = True,
) -> Embeddings:
    """Return one unnormalised row for each case whose image can be read (or that has a text).

    The model is borrowed: mode, gradients and device come back as they were. A case without a row
    is listed in the store's ``skipped.json`` and in the log. The ranks of a job share the work by
    batches, and each returns all rows: those that one rank would have made.

    Args:
        store: a folder that keeps rows by the content of image or text and by all that changes
            them (weights, preprocessing, tokenizer, precision, modality): nothing is encoded twice,
            and a killed run goes on. Several processes may use it at once.
        precision: ``fp16`` halves the store; the model computes in its own precision.
        workers: processes that read images; None chooses by the number of images and cores.
        max_bad: share of unreadable images above which the work stops.
        device: where the model computes; by default where it is.
        progress: show a bar with rate and remaining time on the terminal.

    Raises:
        DataError: too many images are unreadable, or there is no text at all.
        ModelError: the model gives a value that is not finite (in this precision).
    """
    from vesalius.encoders.borrowing import evaluating

    if modality not in ("image", "text"):
        raise unknown("modality", modality, ("image", "text"))
    if precision not in TYPES:
        raise unknown("precision", precision, TYPES)
    key = {**model.identity(), "modality": modality, "precision": precision}
    rows: Rows = MemoryRows() if store is None else Store(store, key)
    bad = BadImages(len(cases), most=max_bad)
    digests: list[Digest] = [""] * len(cases)
    shown = bar(
        f"encoding {modality}s", len(cases), unit=f"{modality}s", show=progress and rank() == 0
    )
    with evaluating(model, device=device), shown as advance:
        if modality == "image":
            reading = image_batches(
                cases, model.preprocess, rows, digests, bad,
                size=batch_size, workers=workers, advance=advance,
            )  # fmt: skip
            compute = _image_rows(model)
        else:
            reading = text_batches(cases, rows, digests, size=batch_size, advance=advance)
            compute = _text_rows(model)
        with closing(reading), pieces(rows, TYPES[precision]) as keep:
            for batch in reading:
                keep([digest for digest, _, _ in batch], finite(compute, batch, precision))
    if world() > 1:
        exchange(cases, rows, digests, bad)
    if isinstance(rows, Store) and rank() == 0:
        rows.note_skipped(bad.skipped)
    there, wanted, data_hash = with_rows(rows, digests)
    return Embeddings(
        rows.of(wanted).reshape(len(wanted), model.width),
        cases.case_ids[there],
        modality,
        {**key, "data_hash": data_hash},
    )


def _image_rows(model: DualEncoder) -> Callable[[list[Any]], Any]:
    import torch

    return lambda inputs: model.encode_image(torch.from_numpy(np.stack(inputs)))


def _text_rows(model: DualEncoder) -> Callable[[list[Any]], Any]:
    return model.encode_text


def finite(compute: Callable[[list[Any]], Any], batch: list[Item], precision: str) -> NDArray[Any]:
    """Return a batch's rows; ModelError names the inputs whose row is not finite."""
    values_BD = compute([given for _, _, given in batch]).float().cpu().numpy()
    with np.errstate(over="ignore"):
        wrong_B = ~np.isfinite(values_BD.astype(TYPES[precision])).all(1)
    if wrong_B.any():
        named = [name for (_, name, _), wrong in zip(batch, wrong_B, strict=True) if wrong][:NAMED]
        raise ModelError(
            f"{int(wrong_B.sum())} of {len(batch)} embeddings are not finite in {precision}, "
            f"first those of {', '.join(named)}"
        )
    return np.asarray(values_BD)
