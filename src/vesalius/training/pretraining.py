"""Pretraining on image–text pairs: contrastive, both towers or one of them.

Legend of shapes: B batch, L tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import CaseSet, DataError, TrainingError
from vesalius.training.augment import draw_jitter, jitter, shortened
from vesalius.training.blocks import decayed_rates
from vesalius.training.contrast import Contrast, bound
from vesalius.training.fingerprint import cases_hash
from vesalius.training.freezing import frozen
from vesalius.training.images import TrainingImages
from vesalius.training.known import KnownImages, KnownTexts
from vesalius.training.loop import fit
from vesalius.training.pairing import FINDINGS, Pairing, check_share, paired, partly_paired
from vesalius.training.running import Batch, Features
from vesalius.training.settings import (
    MATCHING,
    PRETRAINING,
    REACH,
    Conditions,
    Fit,
    Matching,
    Optimisation,
    Reach,
)
from vesalius.training.strategies import learning

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders import DualEncoder


def pretrain(
    model: DualEncoder,
    train: CaseSet,
    validation: CaseSet,
    *,
    conditions: Conditions,
    optimisation: Optimisation = PRETRAINING,
    objective: str = "infonce",
    matching: Matching = MATCHING,
    strategy: Literal["full", "last_blocks", "locked_image", "locked_text", "lora"] = "full",
    reach: Reach = REACH,
    augment: bool = True,
) -> Fit:
    """Train the model in place on images and their texts; it ends with the best epoch's weights.

    Called again with the same settings, a stopped training goes on from its folder. Cases without
    a text are left out; labels serve as findings to an objective that reads them.

    Args:
        objective: a name of ``vesalius.objectives.OBJECTIVES``.
        matching: the objective's settings, and which images meet which texts.
        strategy: ``full``, ``last_blocks`` and ``lora`` train both towers, ``locked_image`` (LiT,
            Zhai et al. 2022) and ``locked_text`` the other one. The logit scale learns by all. A
            locked tower's features are computed once where nothing is augmented.
        reach: how many blocks, of which rank, how much slower the lower layers learn.
        augment: turn, shift, zoom and relight each training image a little, never flip it; leave
            out sentences of a text now and then.

    Raises:
        ChoiceError: there is no such objective, setting or strategy.
        DataError: a split has no texts or findings to read, or too many images are unreadable.
        TrainingError: a tower does not allow the strategy; see ``fit``.
    """
    contrast = contrast_of(objective, matching, augment=augment)
    known = _pairings(train, validation, contrast, matching, conditions.seed)
    reads = contrast.reads_findings or matching.group_by == FINDINGS
    settings = {
        "task": "pretrain",
        "objective": objective,
        **asdict(matching),
        "strategy": strategy,
        **asdict(reach),
        "augment": augment,
        **{f"model.{key}": value for key, value in model.identity().items()},
        **{
            f"{name}_cases": cases_hash(own.cases, texts=True, labels=reads)
            for name, own in known.items()
        },
    }
    contrast.prepare(model)
    once = None if augment else strategy
    unread = () if "logit_scale" in contrast.reads else (model.logit_scale,)
    splits = {name: own.cases for name, own in known.items()}
    with frozen(unread), learning(model, strategy, reach, seed=conditions.seed):
        images = TrainingImages(splits, model.preprocess, conditions)
        tokens = {name: model.tokenize(own.texts) for name, own in known.items()}
        task = _Pairs(
            module=model,
            pairings=known,
            tokens=tokens,
            images=images,
            contrast=contrast,
            augment=augment,
            branches=2 if matching.two_texts else 1,
            known_images=KnownImages(images, splits, model) if once == "locked_image" else None,
            known_texts=KnownTexts(tokens, model) if once == "locked_text" else None,
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
    """What a batch of images meets: its texts, and how both are changed (None: they are not)."""

    text_rows_B: NDArray[np.integer]
    changes_B6: Tensor | None = None
    texts: tuple[NDArray[np.object_], ...] = ()

    def __getitem__(self, places: list[int]) -> _Views:
        own_B = self.text_rows_B[places]
        if self.changes_B6 is None:
            return _Views(own_B)
        return _Views(own_B, self.changes_B6[places], tuple(own[places] for own in self.texts))


@dataclass(slots=True)
class _Pairs:
    """The task of the loop: each image finds its text."""

    module: Any
    pairings: dict[str, Pairing]
    tokens: dict[str, Tensor]
    images: TrainingImages
    contrast: Contrast
    augment: bool
    branches: int
    known_images: KnownImages | None
    known_texts: KnownTexts | None
    settings: dict[str, Any]
    rates: list[tuple[nn.Parameter, float]]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(own.cases) for name, own in self.pairings.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        return self.rates

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        yield from (self.known_images or self.images).batches(split, groups)

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> _Views:
        train = self.pairings["train"]
        text_rows_B = train.draw(rows, generator)
        if not self.augment:
            return _Views(text_rows_B)
        changes_B6 = draw_jitter(len(rows), generator)
        texts = [
            np.array([shortened(train.texts[i], generator=generator) for i in text_rows_B], object)
            for _ in range(self.branches)
        ]
        return _Views(text_rows_B, changes_B6, tuple(texts))

    def features(self, split: str, batch: Batch, draws: _Views | None) -> Features:
        rows_B, inputs = batch  # pixels, or features of a tower that stands still
        inputs = inputs.to(self.module.logit_scale.device, non_blocking=True)
        text_rows_B = self.pairings[split].own_N[rows_B] if draws is None else draws.text_rows_B
        tokens = [self.tokens[split][text_rows_B]]
        if draws is not None and draws.changes_B6 is not None:
            inputs = jitter(inputs, draws.changes_B6)
            tokens = [self.module.tokenize(list(own)) for own in draws.texts]
        texts = (
            [self.module.encode_text(tokens_BL) for tokens_BL in tokens]
            if self.known_texts is None
            else [self.known_texts(split, text_rows_B)]
        )
        return {
            "image": self.module.encode_image(inputs) if self.known_images is None else inputs,
            "text_row": torch.from_numpy(text_rows_B).to(inputs.device),
            **{f"text {i}": text_BD for i, text_BD in enumerate(texts)},
        }

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        own, image_BD = self.pairings[split], features["image"]
        text_rows_B = features["text_row"].cpu().numpy()
        beside = {
            "image_findings_BF": own.image_findings_NF[rows],
            "text_findings_BF": own.text_findings_TF[text_rows_B],
            "groups_B": own.groups_T[text_rows_B],
        }
        given = {k: torch.from_numpy(value).to(image_BD.device) for k, value in beside.items()}
        losses = [
            self.contrast(self.module, image_BD, text_BD, **given)
            for name, text_BD in features.items()
            if name.startswith("text ")
        ]
        return torch.stack(losses).mean(), float(len(rows))

    def after_step(self) -> None:
        bound(self.module)

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        return [str(case_id) for case_id in self.pairings[split].cases.case_ids[rows]]


def contrast_of(objective: str, matching: Matching, *, augment: bool) -> Contrast:
    """Return the objective with its settings; needs no data, so it can be asked before any work.

    Raises:
        ChoiceError: there is no such objective or setting.
        TrainingError: the objective does not go with the matching, or a value cannot be.
    """
    contrast = Contrast.of(objective, matching.objective_settings)
    check_share(matching.pairs, decoupled=matching.decoupled)
    if matching.decoupled and not contrast.reads_findings:
        raise TrainingError(
            f"decoupled images and texts need an objective that reads findings, and "
            f"{contrast.name} reads none; choose semantic_matching"
        )
    if matching.two_texts and not augment:
        raise TrainingError("two_texts needs augment: without it both texts are the same")
    return contrast


def _pairings(
    train: CaseSet,
    validation: CaseSet,
    contrast: Contrast,
    matching: Matching,
    seed: int,
) -> dict[str, Pairing]:
    """Return who meets whom; refuse an objective that would miss what it reads."""
    if contrast.reads_findings:
        for split, cases in (("train", train), ("validation", validation)):
            if not cases.label_names:
                raise DataError(
                    f"{contrast.name} reads findings, and the {split} cases of {cases.source} "
                    "have no labels; name their columns, or read their texts: data.findings=present"
                )
        if train.label_names != validation.label_names:
            raise DataError(
                f"train has the findings {', '.join(train.label_names)}; validation has "
                f"{', '.join(validation.label_names)}"
            )
    by = matching.group_by
    chosen = partly_paired(
        train, pairs=matching.pairs, decoupled=matching.decoupled, seed=seed, group_by=by
    )
    return {"train": chosen, "validation": paired(validation, "validation", group_by=by)}
