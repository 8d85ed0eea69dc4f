"""Self-supervised pretraining of an image tower: two views of an image say the same.

Legend of shapes: B batch, C channels, H W pixels, N cases, P width of the projection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vesalius.core import CaseSet, TrainingError, unknown
from vesalius.data.views import Preset, apply, preset
from vesalius.objectives import self_supervised_loss
from vesalius.training.byte_images import bytes_then_floats
from vesalius.training.fingerprint import cases_hash
from vesalius.training.freezing import frozen
from vesalius.training.images import TrainingImages
from vesalius.training.loop import fit
from vesalius.training.projector import projector
from vesalius.training.running import Batch, Features
from vesalius.training.settings import Conditions, Fit, Optimisation
from vesalius.training.trial import try_out

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.data.views import Draws
    from vesalius.encoders import DualEncoder

FIXED = 2**31 - 1  # with the seed: the validation views


@dataclass(frozen=True, slots=True)
class Method:
    """How views are compared, and what usually goes with it.

    ``objective`` is a name of :data:`vesalius.objectives.SELF_SUPERVISED`. ``bias_rate`` is the
    learning rate of biases and normalisations under LARS, in units of that of the other weights.
    """

    objective: str
    layers: tuple[int, ...]
    normed_end: bool
    rate: float
    weight_decay: float
    bias_rate: float = 1.0


METHODS = {
    "simclr": Method("nt_xent", (2048, 2048, 128), True, 0.3, 1e-6),
    "barlow_twins": Method("barlow_twins", (2048, 2048, 2048), False, 0.2, 1.5e-6, 0.0048 / 0.2),
}
SMALL_BATCH = 1024  # below it SimCLR's rate follows the square root (Chen et al. 2020, B.1)


def self_supervised_optimisation(
    method: str = "simclr", *, epochs: int = 100, batch_size: int = 256
) -> Optimisation:
    """Return a method's LARS, its rate for the batch size, ten warm-up epochs and a cosine.

    SimCLR: 0.075·√B, from B = 1024 on 0.3·B/256 (Chen et al. 2020); Barlow Twins: 0.2·B/256
    (Zbontar et al. 2021).

    >>> self_supervised_optimisation(batch_size=256).learning_rate
    1.2

    Raises:
        ChoiceError: there is no such method.
    """
    chosen = _method(method)
    rate = chosen.rate * batch_size / 256
    if method == "simclr" and batch_size < SMALL_BATCH:
        rate = 0.075 * sqrt(batch_size)
    return Optimisation(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        weight_decay=chosen.weight_decay,
        warmup=min(10 / max(epochs, 1), 0.1),
        optimiser="lars",
    )


def pretrain_views(
    model: DualEncoder,
    train: CaseSet,
    validation: CaseSet,
    *,
    conditions: Conditions,
    optimisation: Optimisation | None = None,
    method: str = "simclr",
    views: str | Preset = "simclr",
    layers: Sequence[int] | None = None,
    objective_settings: Mapping[str, Any] | None = None,
) -> Fit:
    """Train the model's image tower in place, without labels or texts; keep the best epoch.

    The validation loss is that of fixed views. Called again with the same settings, a stopped
    training goes on from its folder.

    Args:
        optimisation: by default :func:`self_supervised_optimisation` of the method.
        method: ``simclr`` or ``barlow_twins``.
        views: a preset of :data:`vesalius.data.views.PRESETS` by name, or one's own.
        layers: widths of the projector's layers; by default the method's.
        objective_settings: ``temperature``, ``tile``; or ``off_diagonal_weight``.

    Raises:
        ChoiceError: there is no such method, preset or setting of the loss.
        TrainingError: the model prepares its pixels in a way that leaves no bytes to make views of;
            see also :func:`vesalius.training.fit`.
        DataError: too many images are unreadable.
    """
    chosen, kind, layers = checked_views(method, views, layers, objective_settings)
    own_settings = dict(objective_settings or {})
    optimisation = optimisation or self_supervised_optimisation(method)
    to_bytes, to_floats = bytes_then_floats(model.preprocess)
    splits = {"train": train, "validation": validation}
    settings = {
        "task": "pretrain_views",
        "method": method,
        "layers": list(layers),
        "objective_settings": own_settings,
        "views": asdict(kind),
        **{f"model.{key}": value for key, value in model.identity().items()},
        **{f"{name}_cases": cases_hash(cases) for name, cases in splits.items()},
    }
    learning = {id(parameter) for parameter in model.image_parameters()}
    with frozen(p for p in model.parameters() if id(p) not in learning):
        task = _Views(
            module=_Projected(model, layers, chosen.normed_end, conditions.seed),
            splits=splits,
            images=TrainingImages(splits, to_bytes, conditions, dtype="uint8"),
            floats=to_floats,
            kind=kind,
            loss=partial(self_supervised_loss(chosen.objective), **own_settings),
            settings=settings,
            learning_rate=optimisation.learning_rate,
            bias_rate=chosen.bias_rate if optimisation.optimiser == "lars" else 1.0,
            seed=conditions.seed,
        )
        return fit(task, optimisation=optimisation, conditions=conditions)


def checked_views(
    method: str,
    views: str | Preset,
    layers: Sequence[int] | None,
    objective_settings: Mapping[str, Any] | None,
) -> tuple[Method, Preset, tuple[int, ...]]:
    """Return method, views and layers; needs no data, so it can be asked before any work.

    Raises:
        ChoiceError: there is no such method, preset or setting of the loss.
        TrainingError: a layer, or a setting of the loss, cannot be.
    """
    chosen = _method(method)
    kind = preset(views) if isinstance(views, str) else views
    layers = tuple(layers or chosen.layers)
    if min(layers) < 1:
        raise TrainingError(f"layers of the projector are {layers}, not 1 or wider")
    loss = self_supervised_loss(chosen.objective)
    try_out(chosen.objective, loss, objective_settings or {})
    return chosen, kind, layers


class _Projected(nn.Module):
    """An encoder under a projector."""

    def __init__(self, model: Any, layers: Sequence[int], normed_end: bool, seed: int) -> None:
        super().__init__()
        self.encoder = model
        self.projector = projector(model.width, layers, seed=seed, normed_end=normed_end)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        return self.projector(self.encoder.encode_image(pixels_BCHW))


@dataclass(frozen=True, slots=True)
class _Two:
    """The draws of two views of each image."""

    first: Draws
    second: Draws

    def __getitem__(self, places: Any) -> _Two:
        return _Two(self.first[places], self.second[places])


@dataclass(slots=True)
class _Views:
    """The task of the loop: each view finds the other, or agrees with it."""

    module: _Projected
    splits: dict[str, CaseSet]
    images: TrainingImages
    floats: Callable[[Tensor], Tensor]
    kind: Preset
    loss: Callable[..., Tensor]
    settings: dict[str, Any]
    learning_rate: float
    bias_rate: float
    seed: int
    fixed: _Two | None = None  # the views of the validation images

    @property
    def sizes(self) -> dict[str, int]:
        return {name: len(cases) for name, cases in self.splits.items()}

    def parameters(self) -> list[tuple[nn.Parameter, float]]:
        return [
            (parameter, self.learning_rate * (1.0 if parameter.ndim > 1 else self.bias_rate))
            for parameter in self.module.parameters()
        ]

    def batches(self, split: str, groups: Sequence[NDArray[np.integer]]) -> Iterator[Batch]:
        yield from self.images.batches(split, groups)

    def draws(self, rows: NDArray[np.integer], generator: torch.Generator) -> _Two:
        side = self.module.encoder.preprocess.size
        one, other = (self.kind.draw(len(rows), (side, side), generator) for _ in range(2))
        return _Two(one, other)

    def features(self, split: str, batch: Batch, draws: _Two | None) -> Features:
        rows_B, pixels_BCHW = batch
        if draws is None:
            if self.fixed is None:
                generator = torch.Generator().manual_seed(self.seed ^ FIXED)
                self.fixed = self.draws(np.arange(self.sizes[split]), generator)
            draws = self.fixed[torch.from_numpy(rows_B)]
        pixels_BCHW = pixels_BCHW.to(self.module.projector[0].weight.device, non_blocking=True)
        pair = [self.floats(apply(pixels_BCHW, own)) for own in (draws.first, draws.second)]
        both = self.module(torch.cat(pair))
        return {"first": both[: len(rows_B)], "second": both[len(rows_B) :]}

    def objective(
        self, split: str, rows: NDArray[np.integer], features: Features
    ) -> tuple[Tensor, float]:
        return self.loss(features["first"], features["second"]), float(len(rows))

    def after_step(self) -> None:
        pass

    def case_ids(self, split: str, rows: NDArray[np.integer]) -> list[str]:
        return [str(case_id) for case_id in self.splits[split].case_ids[rows]]


def _method(name: str) -> Method:
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]
