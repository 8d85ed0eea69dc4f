"""Self-supervision: the image tower learns from two views of each image, without labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from vesalius.data.ranks import by_first
from vesalius.reporting import Section
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.pretrain import conditions, fit_blocks
from vesalius.training import (
    MANNER,
    Manner,
    Optimisation,
    checked_views,
    pretrain_views,
    self_supervised_optimisation,
)

NAME = "self-supervision"


def self_supervise(
    context: Context,
    *,
    method: Literal["simclr", "barlow_twins"] = "simclr",
    views: str = "simclr",
    layers: tuple[int, ...] | None = None,
    objective_settings: dict[str, Any] | None = None,
    epochs: int = 100,
    batch_size: int = 256,
    learning_rate: float | None = None,
    micro_batch: int | None = None,
    manner: Manner = MANNER,
) -> Outcome:
    """Train on views of the training images by SimCLR or Barlow Twins, with LARS.

    ``learning_rate`` follows the batch size as the papers say, unless it is given. ``layers`` are
    the widths of the projector, which is thrown away.
    """
    cases = context.cases
    fit = pretrain_views(
        context.model,
        cases.split("train"),
        cases.split("validation"),
        conditions=conditions(context, "self-supervise", manner),
        optimisation=_optimisation(method, epochs, batch_size, learning_rate, micro_batch),
        method=method,
        views=views,
        layers=layers,
        objective_settings=objective_settings,
    )
    by_first(lambda: context.model.save(context.run.file("weights")))
    section = Section(
        "How the image tower learnt to see",
        f"{method!r} on {views!r} views of the training images; the epoch with the least loss on "
        "fixed views of the validation images was kept.",
        fit_blocks({NAME: fit}),
    )
    return Outcome(sections=(section,), model=context.model, fits={NAME: fit})


def possible(
    *,
    method: str,
    views: str,
    layers: tuple[int, ...] | None,
    objective_settings: dict[str, Any] | None,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    micro_batch: int | None,
    **_: object,
) -> None:
    """Raise a VesaliusError where the settings cannot be."""
    checked_views(method, views, layers, objective_settings)
    _optimisation(method, epochs, batch_size, learning_rate, micro_batch)


def _optimisation(
    method: str, epochs: int, batch_size: int, rate: float | None, micro_batch: int | None
) -> Optimisation:
    usual = self_supervised_optimisation(method, epochs=epochs, batch_size=batch_size)
    return replace(
        usual, learning_rate=usual.learning_rate if rate is None else rate, micro_batch=micro_batch
    )
