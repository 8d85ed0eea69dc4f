"""Pretraining on image–text pairs: contrastive, both towers or one of them.

Legend of shapes: B batch, L tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import log as ln
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import CaseSet, DataError, TrainingError
from vesalius.objectives import objective as find_objective
from vesalius.training.augment import draw_jitter, jitter, shortened
from vesalius.training.fingerprint import cases_hash
from vesalius.training.freezing import frozen
from vesalius.training.images import TrainingImages
from vesalius.training.loop import fit
from vesalius.training.running import Batch, Features
from vesalius.training.settings import PRETRAINING, Conditions, Fit, Optimisation

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders import DualEncoder

log = logging.getLogger(__name__)

LARGEST_SCALE = ln(100)  # Radford et al. 2021, section 2.5


def pretrain(
    model: DualEncoder,
    train: CaseSet,
    validation: CaseSet,
    *,
    conditions: Conditions,
    optimisation: Optimisation = PRETRAINING,
    objective: str = "infonce",
    freeze_image: bool = False,
    freeze_text: bool = False,
    augment: bool = True,
) -> Fit:
    """Train the model in place on images and their texts; it ends with the best epoch's weights.

    Cases without a text are left out. Called again with the same settings, a stopped training goes
    on from its folder.

    Args:
        objective: a name of ``vesalius.objectives.OBJECTIVES``.
        freeze_image: keep the image tower as it is, batch statistics included.
        freeze_text: keep the text tower as it is.
        augment: turn, shift, zoom and relight each training image a little, never flip it; leave
            out sentences of a text now and then.

    Raises:
        ChoiceError: there is no such objective.
        DataError: a split has no texts, or too many images are unreadable.
        TrainingError: see :func:`vesalius.training.fit`.
    """
    if freeze_image and freeze_text:
        raise TrainingError("freeze_image and freeze_text together leave nothing to learn")
    splits = {
        "train": _with_text(train, "train"),
        "validation": _with_text(validation, "validation"),
    }
    settings = {
        "task": "pretrain",
        "objective": objective,
        "freeze_image": freeze_image,
        "freeze_text": freeze_text,
        "augment": augment,
        **{f"model.{key}": value for key, value in model.identity().items()},
        **{f"{name}_cases": cases_hash(cases, texts=True) for name, cases in splits.items()},
    }
    texts = {name: _words(cases) for name, cases in splits.items()}
    still = chain(
        model.image_parameters() if freeze_image else (),
        model.text_parameters() if freeze_text else (),
    )
    with frozen(still):
        task = _Pairs(
            module=model,
            splits=splits,
            texts=texts,
            tokens={name: model.tokenize(own) for name, own in texts.items()},
            images=TrainingImages(splits, model.preprocess, conditions),
            contrast=find_objective(objective),
            augment=augment,
            settings=settings,
            learning_rate=optimisation.learning_rate,
        )
        return fit(task, optimisation=optimisation, conditions=conditions)


@dataclass(frozen=True, slots=True)
class _Views:
    """How the images and texts of a batch are changed."""

    changes_B6: Tensor
    texts: NDArray[np.object_]

    def __getitem__(self, places: list[int]) -> _Views:
        return _Views(self.changes_B6[places], self.texts[places])


@dataclass(slots=True)
class _Pairs:
    """The task of the loop: each image finds its text."""

    module: Any
    splits: dict[str, CaseSet]
    texts: dict[str, list[str]]
    tokens: dict[str, Tensor]
    images: TrainingImages
    contrast: Callable[..., Tensor]
    augment: bool
    settings: dict[str, Any]
    learning_rate: float

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cases) for name, cases in self.splits.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        return [(parameter, self.learning_rate) for parameter in self.module.parameters()]

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        yield from self.images.batches(split, groups)

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> _Views | None:
        if not self.augment:
            return None
        changes_B6 = draw_jitter(len(rows), generator)
        texts = [shortened(self.texts["train"][i], generator=generator) for i in rows]
        return _Views(changes_B6, np.array(texts, dtype=object))

    def features(self, split: str, batch: Batch, draws: _Views | None) -> Features:
        rows_B, pixels_BCHW = batch
        pixels_BCHW = pixels_BCHW.to(self.module.logit_scale.device, non_blocking=True)
        tokens_BL = self.tokens[split][rows_B]
        if draws is not None:
            pixels_BCHW = jitter(pixels_BCHW, draws.changes_B6)
            tokens_BL = self.module.tokenize(list(draws.texts))
        return {
            "image": self.module.encode_image(pixels_BCHW),
            "text": self.module.encode_text(tokens_BL),
        }

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        scale = self.module.logit_scale.exp()
        loss = self.contrast(features["image"], features["text"], logit_scale=scale)
        return loss, float(len(rows))

    def after_step(self) -> None:
        with torch.no_grad():
            self.module.logit_scale.clamp_(max=LARGEST_SCALE)

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        return [str(case_id) for case_id in self.splits[split].case_ids[rows]]


def _with_text(cases: CaseSet, split: str) -> CaseSet:
    """Return the cases that have words."""
    if cases.texts is None:
        raise DataError(f"{cases.source}: the {split} cases have no texts to learn from")
    has_N = np.array([bool(text and text.strip()) for text in cases.texts], dtype=bool)
    if not has_N.any():
        raise DataError(f"{cases.source}: the {split} cases have no texts to learn from")
    if not has_N.all():
        log.info("%s: %d of %d cases have no text", split, int((~has_N).sum()), len(cases))
    return cases.select(has_N)


def _words(cases: CaseSet) -> list[str]:
    assert cases.texts is not None, "checked before"
    return [str(text) for text in cases.texts]
