"""Pretraining on image–text pairs: contrastive, both towers or one of them.

Legend of shapes: B batch, L tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import log as ln
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import CaseSet, DataError
from vesalius.objectives import objective as find_objective
from vesalius.training.augment import draw_jitter, jitter, shortened
from vesalius.training.blocks import decayed_rates
from vesalius.training.fingerprint import cases_hash
from vesalius.training.images import TrainingImages
from vesalius.training.known import KnownImages, KnownTexts
from vesalius.training.loop import fit
from vesalius.training.running import Batch, Features
from vesalius.training.settings import PRETRAINING, REACH, Conditions, Fit, Optimisation, Reach
from vesalius.training.strategies import learning

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
    strategy: Literal["full", "last_blocks", "locked_image", "locked_text", "lora"] = "full",
    reach: Reach = REACH,
    augment: bool = True,
) -> Fit:
    """Train the model in place on images and their texts; it ends with the best epoch's weights.

    Cases without a text are left out. Called again with the same settings, a stopped training goes
    on from its folder.

    Args:
        objective: a name of ``vesalius.objectives.OBJECTIVES``.
        strategy: ``full`` trains both towers, ``locked_image`` the text tower alone (LiT, Zhai et
            al. 2022) and ``locked_text`` the image tower alone, ``last_blocks`` the last blocks of
            both, ``lora`` low-rank changes of both, merged in the end. The logit scale learns by
            all. A locked tower's features are computed once where nothing is augmented.
        reach: how many blocks, of which rank, how much slower the lower layers learn.
        augment: turn, shift, zoom and relight each training image a little, never flip it; leave
            out sentences of a text now and then.

    Raises:
        ChoiceError: there is no such objective or strategy.
        DataError: a split has no texts, or too many images are unreadable.
        TrainingError: a tower does not allow the strategy; see also
            :func:`vesalius.training.fit`.
    """
    splits = {
        "train": _with_text(train, "train"),
        "validation": _with_text(validation, "validation"),
    }
    settings = {
        "task": "pretrain",
        "objective": objective,
        "strategy": strategy,
        **asdict(reach),
        "augment": augment,
        **{f"model.{key}": value for key, value in model.identity().items()},
        **{f"{name}_cases": cases_hash(cases, texts=True) for name, cases in splits.items()},
    }
    texts = {name: _words(cases) for name, cases in splits.items()}
    tokens = {name: model.tokenize(own) for name, own in texts.items()}
    sizes = {name: len(cases) for name, cases in splits.items()}
    with learning(model, strategy, reach, seed=conditions.seed):
        images = TrainingImages(splits, model.preprocess, conditions)
        image_once = strategy == "locked_image" and not augment
        text_once = strategy == "locked_text" and not augment
        task = _Pairs(
            module=model,
            splits=splits,
            texts=texts,
            tokens=tokens,
            images=images,
            contrast=find_objective(objective),
            augment=augment,
            known_images=KnownImages(images, sizes, model) if image_once else None,
            known_texts=KnownTexts(tokens, model) if text_once else None,
            settings=settings,
            rates=_rates(model, optimisation.learning_rate, reach.layer_decay),
        )
        return fit(task, optimisation=optimisation, conditions=conditions)


def _rates(
    model: DualEncoder, rate: float, decay: float | None
) -> list[tuple[nn.Parameter, float]]:
    """Return every parameter with its learning rate: the logit scale has ``rate`` itself."""
    found = [*decayed_rates(model.image, rate, decay), *decayed_rates(model.text, rate, decay)]
    towers = {id(parameter) for parameter, _ in found}
    rest = [(parameter, rate) for parameter in model.parameters() if id(parameter) not in towers]
    return [*rest, *found]


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
    known_images: KnownImages | None
    known_texts: KnownTexts | None
    settings: dict[str, Any]
    rates: list[tuple[nn.Parameter, float]]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cases) for name, cases in self.splits.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        return self.rates

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        yield from (self.known_images or self.images).batches(split, groups)

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> _Views | None:
        if not self.augment:
            return None
        changes_B6 = draw_jitter(len(rows), generator)
        texts = [shortened(self.texts["train"][i], generator=generator) for i in rows]
        return _Views(changes_B6, np.array(texts, dtype=object))

    def features(self, split: str, batch: Batch, draws: _Views | None) -> Features:
        rows_B, inputs = batch  # pixels, or features of a tower that stands still
        inputs = inputs.to(self.module.logit_scale.device, non_blocking=True)
        tokens_BL = self.tokens[split][rows_B]
        if draws is not None:
            inputs = jitter(inputs, draws.changes_B6)
            tokens_BL = self.module.tokenize(list(draws.texts))
        encode_text = self.module.encode_text
        return {
            "image": self.module.encode_image(inputs) if self.known_images is None else inputs,
            "text": encode_text(tokens_BL) if self.known_texts is None
            else self.known_texts(split, rows_B),
        }  # fmt: skip

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
