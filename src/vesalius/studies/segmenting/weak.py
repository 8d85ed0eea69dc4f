"""A U-Net for nothing: trained on masks that words made, beside U-Nets trained on drawn masks.

Legend: N cases, H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vesalius.core import CaseSet, DataError, Heatmap, Mask
from vesalius.core.files import slug
from vesalius.evaluation import CaseValues, Segmented, case_scores, segmentation_values
from vesalius.evaluation.ranking import midranks
from vesalius.reporting import Block, Figure, Notice, Section, figures, summary_table
from vesalius.reporting.figures.picture import painted
from vesalius.segmentation.weak import (
    SEGMENTING,
    PredictedMask,
    Segmenter,
    predict_masks,
    train_segmenter,
    trusted,
    unet,
)
from vesalius.studies.inputs import in_splits
from vesalius.studies.outcome import Context, Outcome
from vesalius.studies.pretrain import conditions, fit_blocks
from vesalius.studies.segmenting.segmenters import Segmenter as Prompted
from vesalius.studies.segmenting.text_to_mask import (
    MEASURES,
    SIDE,
    WAY,
    Way,
    best_name,
    differences,
    segmented,
    with_masks,
)
from vesalius.training import MANNER, Fit, Manner, Optimisation

PICTURES = 5
TITLE = "What does a U-Net learn from masks that words made?"
WHY = (
    "The masks that words make on training images teach a U-Net, those that two refiners agree on "
    "most counting alone; its snapshots vote. Beside it U-Nets that drawn masks taught, from a "
    "share of the training cases; their epochs are chosen on the drawn masks of all validation "
    "cases, which the share does not count. Nothing is chosen on test."
)
_Taught = tuple[CaseSet, list[NDArray[np.bool_]], list[NDArray[np.float64]] | None]
Share = Annotated[float, Field(gt=0, le=1)]


def weak(
    context: Context,
    *,
    target: str,
    prompts: str = "generic",
    way: Way = WAY,
    shares: tuple[Share, ...] = (0.01, 0.1, 1.0),
    least_agreement: Annotated[float, Field(ge=0, le=1)] = 0.5,
    size: Annotated[int, Field(ge=32)] = 128,
    checkpoints: Annotated[int, Field(ge=1)] = 3,
    optimisation: Optimisation = SEGMENTING,
    manner: Manner = MANNER,
) -> Outcome:
    """Train segmenters of one target from words, and from shares of the drawn masks.

    ``target`` names the mask. Pseudo-masks are those of ``way`` on the training cases that have the
    target; a case counts by how far its first two refiners agree (IoU), from ``least_agreement``
    on. ``size`` is the side to which images are stretched.
    """
    train, validation, test = (
        _with_target(context.cases, split, target) for split in ("train", "validation", "test")
    )
    prompted = Prompted.of(way.segmenter, context.device)
    pseudo, agreement_N = _pseudo(context, train, target, prompts, way, prompted)
    weights = trusted(agreement_N.tolist(), least=least_agreement)
    known = int(sum(float(own) > 0 for own in weights))
    tables: dict[str, CaseValues] = {}
    fits: dict[str, Fit] = {}
    shown: dict[str, list[PredictedMask]] = {}
    own_masks, _ = _pseudo(context, test, target, prompts, way, prompted)
    tables["words alone"] = _table(test, target, own_masks, "words alone")
    drawn = {f"drawn masks, {100 * share:g} %": _share(train, share, context.seed)
             for share in shares}  # fmt: skip
    asked: dict[str, _Taught] = {"words, then a U-Net": (train, pseudo, weights)} if known else {}
    asked |= {name: (own, _true(own, target), None) for name, own in drawn.items()}
    training = _Training(context, size, checkpoints, optimisation, manner)
    for name, own in asked.items():
        segmenter = training.learnt(name, own, (validation, _true(validation, target)))
        found = _predicted(segmenter, test, context)
        tables[name] = _table(test, target, [one.mask_HW for one in found], name)
        shown[name] = found
        fits |= _fits(name, segmenter)
    scores = {
        name: tuple(case_scores(table, replicates=context.replicates, seed=context.seed))
        for name, table in tables.items()
    }
    counts = f"{known:,} of {len(train):,} pseudo-masks were trusted."
    blocks: list[Block] = [
        Notice(counts if known else f"{counts} No U-Net could learn from words."),
        Notice(_trust_told(_table(train, target, pseudo, "pseudo-masks"), agreement_N)),
        summary_table(scores, measures=[f"macro_{m}" for m in MEASURES]),
        differences(tables, "words alone", context),
        *_sheet(test, target, own_masks, shown),
        *fit_blocks(fits),
    ]
    said = ", ".join(
        f"{name} {s.value:.3f} [{s.low:.3f}, {s.high:.3f}]"
        for name, own in scores.items() for s in own if s.name == "macro_dsc"
    )  # fmt: skip
    return Outcome(
        scores={f"segmenter: {name}": own for name, own in scores.items()},
        sections=(Section(TITLE, WHY, blocks),),
        fits=fits,
        answer=f"{target}, DSC on {len(test):,} test cases: {said}.",
    )


@dataclass(frozen=True, slots=True)
class _Training:
    """How every U-Net is trained."""

    context: Context
    size: int
    checkpoints: int
    optimisation: Optimisation
    manner: Manner

    def learnt(
        self, name: str, taught: _Taught, validation: tuple[CaseSet, list[NDArray[np.bool_]]]
    ) -> Segmenter:
        """Train one; words have no drawn masks to choose an epoch by, also not on validation."""
        cases, masks, confidence = taught
        chosen_on = (validation[0].images, validation[1]) if confidence is None else None
        return train_segmenter(
            unet(seed=self.context.seed),
            cases.images,
            masks,
            confidence=confidence,
            validation=chosen_on,
            size=self.size,
            checkpoints=self.checkpoints,
            optimisation=self.optimisation,
            conditions=conditions(self.context, f"segment-{slug(name)}", self.manner),
        )


def _with_target(cases: CaseSet, split: str, target: str) -> CaseSet:
    own = in_splits(cases, split)
    rows = with_masks(own, (target,), len(own)).get(target)
    if not rows:
        raise DataError(f"no {split} case has a mask of {target!r}")
    return own.select(np.array(rows))


def _true(cases: CaseSet, target: str) -> list[NDArray[np.bool_]]:
    return [case.masks[target].values_HW for case in cases]


def _share(train: CaseSet, share: float, seed: int) -> CaseSet:
    """Return so many patients' cases, at least two patients'; shares of one seed are nested."""
    unit_N = train.case_ids if train.patient_ids is None else train.patient_ids
    units = np.random.default_rng(seed).permutation(np.unique(unit_N))
    chosen = units[: max(2, ceil(share * len(units)))]
    return train.select(np.isin(unit_N, chosen))


def _pseudo(
    context: Context, cases: CaseSet, target: str, prompts: str, way: Way, prompted: Prompted
) -> tuple[list[NDArray[np.bool_]], NDArray[np.float64]]:
    """Return the masks that words make, and how far the first two refiners agree on each."""
    masks, agreement = [], []
    rows = {target: list(range(len(cases)))}
    for one in segmented(context, cases, rows, way, prompted, prompts):
        masks.append(one.masks[best_name(way.refiners, prompted)])
        first, second = (one.masks[name] for name in (way.refiners * 2)[:2])
        either = int((first | second).sum())
        agreement.append(int((first & second).sum()) / either if either else 0.0)
    return masks, np.array(agreement)


def _trust_told(table: CaseValues, agreement_N: NDArray[np.float64]) -> str:
    """Say whether agreement is a sign of a good mask: two refiners of one bad map may agree too."""
    dsc_N = table.values_NK[:, table.measures.index("dsc")]
    said = f"The pseudo-masks' DSC with the drawn masks is {dsc_N.mean():.3f} (n={len(dsc_N):,})"
    if min(len(np.unique(dsc_N)), len(np.unique(agreement_N))) < 2:
        return (
            f"{said}; whether agreement tells good ones cannot be said. Nothing was chosen by it."
        )
    ranks = [midranks(own_N) for own_N in (dsc_N, agreement_N)]
    r = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return (
        f"{said}; its rank correlation with the refiners' agreement is {r:+.2f}, and near 0 trust "
        "tells nothing. Nothing was chosen by it."
    )


def _predicted(segmenter: Segmenter, cases: CaseSet, context: Context) -> list[PredictedMask]:
    found = predict_masks(segmenter, cases.images, device=context.device, progress=context.progress)
    return list(found)


def _table(
    cases: CaseSet, target: str, masks: Sequence[NDArray[np.bool_]], method: str
) -> CaseValues:
    rows = (
        Segmented(case.case_id, target, Mask(mask_HW, target), case.masks[target], case.patient_id)
        for case, mask_HW in zip(cases, masks, strict=True)
    )
    return segmentation_values(rows, method=method)


def _fits(name: str, segmenter: Segmenter) -> dict[str, Fit]:
    several = len(segmenter.fits) > 1
    return {
        f"{name}, cycle {number}" if several else name: own
        for number, own in enumerate(segmenter.fits, start=1)
    }


def _sheet(
    cases: CaseSet,
    target: str,
    by_words: Sequence[NDArray[np.bool_]],
    found: Mapping[str, Sequence[PredictedMask]],
) -> list[Figure]:
    """Draw some cases: the true mask, what words say, what each U-Net says and is unsure of."""
    step = max(len(cases) // PICTURES, 1)
    rows = []
    for at in range(0, len(cases), step)[:PICTURES]:
        case = cases[at]
        image = case.image.read()
        masks = {"true mask": case.masks[target].values_HW, "words alone": by_words[at]}
        masks |= {name: own[at].mask_HW for name, own in found.items()}
        drawn = [painted(image, mask=Mask(own, target), side=SIDE) for own in masks.values()]
        lines = list(masks)
        if found:
            name, own = next(iter(found.items()))
            unsure = Heatmap(own[at].uncertainty_HW, "", target)
            drawn.append(painted(image, heatmap=unsure, side=SIDE))
            lines.append(f"{name}: unsure, {own[at].uncertainty_HW.max():.2f}")
        rows.append((case.case_id, drawn, lines))
    return [figures.ranked_sheet(rows, caption="Each row a test case, each outline a mask.")]
