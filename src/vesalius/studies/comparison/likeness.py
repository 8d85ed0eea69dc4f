"""Two encoders on the same cases: how alike are their representations?

The axes of two encoders have nothing to do with each other, so that a two-sample test between them
rejects whatever they have learnt. What can be compared is how the cases lie among each other.

Legend: N cases, D and E widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError
from vesalius.evaluation import (
    MMDTest,
    Similarity,
    cka,
    knn_overlap,
    mmd_test,
    procrustes,
    rsa,
)
from vesalius.reporting import Column, Notice, Section, Table, figures
from vesalius.reporting.numbers import number, significant
from vesalius.studies.comparison.clouds import Cloud
from vesalius.studies.comparison.controls import CKA, controls
from vesalius.studies.comparison.design import Design, compared, said_p, with_interval
from vesalius.studies.comparison.rotation import rotated
from vesalius.studies.outcome import Outcome

NEIGHBOURS = 10
TURNS = 200  # shuffles of Procrustes: each needs singular values
UNALIGNED = (
    "Two encoders have axes that have nothing to do with each other: any test between their clouds "
    "as they stand rejects, even for one model and its own rotation. That p-value answers no "
    "question about what was learnt; the measures above, which no rotation changes, do."
)
ALIGNED = (
    "Both come from the same weights and share their axes: the tests can be read. Swapping pairs "
    "asks whether a case lies in the same place on both sides."
)
MODALITIES = (
    "Images and texts of one model share their axes, but it is common that they lie in cones of "
    "their own (the modality gap, Liang et al. 2022): a rejection says that there is such a gap, "
    "not that images and texts do not match."
)


@dataclass(frozen=True, slots=True)
class Original:
    """The setting of the study that first asked: γ = 1 on embeddings of length 1, 100 draws."""

    original_gamma: float = 1.0
    original_permutations: int = 100


ORIGINAL = Original()


def likeness(
    first: Cloud,
    second: Cloud,
    *,
    design: Design,
    original: Original,
    noise: Sequence[float] = (),
    aligning: tuple[Cloud, Cloud] | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Outcome:
    """Compare two representations of the same cases, row by row.

    ``aligning`` are both representations of other cases, from which the rotation of the one onto
    the other is learnt; ``noise`` are the strengths of a control, in shares of a typical length.
    """
    if not np.array_equal(first.embeddings.case_ids, second.embeddings.case_ids):
        raise DataError(f"{first.name} and {second.name} are not of the same cases, in one order")
    rng = np.random.default_rng(seed)
    groups = first.patients(design.by)
    alike = _measured(first, second, groups, design, rng)
    tests = _tests(first, second, design, original, aligning, rng, device)
    name = f"{first.name} against {second.name}"
    sections = [_alike_section(first, second, alike)]
    sections.append(_test_section(first, second, tests, design, seed))
    if noise:
        sections.append(controls(first, design, noise, rng, device))
    scores = [own.as_score() for own in alike]
    scores += [test.as_score(label=kind) for kind, test in tests.items()]
    return Outcome(
        scores={name: tuple(scores)},
        sections=tuple(sections),
        answer=_sentence(first, second, alike, tests),
    )


def _measured(
    first: Cloud,
    second: Cloud,
    groups: NDArray[np.str_] | None,
    design: Design,
    rng: np.random.Generator,
) -> list[Similarity]:
    x_ND, y_NE = first.embeddings.values_ND, second.embeddings.values_ND
    draws = design.permutations
    few = min(NEIGHBOURS, len(first) - 2)
    return [
        cka(x_ND, y_NE, groups=groups, permutations=draws, rng=rng),
        cka(x_ND, y_NE, kernel="rbf", groups=groups, permutations=draws, rng=rng),
        procrustes(x_ND, y_NE, groups=groups, permutations=min(draws, TURNS), rng=rng),
        knn_overlap(x_ND, y_NE, k=few, groups=groups, permutations=draws, rng=rng),
        rsa(x_ND, y_NE, groups=groups, permutations=draws, rng=rng),
    ]


def _tests(
    first: Cloud,
    second: Cloud,
    design: Design,
    original: Original,
    aligning: tuple[Cloud, Cloud] | None,
    rng: np.random.Generator,
    device: str | None,
) -> dict[str, MMDTest]:
    """Return the two-sample tests, as far as both have one width."""
    if first.embeddings.width != second.embeddings.width:
        return {}
    tests = {
        "as first published": mmd_test(
            first.embeddings.normalised(), second.embeddings.normalised(),
            gamma=original.original_gamma, estimator="biased",
            permutations=original.original_permutations, rng=rng, device=device,
        ),
        "free relabelling": compared(
            first, second, design, rng=rng, device=device, groups_x=None, groups_y=None
        ),
        "pairs swapped": compared(first, second, design, rng=rng, device=device, paired=True),
    }  # fmt: skip
    if aligning is not None:
        turned = rotated(first, second, *aligning, normalise=design.normalise)
        fitted = f"learnt on {len(aligning[0]):,} other cases"
        tests[f"pairs swapped, after the best rotation, {fitted}"] = compared(
            first, turned, design, rng=rng, device=device, paired=True
        )
    return tests


def _share_axes(first: Cloud, second: Cloud) -> bool:
    """Whether both are known to come from the same weights."""
    return bool(first.weights) and first.weights == second.weights


def _sentence(
    first: Cloud, second: Cloud, alike: Sequence[Similarity], tests: dict[str, MMDTest]
) -> str:
    linear = next(own for own in alike if own.name == CKA)
    near = next(own for own in alike if own.name.startswith("knn"))
    k = int(near.name.rpartition("_")[2])
    said = (
        f"On the same {first.units}, {first.name} and {second.name} arrange the cases with a "
        f"debiased linear CKA of {_value(linear)} (0: nothing in common, 1: the same up to "
        f"rotation) and share {_value(near)} of each case's {k} nearest neighbours (by "
        f"chance {k / (near.n - 1):.2g})."
    )
    if not tests:
        return said
    if _share_axes(first, second):
        swapped = tests["pairs swapped"]
        return (
            f"{said} Both come from the same weights: between the clouds, pairs swapped, MMD² is "
            f"{with_interval(swapped)}, {swapped.said_p}."
        )
    return (
        f"{said} A two-sample test between two encoders rejects by their axes alone; its p-value "
        "is shown, not read."
    )


def _value(own: Similarity) -> str:
    value, low, high = (number(v, digits=3) for v in (own.value, own.low, own.high))
    return f"{value} [{low}, {high}]"


def _alike_section(first: Cloud, second: Cloud, alike: Sequence[Similarity]) -> Section:
    rows = [(*_meaning(own), replace(own.as_score(), note=""), said_p(own)) for own in alike]
    notes = []
    for note in dict.fromkeys(note for own in alike for note in own.notes):
        of = [_meaning(own)[0] for own in alike if note in own.notes]
        notes.append(note if len(of) == len(alike) else f"{', '.join(of)}: {note}")
    notes.append(f"p by {alike[0].permutations:,} shuffles, Procrustes' by at most {TURNS}.")
    return Section(
        f"How alike do {first.name} and {second.name} see the cases?",
        "None of these measures changes when a representation is rotated or scaled. p: how often "
        "shuffled cases look as alike; it asks whether there is anything in common at all.",
        [Table(("Measure", "What it sees", "Value", Column("p")), rows, notes=notes)],
    )


def _meaning(own: Similarity) -> tuple[str, str]:
    if own.name.startswith("knn"):
        k = own.name.rpartition("_")[2]
        return f"{k} nearest neighbours shared", "who is next to whom, and nothing beyond"
    return MEANINGS[own.name]


MEANINGS = {
    CKA: ("CKA, linear, debiased", "the large directions in which the cases spread"),
    "cka_rbf_debiased": ("CKA, rbf, debiased", "the same with near cases weighing more"),
    "procrustes": ("Procrustes residual", "what the best rotation cannot explain (0: nothing)"),
    "rsa_euclidean_spearman": ("RSA, Spearman", "the order of all distances"),
}


def _test_section(
    first: Cloud, second: Cloud, tests: dict[str, MMDTest], design: Design, seed: int
) -> Section:
    title = "Do the clouds lie apart?"
    if not tests:
        words = (
            f"{first.name} has width {first.embeddings.width} and {second.name} "
            f"{second.embeddings.width}: there is no common space in which an MMD could be taken."
        )
        return Section(title, "", [Notice(words)])
    rows = []
    for name, test in tests.items():
        form = test.form
        if name == "as first published":  # there the diagonal was left out of biased sums
            value = significant(test.mmd2 - 1 / test.n - 1 / test.m)
            form = f"{form}, the diagonal left out"
        else:
            value = with_interval(test)
        rows.append((name, value, said_p(test),
                     f"{test.permutations:,} of {test.units}", form))  # fmt: skip
    table = Table(("Test", "MMD²", Column("p"), "Relabellings", "Form"), rows)
    both = np.concatenate([cloud.embeddings.normalised() for cloud in (first, second)])
    names = [first.name] * len(first) + [second.name] * len(second)
    pictures = [figures.embedding_map(
        both, names, rng=np.random.default_rng(seed), method=method,
        caption="Both sides' embeddings of the same cases, as they stand.",
    ) for method in design.maps]  # fmt: skip
    free = tests["free relabelling"]
    null = figures.null_histogram(
        free.null_P, free.mmd2, p_value=free.p_value,
        caption="The free relabelling, as it is often reported.",
    )  # fmt: skip
    remark = Notice(UNALIGNED, "warning")
    if _share_axes(first, second):
        same = first.embeddings.modality == second.embeddings.modality
        remark = Notice(ALIGNED if same else f"{ALIGNED} {MODALITIES}")
    return Section(title, "", [remark, table, null, *pictures])
