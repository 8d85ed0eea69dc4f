"""Fine-tuning: an image tower learns from labels, with a linear head.

Legend of shapes: B batch, C labels, D width, N cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import CaseSet, DataError, TrainingError
from vesalius.objectives import supervised_loss
from vesalius.objectives.supervised import known_classes
from vesalius.training.augment import draw_jitter, jitter
from vesalius.training.blocks import decayed_rates
from vesalius.training.classifier import Classifier, LinearHead
from vesalius.training.fingerprint import array_hash, cases_hash
from vesalius.training.freezing import frozen
from vesalius.training.images import TrainingImages
from vesalius.training.known import KnownImages
from vesalius.training.loop import fit
from vesalius.training.running import Batch, Features
from vesalius.training.settings import FINE_TUNING, REACH, Conditions, Fit, Optimisation, Reach
from vesalius.training.strategies import learning

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders import DualEncoder


def fine_tune(
    model: DualEncoder,
    train: CaseSet,
    validation: CaseSet,
    *,
    conditions: Conditions,
    optimisation: Optimisation = FINE_TUNING,
    strategy: Literal["full", "head", "last_blocks", "lora"] = "full",
    reach: Reach = REACH,
    head_learning_rate: float | None = None,
    init: LinearHead | None = None,
    augment: bool = False,
) -> tuple[Classifier, Fit]:
    """Return a classifier trained on the labels, with the best epoch's weights; ``model`` stays.

    Several labels may hold (masked binary cross-entropy) or exactly one does (cross-entropy), as
    ``train.task`` says; unknown labels take no part.

    Args:
        strategy: ``full`` trains tower and head, ``head`` the head alone (by features computed
            once, unless images are augmented), ``last_blocks`` and ``lora`` part of the tower.
        reach: how many blocks, of which rank, how much slower the lower layers learn.
        head_learning_rate: of the head; by default that of ``optimisation``.
        init: a linear probe to start the head from (LP-then-FT, Kumar et al. 2022); by default the
            head starts at random.
        augment: turn, shift, zoom and relight each training image a little; never flip it.

    Raises:
        DataError: there are no labels, the splits' labels differ, or too many images are
            unreadable.
        TrainingError: ``init`` does not fit, the tower does not allow the strategy; see ``fit``.
    """
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
        **asdict(reach),
        "head_learning_rate": head_rate,
        "augment": augment,
        "init": None if init is None else array_hash(init.weights_CD, init.bias_C),
        **{f"model.{key}": value for key, value in model.identity().items()},
        **{f"{name}_cases": cases_hash(cases, labels=True) for name, cases in splits.items()},
    }
    encoder = classifier.encoder
    with (
        frozen([encoder.logit_scale]),
        learning(encoder, strategy, reach, seed=conditions.seed, words=False),
    ):
        images = TrainingImages(splits, model.preprocess, conditions)
        once = strategy == "head" and not augment
        task = _Labels(
            module=classifier,
            splits=splits,
            images=images,
            loss=supervised_loss(train.task),
            augment=augment,
            known=KnownImages(images, splits, encoder) if once else None,
            settings=settings,
            rates=(optimisation.learning_rate, reach.layer_decay, head_rate),
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
    known: KnownImages | None
    settings: dict[str, Any]
    rates: tuple[float, float | None, float]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cases) for name, cases in self.splits.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        rate, decay, head_rate = self.rates
        return [
            *((parameter, head_rate) for parameter in self.module.head.parameters()),
            *decayed_rates(self.module.encoder.image, rate, decay),
        ]

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        yield from (self.known or self.images).batches(split, groups)

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> Tensor | None:
        return draw_jitter(len(rows), generator) if self.augment else None

    def features(self, split: str, batch: Batch, draws: Tensor | None) -> Features:
        inputs = batch[1].to(self.module.device, non_blocking=True)
        if draws is not None:
            inputs = jitter(inputs, draws)
        return {"logits": self.module(inputs) if self.known is None else self.module.head(inputs)}

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


def _check_labels(train: CaseSet, validation: CaseSet) -> None:
    if not train.label_names:
        raise DataError(f"{train.source}: the cases have no labels to learn from")
    if train.label_names != validation.label_names or train.task != validation.task:
        raise DataError(
            f"train has {train.task} labels {', '.join(train.label_names)}; validation has "
            f"{validation.task} labels {', '.join(validation.label_names)}"
        )
