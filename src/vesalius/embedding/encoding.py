"""Encode: from images or texts to rows, each one once.

Legend: N cases, B batch, D width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vesalius.core import CaseSet, DataError, Embeddings, ImageError, unknown
from vesalius.data.loader import BadImages, batches
from vesalius.embedding.store import Store

if TYPE_CHECKING:
    from vesalius.encoders import DualEncoder

log = logging.getLogger(__name__)
TYPES = {"fp32": np.float32, "fp16": np.float16}
SECONDS_UNSAVED = 10.0  # of work that a kill may cost
ROWS_UNSAVED = 4096


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
    """Return one row for each case whose image can be read (or that has a text).

    The model comes back as it was. Rows are unnormalised.

    Args:
        store: a folder that keeps rows by the hash of image or text and all that changes them
            (weights, preprocessing, precision): nothing is encoded twice, a killed run goes on.
        precision: ``fp16`` halves the store; the model computes in its own precision.
        workers: processes that read images; by default one a core.
        max_bad: share of broken images above which a DataError ends the work.
        device: where the model computes; by default where it is.
        progress: show a bar with rate and remaining time on the terminal.

    Raises:
        DataError: too many images are broken, or there is no text at all.
    """
    if modality not in ("image", "text"):
        raise unknown("modality", modality, ("image", "text"))
    if precision not in TYPES:
        raise unknown("precision", precision, TYPES)
    identity = model.identity()
    key = {**identity, "modality": modality, "precision": precision}
    kept = Store(store, key) if store is not None else None
    bad = BadImages(len(cases), most=max_bad)
    digests = _digests(cases, modality, bad)
    first = {digest: i for i, digest in reversed(list(enumerate(digests))) if digest}
    todo = np.array(sorted(i for d, i in first.items() if kept is None or d not in kept), dtype=int)
    made: dict[str, Any] = {}

    def keep(rows: Sequence[int], values_BD: Any) -> None:
        named = [digests[i] for i in rows]
        if kept is not None:
            kept.add(named, values_BD)
        else:
            made.update(zip(named, values_BD, strict=True))

    with _evaluating(model, device):
        rows_of = _image_rows if modality == "image" else _text_rows
        work = rows_of(model, cases, todo, batch_size=batch_size, workers=workers, bad=bad)
        _flushed(_shown(work, len(todo), modality, progress), TYPES[precision], keep)
    there = [i for i, digest in enumerate(digests) if digest in (made if kept is None else kept)]
    wanted = [digests[i] for i in there]
    if kept is not None:
        values_ND = kept.rows(wanted)
    else:
        values_ND = np.array([made[d] for d in wanted], dtype=TYPES[precision])
    return Embeddings(
        values_ND.reshape(len(wanted), model.width),
        cases.case_ids[np.array(there, dtype=int)],
        modality,
        {**key, "data_hash": sha256("".join(wanted).encode()).hexdigest()},
    )


def _digests(cases: CaseSet, modality: str, bad: BadImages) -> list[str]:
    """Return the hash of each case's image or text; ``""`` where there is none to encode."""
    if modality == "text":
        texts: Sequence[str | None] = [None] * len(cases) if cases.texts is None else cases.texts
        if not any(texts):
            raise DataError(f"{cases.source}: the cases have no texts to encode")
        return [sha256(text.encode()).hexdigest() if text else "" for text in texts]
    digests = []
    for i in range(len(cases)):
        try:
            digests.append(cases.images.content_hash(i))
        except ImageError as error:
            bad.add(cases.images.name(i), str(error))
            digests.append("")
    return digests


def _image_rows(
    model: DualEncoder, cases: CaseSet, todo: Any, *, batch_size: int, workers: int | None,
    bad: BadImages,
) -> Iterator[tuple[Sequence[int], Any]]:  # fmt: skip
    for positions, pixels_BCHW in batches(
        cases, model.preprocess, batch_size=batch_size, bad=bad, order=todo, workers=workers
    ):
        yield positions.tolist(), model.encode_image(pixels_BCHW).float().cpu().numpy()


def _text_rows(
    model: DualEncoder, cases: CaseSet, todo: Any, *, batch_size: int, **_: object
) -> Iterator[tuple[Sequence[int], Any]]:
    assert cases.texts is not None
    for start in range(0, len(todo), batch_size):
        rows = todo[start : start + batch_size].tolist()
        yield rows, model.encode_text([cases.texts[i] for i in rows]).float().cpu().numpy()


def _flushed(
    work: Iterator[tuple[Sequence[int], Any]],
    dtype: Any,
    keep: Callable[[Sequence[int], Any], None],
) -> None:
    """Keep rows in pieces: whatever ends the work, what was computed before is kept."""
    rows: list[int] = []
    values: list[Any] = []
    since = monotonic()

    def flush() -> None:
        if rows:
            keep(rows, np.concatenate(values).astype(dtype))
            rows.clear()
            values.clear()

    try:
        for positions, values_BD in work:
            rows.extend(positions)
            values.append(values_BD)
            if len(rows) >= ROWS_UNSAVED or monotonic() - since > SECONDS_UNSAVED:
                flush()
                since = monotonic()
    finally:
        flush()


def _shown(
    work: Iterator[tuple[Sequence[int], Any]], total: int, modality: str, progress: bool
) -> Iterator[tuple[Sequence[int], Any]]:
    """Show a bar on the terminal while the work goes on."""
    if not (progress and total):
        yield from work
        return
    from vesalius.data.progress import bar

    with bar(f"encoding {modality}s", total) as advance:
        for positions, values_BD in work:
            yield positions, values_BD
            advance(len(positions))


@contextmanager
def _evaluating(model: DualEncoder, device: str | None) -> Iterator[None]:
    """Borrow the model: evaluation mode, no gradients, another device; all given back."""
    import torch

    training = {name: module.training for name, module in model.named_modules()}
    home = model.device
    try:
        if device is not None:
            model.to(device)
        model.eval()
        with torch.inference_mode():
            yield
    finally:
        model.to(home)
        for name, module in model.named_modules():
            module.training = training[name]
