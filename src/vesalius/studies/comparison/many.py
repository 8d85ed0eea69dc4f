"""More than two groups: every pair, with what many comparisons do to p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import ceil

import numpy as np

from vesalius.core import DataError
from vesalius.evaluation import MMDTest, benjamini_hochberg, holm, median_bandwidth
from vesalius.evaluation.two_sample.kernels import WITH_BANDWIDTH
from vesalius.reporting import Column, Notice, Section, Table, figures
from vesalius.reporting.numbers import significant
from vesalius.studies.comparison.clouds import Cloud, without_shared_patients
from vesalius.studies.comparison.design import ALPHA, Design, compared, said_p, with_interval
from vesalius.studies.outcome import Context, Outcome


def all_pairs(context: Context, clouds: Sequence[Cloud], *, what: str, design: Design) -> Outcome:
    """Test every pair of clouds; p-values are adjusted for how many there are.

    At least so many relabellings are drawn that the smallest p, times the pairs, is half the level:
    with fewer no pair could ever differ after Holm's correction. One bandwidth, the median over
    all clouds, serves all pairs, so that their MMD² can be compared.
    """
    pairs = len(clouds) * (len(clouds) - 1) // 2
    design = replace(design, permutations=max(design.permutations, ceil(2 * pairs / ALPHA)))
    if design.bandwidth == "median" and design.gamma is None and design.kernel in WITH_BANDWIDTH:
        values = np.concatenate([cloud.values(normalise=design.normalise) for cloud in clouds])
        design = replace(
            design, bandwidth=median_bandwidth(values, kernel=design.kernel, rng=context.seed)
        )
    rng = np.random.default_rng(context.seed)
    found: dict[tuple[int, int], tuple[MMDTest, str]] = {}
    remarks = []
    for i, j in combinations(range(len(clouds)), 2):
        try:
            first, second, left_out = without_shared_patients(clouds[i], clouds[j], design.by)
            test = compared(first, second, design, rng=rng, device=context.device)
        except DataError as error:
            remarks.append(f"{clouds[i].name} – {clouds[j].name} not compared: {error}")
            continue
        remarks += [left_out] if left_out else []
        found[i, j] = test, f"{len(first):,} and {len(second):,}"
    p_values = [test.p_value for test, _ in found.values()]
    adjusted = zip(holm(p_values), benjamini_hochberg(p_values), strict=True)
    rows = [
        (f"{clouds[i].name} – {clouds[j].name}", cases, with_interval(test),
         said_p(test), significant(by_holm), significant(by_bh))
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
                f"Every {what} against every other",
                "With many comparisons some p-values are small by chance alone: Holm's keep the "
                "chance of any false finding at 0.05, Benjamini and Hochberg's the share of false "
                f"ones among the findings. {design.permutations:,} relabellings a pair; "
                f"{_one_form(design)}.",
                [
                    *(Notice(words) for words in remarks),
                    figures.heat_map(mmd_GG, names, names, name="MMD²", top=None),
                    Table(("Pair", "Cases", "MMD²", Column("p"), Column("p, Holm"),
                           Column("p, Benjamini–Hochberg")), rows),
                ],
            ),
        ),
        answer=f"Of {len(found)} pairs of {what} {kept} differ after Holm's correction.",
    )  # fmt: skip


def _one_form(design: Design) -> str:
    """Say what makes the pairs' MMD² comparable, or that they are not."""
    if design.bandwidth == "aggregate":
        return "each pair has the bandwidth that tells it apart most, so MMD² cannot be compared"
    if isinstance(design.bandwidth, float):
        return f"one bandwidth for all pairs, σ {significant(design.bandwidth)}"
    return "one kernel for all pairs"
