"""Fine-tuning: an image tower learns from labels, with a linear head.

Legend of shapes: B batch, C labels, D width, N cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import CaseSet, DataError, TrainingError, unknown
from vesalius.objectives import supervised_loss
from vesalius.objectives.supervised import known_classes
from vesalius.training.augment import draw_jitter, jitter
from vesalius.training.classifier import Classifier, LinearHead
from vesalius.training.fingerprint import array_hash, cases_hash
from vesalius.training.freezing import frozen
from vesalius.training.images import TrainingImages
from vesalius.training.loop import fit
from vesalius.training.running import Batch, Features
from vesalius.training.settings import FINE_TUNING, Conditions, Fit, Optimisation

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders import DualEncoder

STRATEGIES = ("full", "head")


def fine_tune(
    model: DualEncoder,
    train: CaseSet,
    validation: CaseSet,
    *,
    conditions: Conditions,
    optimisation: Optimisation = FINE_TUNING,
    strategy: Literal["full", "head"] = "full",
    head_learning_rate: float | None = None,
    init: LinearHead | None = None,
    augment: bool = False,
) -> tuple[Classifier, Fit]:
    """Return a classifier trained on the labels, with the best epoch's weights; ``model`` stays.

    Several labels may hold (masked binary cross-entropy) or exactly one does (cross-entropy), as
    ``train.task`` says; unknown labels take no part.

    Args:
        strategy: ``full`` trains image tower and head, ``head`` the head alone; features are then
            computed once, unless images are augmented.
        head_learning_rate: of the head; by default that of ``optimisation``.
        init: a linear probe to start the head from (LP-then-FT, Kumar et al. 2022); by default the
            head starts at random.
        augment: turn, shift, zoom and relight each training image a little; never flip it.

    Raises:
        DataError: there are no labels, the splits' labels differ, or too many images are
            unreadable.
        TrainingError: ``init`` does not fit; see also :func:`vesalius.training.fit`.
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    _check_labels(train, validation)
    classifier = Classifier(
        deepcopy(model), train.label_names, task=train.task, seed=conditions.seed
    )
    if init is not None:
        classifier.start_from(init)
    head_rate = optimisation.learning_rate if head_learning_rate is None else head_learning_rate
    if head_rate <= 0:
        raise TrainingError(f"head_learning_rate is {head_rate}, not above 0")
    splits = {"train": train, "validation": validation}
    settings = {
        "task": f"fine_tune {train.task}",
        "strategy": strategy,
        "head_learning_rate": head_rate,
        "augment": augment,
        "init": None if init is None else array_hash(init.weights_CD, init.bias_C),
        **{f"model.{key}": value for key, value in model.identity().items()},
        **{f"{name}_cases": cases_hash(cases, labels=True) for name, cases in splits.items()},
    }
    encoder = classifier.encoder
    still = [encoder.logit_scale, *encoder.text_parameters()]
    with frozen(chain(still, encoder.image_parameters() if strategy == "head" else ())):
        task = _Labels(
            module=classifier,
            splits=splits,
            images=TrainingImages(splits, model.preprocess, conditions),
            loss=supervised_loss(train.task),
            augment=augment,
            features_once=strategy == "head" and not augment,
            settings=settings,
            rates=(optimisation.learning_rate, head_rate),
            known={},
        )
        return classifier, fit(task, optimisation=optimisation, conditions=conditions)


@dataclass(slots=True)
class _Labels:
    """The task of the loop: each image gets its labels."""

    module: Any
    splits: dict[str, CaseSet]
    images: TrainingImages
    loss: Callable[..., Tensor]
    augment: bool
    features_once: bool
    settings: dict[str, Any]
    rates: tuple[float, float]
    known: dict[str, dict[int, Tensor]]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cases) for name, cases in self.splits.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        rate, head_rate = self.rates
        return [
            *((parameter, head_rate) for parameter in self.module.head.parameters()),
            *((parameter, rate) for parameter in self.module.encoder.image_parameters()),
        ]

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        if not self.features_once:
            yield from self.images.batches(split, groups)
            return
        if split not in self.known:
            self.known[split] = self._compute(split)
        known = self.known[split]
        for group in groups:
            rows = [int(row) for row in group if int(row) in known]
            stacked = torch.stack([known[row] for row in rows]) if rows else torch.empty(0)
            yield np.array(rows, dtype=np.intp), stacked

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> Tensor | None:
        return draw_jitter(len(rows), generator) if self.augment else None

    def features(self, split: str, batch: Batch, draws: Tensor | None) -> Features:
        inputs = batch[1].to(self.module.device, non_blocking=True)
        if draws is not None:
            inputs = jitter(inputs, draws)
        return {"logits": self.module.head(inputs) if self.features_once else self.module(inputs)}

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        logits_BC = features["logits"]
        truths_BC = torch.from_numpy(self.splits[split].labels_NC[rows]).to(logits_BC.device)
        if self.module.task == "multilabel":
            weight = (~torch.isnan(truths_BC)).sum()
        else:
            weight = known_classes(truths_BC).sum()
        return self.loss(logits_BC, truths_BC.float()), float(weight)

    def after_step(self) -> None:
        """Nothing: no parameter here has a bound."""

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        return [str(case_id) for case_id in self.splits[split].case_ids[rows]]

    def _compute(self, split: str) -> dict[int, Tensor]:
        """Return each readable image's features, always by the same batches."""
        groups = np.array_split(np.arange(self.sizes[split]), max(self.sizes[split] // 64, 1))
        found: dict[int, Tensor] = {}
        with torch.no_grad(), torch.autocast(self.module.device.type, enabled=False):
            for rows_B, pixels_BCHW in self.images.batches(split, groups):
                if len(rows_B):
                    features_BD = self.module.encoder.encode_image(pixels_BCHW)
                    found.update(zip(rows_B.tolist(), features_BD.float(), strict=True))
        return found


def _check_labels(train: CaseSet, validation: CaseSet) -> None:
    if not train.label_names:
        raise DataError(f"{train.source}: the cases have no labels to learn from")
    if train.label_names != validation.label_names or train.task != validation.task:
        raise DataError(
            f"train has {train.task} labels {', '.join(train.label_names)}; validation has "
            f"{validation.task} labels {', '.join(validation.label_names)}"
        )
