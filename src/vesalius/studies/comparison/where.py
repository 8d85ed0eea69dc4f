"""Where two clouds differ: which cases, which labels, which axes; and as a picture."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from vesalius.core import DataError, ImageError
from vesalius.evaluation import (
    MMDTest,
    axis_contributions,
    label_contributions,
    mmd_within,
)
from vesalius.reporting import Block, Column, Details, Notice, Section, Table, Text, figures
from vesalius.reporting.numbers import significant
from vesalius.studies.audit_pictures import shown_id
from vesalius.studies.comparison.clouds import Cloud, exchanged
from vesalius.studies.comparison.design import ALPHA, Design, said_p, with_interval

PICTURES = 6  # a row of the sheet
AXES = 8
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm")  # say nothing below a picture


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
        for method in design.maps
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
        end = "largest" if sign > 0 else "smallest"
        rows.append((f"{cloud.name}, {end} witness", *_pictures(cloud, order, at)))
    return Section(
        "Which cases drive it?",
        "The witness function at a case is its mean likeness to the first cloud less that to the "
        "second, the case itself left out: large where the first is denser. MMD² is the mean "
        "witness of the first cloud less that of the second.",
        [
            figures.ranked_sheet(
                rows,
                caption=f"The cases with the largest witness of {first.name} and the smallest of "
                f"{second.name}, one of each patient; below each its id and witness.",
            )
        ],
    )


def _pictures(
    cloud: Cloud, order: NDArray[np.intp], at: NDArray[np.float64]
) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Read the first images that can be read, one a patient, with what stands below them."""
    patients, seen = cloud.cases.patient_ids, set()
    images: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    for row in order:
        if len(images) == PICTURES:
            break
        if patients is not None and patients[row] in seen:
            continue
        try:
            images.append(cloud.cases.images[int(row)])
        except ImageError:
            continue
        if patients is not None:
            seen.add(patients[row])
        name = PurePosixPath(shown_id(cloud.cases, int(row)))
        short = name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name
        captions.append(f"{short} {at[row]:+.2g}".replace(" -", " −"))
    return images, captions


def _labels(first: Cloud, second: Cloud, test: MMDTest, design: Design, seed: int) -> Section:
    """Say whether the look differs within each class, and what each class and axis adds."""
    classes = first.classes, second.classes
    blocks: list[Block] = []
    if not (classes[0] != "").any() or not (classes[1] != "").any():
        blocks.append(Notice("The cases have no labels: whether it is the look or how frequent the "
                             "findings are cannot be said."))  # fmt: skip
    else:
        blocks += _within(first, second, design, seed)
        shares = label_contributions(test, *classes)
        rows = [
            (own.label or "not known", own.prevalence_x, own.prevalence_y, significant(own.mmd2),
             own.share)
            for own in shares
        ]  # fmt: skip
        columns = (
            "Class", Column(first.name, group="Share of cases", percent=True),
            Column(second.name, group="Share of cases", percent=True), "Adds to MMD²",
            Column("Share of MMD²", percent=True),
        )  # fmt: skip
        blocks.append(Table(columns, rows, "What the cases of each class add to MMD²; the sum is "
                            "exact."))  # fmt: skip
    blocks.append(_axes(first, second, design, seed))
    return Section(
        "Is it the look, or how frequent the findings are?",
        "Class = first positive label. The same test within each class cannot be misled by another "
        "prevalence; p-values are adjusted for the number of classes (Holm).",
        blocks,
    )


def _within(first: Cloud, second: Cloud, design: Design, seed: int) -> list[Block]:
    groups_x, groups_y = exchanged(first, second, design.by)
    try:
        within = mmd_within(
            first.values(normalise=design.normalise),
            second.values(normalise=design.normalise),
            first.classes, second.classes,
            groups_x=groups_x, groups_y=groups_y, rng=seed, **design.settings(),
        )  # fmt: skip
    except DataError as error:
        return [Notice(f"Not tested within classes: {error}.")]
    rows = [
        (name, f"{own.n:,} and {own.m:,}", with_interval(own),
         said_p(own), f"{within.p_holm[name]:.3g}")
        for name, own in within.tests.items()
    ]  # fmt: skip
    rows.append(("all classes together", "", with_interval(within), said_p(within), ""))
    said = (
        "Within classes the clouds differ as well: it is the look, not prevalence alone."
        if within.p_value <= ALPHA
        else "Within classes no difference was found: what differs may be prevalence alone, or the "
        "classes hold too few cases to show more."
    )
    left_out = [f"{name}: {why}" for name, why in within.left_out.items()]
    notes = [f"Left out: {'; '.join(left_out)}."] if left_out else []
    if within.spanning:
        notes.append(
            f"{within.spanning:,} patients have cases in several classes: p of all classes "
            "together is the smallest times their number."
        )
    columns = ("Class", "Cases", "MMD² within", Column("p"), Column("p, Holm"))
    return [Text(said), Table(columns, rows, notes=notes)]


def _axes(first: Cloud, second: Cloud, design: Design, seed: int) -> Block:
    groups_x, groups_y = exchanged(first, second, design.by)
    found = axis_contributions(
        first.values(normalise=design.normalise),
        second.values(normalise=design.normalise),
        groups_x=groups_x, groups_y=groups_y, permutations=design.permutations, rng=seed,
    )  # fmt: skip
    order = np.argsort(-found.share_D, kind="stable")[:AXES]
    rows = [
        (f"axis {d}", float(found.difference_D[d]), float(found.share_D[d]), f"{found.p_D[d]:.3g}")
        for d in order.tolist()
    ]
    differ = int((found.p_D <= ALPHA).sum())
    columns = (
        "Axis of the embedding", Column("Difference of means, standard deviations", digits=2),
        Column("Share of the distance of the means", percent=True), Column("p, all axes together"),
    )  # fmt: skip
    caption = f"{differ:,} of {len(found.p_D):,} axes differ in their means; the largest shares."
    return Details("Axis by axis", [Table(columns, rows, caption)])
