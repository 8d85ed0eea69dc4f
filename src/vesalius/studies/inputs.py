"""What a stage takes from the cases: features of the model as it stands, labels, texts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vesalius.core import CaseSet, DataError, Embeddings
from vesalius.data.label_share import with_label_share
from vesalius.embedding import encode
from vesalius.studies.outcome import Context

log = logging.getLogger(__name__)
Modality = Literal["image", "text"]
Splits = Literal["test", "all"]
Share = Annotated[float, Field(gt=0, le=1)]


def in_splits(cases: CaseSet, *names: str) -> CaseSet:
    """Return the cases of some splits."""
    assert cases.splits is not None, "the runner splits before the first stage"
    return cases.select(np.isin(cases.splits, names))


def splits_of(cases: CaseSet, which: Splits) -> tuple[str, ...]:
    """Return the names of the splits that are meant."""
    assert cases.splits is not None, "the runner splits before the first stage"
    return tuple(np.unique(cases.splits).tolist()) if which == "all" else (which,)


def labelled(context: Context, stage: str, *, share: float = 1.0) -> CaseSet:
    """Return the cases, or say that the stage needs labels that are not there.

    Of the training cases only the share stays whose labels may be used.
    """
    if not context.cases.label_names:
        raise DataError(
            f"{stage} needs labels, and {context.cases.source or 'this set'} has none; "
            "name the label columns (data.labels) or leave the stage out"
        )
    kept = with_label_share(context.cases, share, seed=context.seed)
    _say_share(in_splits(context.cases, "train"), in_splits(kept, "train"), share, stage)
    return kept


def _say_share(train: CaseSet, kept: CaseSet, share: float, stage: str) -> None:
    """Warn where the least that shows every state of every label is far more than was asked for."""
    if len(kept) > max(1.5 * share * len(train), 2):
        log.warning(
            "%s: labels=%g asks for %.1f of %d training cases; %d are used, the fewest patients "
            "that show every label present and absent",
            stage, share, share * len(train), len(train), len(kept),
        )  # fmt: skip


def image_features(context: Context, *splits: str) -> Embeddings:
    """Encode the images of some splits; what was encoded before comes from the Run's store."""
    return _features(context, "image", splits)


def text_features(context: Context, *splits: str) -> Embeddings:
    """Encode the texts of some splits."""
    return _features(context, "text", splits)


def text_encoder(context: Context) -> Callable[[list[str]], NDArray[np.float32]]:
    """Return a function from prompts to their embeddings (unnormalised), by the model."""

    def encode_prompts(prompts: list[str]) -> NDArray[np.float32]:
        import torch

        model, training = context.model, context.model.training
        model.eval()
        try:
            with torch.inference_mode():
                return np.asarray(model.encode_text(prompts).float().cpu())
        finally:
            model.train(training)

    return encode_prompts


def _features(context: Context, modality: Modality, splits: tuple[str, ...]) -> Embeddings:
    return _encode(context, in_splits(context.cases, *splits), modality)


def _encode(context: Context, cases: CaseSet, modality: Modality) -> Embeddings:
    return encode(
        context.model,
        cases,
        modality,
        store=context.run.file("embeddings"),
        max_bad=context.max_bad,
        device=context.device,
        workers=context.workers,
        progress=context.progress,
    )
