"""Two encoders on one set of cases."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from vesalius import encoders as zoo
from vesalius.core import CaseSet
from vesalius.embedding import encode, encode_layers
from vesalius.encoders import DualEncoder
from vesalius.evaluation import cka_map
from vesalius.reporting import Section, figures
from vesalius.studies.comparison.clouds import FEWEST, Cloud
from vesalius.studies.comparison.design import DESIGN, Design
from vesalius.studies.comparison.likeness import ORIGINAL, Original, likeness
from vesalius.studies.inputs import Splits, in_splits, splits_of
from vesalius.studies.outcome import Context, Outcome

Strength = Annotated[float, Field(ge=0)]


def encoders(
    context: Context,
    *,
    other: str,
    settings: dict[str, Any] = {},  # noqa: B006 - read only
    cases: Splits = "test",
    sample: Annotated[int, Field(ge=FEWEST)] | None = None,
    noise: tuple[Strength, ...] = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0),
    layers: bool = True,
    original: Original = ORIGINAL,
    design: Design = DESIGN,
) -> Outcome:
    """Compare the model with another encoder on the same images.

    ``other`` is any model's name or the path of a Run, loaded with its ``settings``; ``sample``
    draws so many cases. The rotation
    of one onto the other is learnt on the cases that are not compared. ``noise`` are the strengths
    of a control, ``layers`` adds the map of all layers against all.
    """
    chosen = in_splits(context.cases, *splits_of(context.cases, cases))
    if sample is not None and sample < len(chosen):
        rng = np.random.default_rng(context.seed)
        chosen = chosen.select(np.sort(rng.choice(len(chosen), sample, replace=False)))
    rest = context.cases.select(~np.isin(context.cases.case_ids, chosen.case_ids))
    train = in_splits(context.cases, "train").texts
    texts = [text for text in train if text] if train is not None else None
    second = zoo.load(
        other, device=context.device, texts=texts or None, seed=context.seed, **settings
    )
    names = _names(context, second, other)
    both = _clouds(context, second, chosen, names)
    aligning = None
    if both[0].embeddings.width == both[1].embeddings.width and len(rest) >= len(both[0]):
        aligning = _clouds(context, second, rest, names)
    outcome = likeness(
        *both, design=design, original=original, noise=noise, aligning=aligning,
        seed=context.seed, device=context.device,
    )  # fmt: skip
    if not layers:
        return outcome
    return outcome.joined(Outcome(sections=(_layer_map(context, second, chosen, names),)))


def _names(context: Context, second: DualEncoder, name: str) -> tuple[str, str]:
    """Return what the page calls the two, also where both are of one architecture."""
    asked = str(context.run.recipe()["model"]["name"])
    own = context.model.name
    first = f"{own}, trained here" if context.found.fits else f"{own}{_fresh(context.model, asked)}"
    other = f"{second.name}{_fresh(second, name)}"
    return first, other if other != first else f"the other {other}"


def _fresh(model: DualEncoder, asked: str) -> str:
    """Say that weights were only drawn: those that a Run or a file gave were learnt."""
    drawn = asked.partition(":")[0] in zoo.ENCODERS and model.start.startswith("random")
    return " (never trained)" if drawn else ""


def _clouds(
    context: Context, second: DualEncoder, cases: CaseSet, names: tuple[str, str]
) -> tuple[Cloud, Cloud]:
    """Encode the cases with both, and keep those that both could read."""
    found = [
        encode(
            model,
            cases,
            store=context.run.file("embeddings"),
            max_bad=context.max_bad,
            device=context.device,
            workers=context.workers,
            progress=context.progress,
        )
        for model in (context.model, second)
    ]
    first, other = (Cloud.of(name, rows, cases) for name, rows in zip(names, found, strict=True))
    return first, other


def _layer_map(
    context: Context, second: DualEncoder, cases: CaseSet, names: tuple[str, str]
) -> Section:
    sides = [
        {
            name: rows.values_ND
            for name, rows in encode_layers(
                model,
                cases,
                max_bad=context.max_bad,
                device=context.device,
                workers=context.workers,
                progress=context.progress,
            ).items()
        }
        for model in (context.model, second)
    ]
    found = cka_map(*sides)
    return Section(
        "Layer by layer",
        "Debiased linear CKA of every layer of the one with every layer of the other, each layer "
        "the mean over its patches. A bright diagonal: both build the same things in the same "
        "order; a bright block: layers that do little.",
        [
            figures.heat_map(
                found.values_LK, found.names_x, found.names_y, name="CKA",
                caption=f"Rows: layers of {names[0]}; columns: layers of {names[1]}; input first.",
            )
        ],
    )  # fmt: skip
