"""What a training is told: how to optimise, and under which conditions to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vesalius.core.errors import TrainingError, unknown

OPTIMISERS = ("adamw", "adam", "lars")
SCHEDULES = ("cosine", "constant", "linear", "step")
PRECISIONS = ("fp32", "bf16")
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How the weights are found; everything here changes the result.

    ``warmup`` is the share of all steps over which the learning rate rises. ``micro_batch`` cases
    go through the encoder at a time (None: the whole batch): memory follows it, and the objective
    still sees the whole batch, for one more forward pass. Where one of the two sizes is ``auto``,
    it is the largest power of two whose step fits into memory. ``clip`` is the length to which a
    longer gradient is cut (None: it is not). ``ema`` is the decay of a running average of the
    weights, which is then what is validated and kept (None: the weights themselves). ``patience``
    epochs without a better validation loss end the training (None: never). ``adamw`` decays
    matrices only, ``adam`` adds weight decay to every gradient, ``lars`` is for large batches of
    views (:mod:`vesalius.training.lars`).
    """

    epochs: int = 20
    batch_size: int | Literal["auto"] = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    schedule: Literal["cosine", "constant", "linear", "step"] = "cosine"
    optimiser: Literal["adamw", "adam", "lars"] = "adamw"
    precision: Literal["fp32", "bf16"] = "fp32"
    micro_batch: int | Literal["auto"] | None = None
    clip: float | None = None
    ema: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("micro_batch", 2)):
            value = getattr(self, name)
            if isinstance(value, str) and (value != AUTO or name == "epochs"):
                raise TrainingError(f"{name} is {value!r}, not a number{_or_auto(name)}")
            if isinstance(value, int) and value < least:
                raise TrainingError(f"{name} is {value}, not {least} or more")
        if self.batch_size == AUTO == self.micro_batch:
            raise TrainingError(
                "batch_size and micro_batch cannot both be auto: memory follows one of them; give "
                "batch_size the number of cases that the objective shall contrast"
            )
        if self.patience is not None and self.patience < 1:
            raise TrainingError(f"patience is {self.patience}, not 1 or more")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise TrainingError(
                f"learning_rate {self.learning_rate} must be above 0 and weight_decay "
                f"{self.weight_decay} not below"
            )
        if self.clip is not None and self.clip <= 0:
            raise TrainingError(f"clip is {self.clip}, not above 0")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise TrainingError(f"ema is {self.ema}, not a decay in [0, 1), such as 0.999")
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
class Matching:
    """Which images and texts an objective brings together, and how.

    ``objective_settings`` are keywords of the objective, as ``{"variant": "released"}``. ``pairs``
    is the share of the training pairs that are known. The rest is left out; or, ``decoupled``, it
    is learnt from all the same, each image with any of the other texts: findings say how alike the
    two are, so the objective must read them (MedCLIP, Wang et al. 2022). ``two_texts`` changes each
    text in two ways and averages the objective over both (needs ``augment``). ``group_by`` names
    an attribute (``study_id``) whose equal values form a group as equal texts do, or ``findings``,
    for an objective of several positives.
    """

    objective_settings: dict[str, Any] | None = None
    pairs: float = 1.0
    decoupled: bool = False
    two_texts: bool = False
    group_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a training runs; none of it changes more than the last digits of the result.

    ``compile`` has the towers compiled by torch: slow to begin, faster after. ``recompute`` keeps
    few activations and computes the others again: less memory for a third more time. ``shard``
    deals weights, gradients and optimiser state of the towers out to the ranks of a job
    (:mod:`vesalius.training.sharding`). ``save_every`` is the least number of seconds between two
    checkpoints within an epoch; ``tensorboard`` writes event files beside the log.
    """

    tensorboard: bool = False
    save_every: float = 60.0
    compile: bool = False
    recompute: bool = False
    shard: bool = False


@dataclass(frozen=True, slots=True)
class Conditions(Manner):
    """Where and how a training runs; of these only the seed changes the result (on one device).

    ``folder`` receives checkpoints and the log, and a training goes on from what lies there.
    ``max_bad`` is the share of unreadable images above which the training stops.
    """

    folder: str | Path
    device: str = "cpu"
    workers: int | None = None
    seed: int = 0
    progress: bool = True
    max_bad: float = 0.05


@dataclass(frozen=True, slots=True)
class Fit:
    """How a training went. ``history`` has one entry an epoch, with the keys ``epoch`` (from 1),
    ``train_loss``, ``validation_loss``, ``learning_rate`` and ``seconds``.

    ``batch_size`` and ``micro_batch`` are numbers also where they were found (``auto``).
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
    batch_size: int = 0
    micro_batch: int | None = None


MATCHING = Matching()


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
MANNER = Manner()
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


def _or_auto(name: str) -> str:
    return "" if name == "epochs" else f" or {AUTO}"
