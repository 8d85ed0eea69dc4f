"""One encoder, two data sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vesalius import data
from vesalius.embedding import encode
from vesalius.studies.comparison.clouds import Cloud
from vesalius.studies.comparison.design import DESIGN, Design
from vesalius.studies.comparison.shift import shift
from vesalius.studies.inputs import Splits, image_features, in_splits, splits_of
from vesalius.studies.outcome import Context, Outcome


def sources(
    context: Context,
    *,
    reader: str,
    root: str | None = None,
    settings: dict[str, Any] = {},  # noqa: B006 - read only
    cases: Splits = "test",
    design: Design = DESIGN,
) -> Outcome:
    """Compare the cases of the study with those of another data set, in the space of the model.

    ``reader``, ``root`` and the reader's ``settings`` name the other set, which is taken whole.
    """
    names = splits_of(context.cases, cases)
    other = data.read(reader, root, **settings)
    rows = encode(
        context.model,
        other,
        store=context.run.file("embeddings"),
        max_bad=context.max_bad,
        device=context.device,
        workers=context.workers,
        progress=context.progress,
    )
    own = in_splits(context.cases, *names)
    first = Cloud.of(own.source, image_features(context, *names), own)
    second = Cloud.of(other.source, rows, other)
    if first.name == second.name:  # one format, two folders
        second = replace(second, name=f"{second.name} in {Path(root).name if root else reader}")
    first, second = first.with_own_patients("first"), second.with_own_patients("second")
    return shift(first, second, design=design, seed=context.seed, device=context.device)
