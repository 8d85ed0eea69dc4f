"""Pretraining: the encoder learns from images and their texts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from vesalius.core import CaseSet, DataError, RecipeError
from vesalius.data.ranks import by_first
from vesalius.evaluation import false_negative_rate
from vesalius.reporting import Block, Column, Section, Table, figures
from vesalius.studies.inputs import image_features, text_features
from vesalius.studies.outcome import Context, Outcome
from vesalius.training import (
    MANNER,
    MATCHING,
    PRETRAINING,
    REACH,
    Conditions,
    Fit,
    Manner,
    Matching,
    Optimisation,
    Reach,
    contrast_of,
)
from vesalius.training import pretrain as train_on_pairs

BEFORE = "before training"
Strategy = Literal["full", "last_blocks", "locked_image", "locked_text", "lora"]


def pretrain(
    context: Context,
    *,
    objective: str = "infonce",
    matching: Matching = MATCHING,
    strategy: Strategy = "full",
    freeze_image: bool = False,
    freeze_text: bool = False,
    reach: Reach = REACH,
    augment: bool = True,
    optimisation: Optimisation = PRETRAINING,
    manner: Manner = MANNER,
) -> Outcome:
    """Train on image–text pairs; the epoch with the least validation loss is kept.

    ``freeze_image`` and ``freeze_text``, PubMedCLIP's options, say ``strategy=locked_image`` and
    ``locked_text``. ``last_blocks``, ``lora_rank``, ``lora_alpha`` and ``layer_decay`` say how far
    learning reaches, ``recompute``, ``compile``, ``shard`` and ``tensorboard`` how the training
    runs.

    The model as it was before stands beside the trained one wherever texts are found again.
    """
    strategy = chosen_strategy(strategy, freeze_image, freeze_text)
    cases = context.cases
    if cases.texts is None or not any(cases.texts):
        raise DataError(
            f"pretrain needs texts, and {cases.source} has none; name their column (data.text=…) "
            "or leave the stage out (pretrain=null; self_supervise learns from images alone)"
        )
    images, texts = image_features(context, "test"), text_features(context, "test")
    fit = train_on_pairs(
        context.model,
        cases.split("train"),
        cases.split("validation"),
        conditions=conditions(context, "pretrain", manner),
        optimisation=optimisation,
        objective=objective,
        matching=matching,
        strategy=strategy,
        reach=reach,
        augment=augment,
    )
    by_first(lambda: context.model.save(context.run.file("weights")))
    section = Section(
        "How the encoder learnt",
        f"Strategy {strategy!r}, objective {objective!r} between images and texts of the training "
        f"split; the epoch with the least validation loss was kept.{_false_negatives(cases)}",
        fit_blocks({"pretraining": fit}),
    )
    return Outcome(
        images={BEFORE: images},
        texts={BEFORE: texts},
        sections=(section,),
        model=context.model,
        fits={"pretraining": fit},
    )


def possible(
    *,
    objective: str,
    matching: Matching,
    strategy: Strategy,
    freeze_image: bool,
    freeze_text: bool,
    augment: bool,
    **_: object,
) -> None:
    """Raise a VesaliusError where settings that are each right cannot go together."""
    chosen_strategy(strategy, freeze_image, freeze_text)
    contrast_of(objective, matching, augment=augment)


def _false_negatives(cases: CaseSet) -> str:
    """Say how many negatives of a batch are none, where labels tell."""
    try:
        rate = false_negative_rate(cases.split("train").labels_NC)
    except DataError:
        return ""
    return (
        f" Two training cases that are not a pair have the same findings at a rate of "
        f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}] (n={rate.n}): so many negatives of a "
        "batch are false."
    )


def chosen_strategy(strategy: Strategy, freeze_image: bool, freeze_text: bool) -> Strategy:
    """Return the strategy that PubMedCLIP's two options mean, or the one named."""
    if freeze_image and freeze_text:
        raise RecipeError("freeze_image and freeze_text together leave nothing to learn")
    said: Strategy = "locked_image" if freeze_image else "locked_text" if freeze_text else strategy
    if strategy not in ("full", said):
        raise RecipeError(f"strategy={strategy} and a frozen tower: say strategy={said} alone")
    return said


def conditions(context: Context, name: str, manner: Manner) -> Conditions:
    """Return where a training of this Run keeps its checkpoints, and how it runs."""
    return Conditions(
        folder=context.run.file("training", name),
        device=context.device,
        workers=context.workers,
        seed=context.seed,
        max_bad=context.max_bad,
        progress=context.progress,
        **asdict(manner),
    )


def fit_blocks(fits: dict[str, Fit]) -> list[Block]:
    """Return the curves of each training and what it cost."""
    curves = [
        figures.learning_curves(
            {
                "training": [row["train_loss"] for row in fit.history],
                "validation": [row["validation_loss"] for row in fit.history],
            },
            best_epoch=fit.best_epoch,
            caption=f"Loss by epoch, {name}.",
        )
        for name, fit in fits.items()
    ]
    rows = [
        (name, fit.trainable_parameters, len(fit.history), fit.best_epoch, fit.seconds / 60,
         fit.memory_mb / 1024)
        for name, fit in fits.items()
    ]  # fmt: skip
    columns = ("Training", Column("Trainable parameters"), Column("Epochs"), Column("Best epoch"),
               Column("Minutes", digits=1), Column("Peak memory, GB", digits=1))  # fmt: skip
    return [*curves, Table(columns, rows)]
