"""What a training is told: how to optimise, and under which conditions to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vesalius.core.errors import TrainingError, unknown

OPTIMISERS = ("adamw", "adam")
SCHEDULES = ("cosine", "constant")
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How the weights are found; everything here changes the result.

    ``warmup`` is the share of all steps over which the learning rate rises. ``micro_batch`` cases
    go through the encoder at a time (None: the whole batch): memory follows it, and the objective
    still sees the whole batch, for one more forward pass. ``patience`` epochs without a better
    validation loss end the training (None: never). ``adamw`` decays matrices only, ``adam`` adds
    weight decay to every gradient.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    optimiser: Literal["adamw", "adam"] = "adamw"
    precision: Literal["fp32", "bf16"] = "fp32"
    micro_batch: int | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("micro_batch", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise TrainingError(f"{name} is {value}, not {least} or more")
        if self.patience is not None and self.patience < 1:
            raise TrainingError(f"patience is {self.patience}, not 1 or more")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise TrainingError(
                f"learning_rate {self.learning_rate} must be above 0 and weight_decay "
                f"{self.weight_decay} not below"
            )
        if not 0 <= self.warmup < 1:
            raise TrainingError(f"warmup is {self.warmup}, not a share of the steps in [0, 1)")
        for name, choices in (
            ("schedule", SCHEDULES),
            ("optimiser", OPTIMISERS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise unknown(name, getattr(self, name), choices)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where and how a training runs; of these only the seed changes the result (on one device).

    ``folder`` receives checkpoints and the log, and a training goes on from what lies there.
    ``save_every`` is the least number of seconds between two checkpoints within an epoch.
    ``max_bad`` is the share of unreadable images above which the training stops.
    """

    folder: str | Path
    device: str = "cpu"
    workers: int | None = None
    seed: int = 0
    progress: bool = True
    tensorboard: bool = False
    save_every: float = 60.0
    max_bad: float = 0.05


@dataclass(frozen=True, slots=True)
class Fit:
    """How a training went. ``history`` has one entry an epoch, with the keys ``epoch`` (from 1),
    ``train_loss``, ``validation_loss``, ``learning_rate`` and ``seconds``.

    ``best_epoch`` (from 1) is the one with the least validation loss: its weights were kept.
    ``stopped`` says whether patience ended the training early. ``memory_mb`` is the peak memory
    while it ran, of the accelerator or, where there is none, of the whole process.
    """

    history: list[dict[str, float]]
    best_epoch: int
    stopped: bool
    seconds: float
    trainable_parameters: int
    folder: Path
    memory_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far into the towers learning reaches; what a strategy does not use changes nothing.

    ``last_blocks`` is how many blocks of each tower learn by the strategy of that name.
    ``lora_rank`` and ``lora_alpha`` shape the low-rank change of ``lora``, which is scaled by
    alpha / rank. ``layer_decay`` multiplies the learning rate once for every layer further down
    (None: one rate for all).
    """

    last_blocks: int = 2
    lora_rank: int = 8
    lora_alpha: float = 16.0
    layer_decay: float | None = None

    def __post_init__(self) -> None:
        for name in ("last_blocks", "lora_rank"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, not 1 or more")
        if self.lora_alpha <= 0:
            raise TrainingError(f"lora_alpha is {self.lora_alpha}, not above 0")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise TrainingError(f"layer_decay is {self.layer_decay}, not in (0, 1]")


REACH = Reach()
PRETRAINING = Optimisation()
FINE_TUNING = Optimisation(  # as in the IU-Xray study (arXiv 2506.14136)
    epochs=10,
    batch_size=24,
    learning_rate=1e-5,
    weight_decay=1e-2,
    warmup=0.0,
    schedule="constant",
    patience=5,
)
