"""Controls: what a test says where the answer is known.

Legend: N cases, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vesalius.evaluation import cka, mmd_test
from vesalius.reporting import Column, Notice, Section, Table, figures
from vesalius.studies.comparison.clouds import Cloud
from vesalius.studies.comparison.design import Design, halves_compared, said_p, with_interval

CKA = "cka_linear_debiased"


def controls(
    first: Cloud,
    design: Design,
    noise: Sequence[float],
    rng: np.random.Generator,
    device: str | None,
) -> Section:
    """Return what the same test says where the answer is known: noise added, and nothing done."""
    clean_ND = first.values(normalise=design.normalise)
    length = float(np.sqrt((clean_ND.astype(np.float64) ** 2).sum(1).mean()))
    drawn_ND = rng.standard_normal(clean_ND.shape)
    drawn_ND *= length / clean_ND.shape[1] ** 0.5
    groups = first.patients(design.by)
    rows, mmd, likeness_at = [], {}, {}
    for level in noise:
        noisy_ND = (clean_ND + level * drawn_ND).astype(clean_ND.dtype)
        test = mmd_test(
            clean_ND, noisy_ND, **design.settings(),
            estimator="u", paired=True, groups_x=groups, groups_y=groups, rng=rng, device=device,
        )  # fmt: skip
        alike = cka(clean_ND, noisy_ND, groups=groups, permutations=0, rng=rng)
        rows.append((f"{level:g}", with_interval(test), said_p(test),
                     replace(alike.as_score(), note="")))  # fmt: skip
        mmd[level], likeness_at[level] = test.as_score(), alike.as_score()
    null = halves_compared(first, design, rng=rng, device=device)
    half = f"{first.name} has too few cases to be parted into two halves."
    if null is not None:
        half = (
            f"Two random halves of {first.name}'s own cases: MMD² {with_interval(null)}, "
            f"{null.said_p}. Nothing differs there, so that p is below 0.05 in 1 of 20 runs."
        )
    table = Table(
        ("Noise, in shares of a typical length", "MMD² against the clean", Column("p"),
         "CKA with the clean"), rows,
    )  # fmt: skip
    return Section(
        "Controls: noise of known strength, and nothing at all",
        "Gaussian noise added to the embeddings stands for a model gone wrong. The test must see "
        "more as the noise grows, and nothing between two halves of one model's cases. Each case "
        "meets its own noisy copy: pairs are swapped, and the estimator leaves them out.",
        [
            table,
            figures.trend({first.name: mmd}, measure="mmd2", along="noise, share of the length"),
            figures.trend(
                {first.name: likeness_at}, measure=CKA, along="noise, share of the length"
            ),
            Notice(half),
        ],
    )
