"""Where two clouds differ: which cases, which labels, which axes; and as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vesalius.core import ImageError, Score
from vesalius.evaluation import (
    MMDTest,
    feature_contributions,
    label_contributions,
    mmd_within,
)
from vesalius.reporting import Block, Column, Notice, Section, Table, Text, figures
from vesalius.studies.audit_pictures import shown_id
from vesalius.studies.comparison.clouds import Cloud
from vesalius.studies.comparison.design import ALPHA, Design

PICTURES = 6  # a row of the sheet
AXES = 8


def where(
    first: Cloud, second: Cloud, test: MMDTest, *, design: Design, seed: int
) -> list[Section]:
    """Return the sections that say where the clouds differ."""
    return [
        _maps(first, second, design, seed),
        _witnesses(first, second, test),
        _labels(first, second, test, design, seed),
    ]


def _maps(first: Cloud, second: Cloud, design: Design, seed: int) -> Section:
    values = [cloud.values(normalise=design.normalise) for cloud in (first, second)]
    names = [first.name] * len(first) + [second.name] * len(second)
    maps = [
        figures.embedding_map(
            np.concatenate(values), names, rng=np.random.default_rng(seed), method=method
        )
        for method in ("tsne", "pca")
    ]
    return Section(
        "How do the clouds lie?",
        "A flat picture bends distances: trust it as far as its trustworthiness goes, and the test "
        "rather than the eye.",
        maps,
    )


def _witnesses(first: Cloud, second: Cloud, test: MMDTest) -> Section:
    """Show the cases where one cloud is denser than the other."""
    rows = []
    for cloud, at, sign in ((first, test.witness_x, 1), (second, test.witness_y, -1)):
        order = np.argsort(-sign * at, kind="stable")
        rows.append((f"most like {cloud.name}", *_pictures(cloud, order, at)))
    return Section(
        "Which cases drive it?",
        "The witness function at a case is its mean likeness to the first cloud less that to the "
        "second, the case itself left out: large where the first is denser. MMD² is the mean "
        "witness of the first cloud less that of the second.",
        [
            figures.ranked_sheet(
                rows,
                caption=f"The cases with the largest witness of {first.name} and the smallest of "
                f"{second.name}; below each its id and witness.",
            )
        ],
    )


def _pictures(
    cloud: Cloud, order: Sequence[int], at: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """Read the first images that can be read, with what stands below them."""
    images, captions = [], []
    for row in order:
        if len(images) == PICTURES:
            break
        try:
            images.append(cloud.cases.images[int(row)])
        except ImageError:
            continue
        captions.append(f"{shown_id(cloud.cases, int(row))}  {at[row]:+.3g}")
    return images, captions
