"""More than two groups: every pair, with what many comparisons do to p-values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from vesalius.core import DataError
from vesalius.evaluation import MMDTest, benjamini_hochberg, holm
from vesalius.reporting import Column, Notice, Section, Table, figures
from vesalius.reporting.numbers import significant
from vesalius.studies.comparison.clouds import Cloud, without_shared_patients
from vesalius.studies.comparison.design import ALPHA, Design, compared, said_p
from vesalius.studies.outcome import Context, Outcome


def all_pairs(context: Context, clouds: Sequence[Cloud], *, design: Design) -> Outcome:
    """Test every pair of clouds; p-values are adjusted for how many there are."""
    rng = np.random.default_rng(context.seed)
    found: dict[tuple[int, int], tuple[MMDTest, str]] = {}
    impossible = []
    for i, j in combinations(range(len(clouds)), 2):
        try:
            first, second, _ = without_shared_patients(clouds[i], clouds[j], design.by)
        except DataError as error:
            impossible.append(str(error))
            continue
        test = compared(first, second, design, rng=rng, device=context.device)
        found[i, j] = test, f"{len(first):,} and {len(second):,}"
    p_values = [test.p_value for test, _ in found.values()]
    adjusted = zip(holm(p_values), benjamini_hochberg(p_values), strict=True)
    rows = [
        (f"{clouds[i].name} – {clouds[j].name}", cases, significant(test.mmd2),
         said_p(test), f"{by_holm:.3g}", f"{by_bh:.3g}")
        for ((i, j), (test, cases)), (by_holm, by_bh) in zip(found.items(), adjusted, strict=True)
    ]  # fmt: skip
    names = [cloud.name for cloud in clouds]
    mmd_GG = np.full((len(clouds), len(clouds)), np.nan)
    for (i, j), (test, _) in found.items():
        mmd_GG[i, j] = mmd_GG[j, i] = test.mmd2
    kept = int((holm(p_values) <= ALPHA).sum())
    return Outcome(
        sections=(
            Section(
                "Every group against every other",
                "With many comparisons some p-values are small by chance alone: Holm's keep the "
                "chance of any false finding at 0.05, Benjamini and Hochberg's the share of false "
                "ones among the findings.",
                [
                    *(Notice(words) for words in impossible),
                    figures.heat_map(mmd_GG, names, names, name="MMD²", top=None),
                    Table(("Pair", "Cases", "MMD²", Column("p"), Column("p, Holm"),
                           Column("p, Benjamini–Hochberg")), rows),
                ],
            ),
        ),
        answer=f"Of {len(found)} pairs of groups {kept} differ after Holm's correction.",
    )  # fmt: skip
