"""Which text each image meets: its own, or, where its pair is not known, any of the others.

Legend of shapes: N cases (images), T texts, F findings.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from vesalius.core import CaseSet, DataError, TrainingError
from vesalius.evaluation import caption_groups

if TYPE_CHECKING:
    from jaxtyping import Float, Int

log = logging.getLogger(__name__)

HEALTHY = {"no finding", "normal", "healthy"}
FINDINGS = "findings"
ALONE = -1  # no text is known to belong to the image


@dataclass(frozen=True, slots=True)
class Pairing:
    """The images and texts of a split, and which of them belong together.

    ``own_N`` is each image's row among the texts, or ``ALONE``: it then meets any of ``free``,
    texts that have lost their image (MedCLIP, Wang et al. 2022, section 3.1). ``groups_T`` numbers
    equal texts, or what else is to form a group, equally. Findings are NaN where unknown; where no
    label says that nothing was found one more does, so that the healthy are alike.
    """

    cases: CaseSet
    texts: list[str]
    own_N: Int[np.ndarray, "N"]
    free: Int[np.ndarray, "T"]
    groups_T: Int[np.ndarray, "T"]
    image_findings_NF: Float[np.ndarray, "N F"]
    text_findings_TF: Float[np.ndarray, "T F"]

    def draw(self, rows: NDArray[np.integer], generator: torch.Generator) -> Int[np.ndarray, "B"]:
        """Return the text row of each image of a batch."""
        own_B = self.own_N[rows]
        alone_B = own_B == ALONE
        if alone_B.any():
            places = torch.randint(len(self.free), (int(alone_B.sum()),), generator=generator)
            own_B = own_B.copy()
            own_B[alone_B] = self.free[places.numpy()]
        return own_B


def paired(cases: CaseSet, split: str, *, group_by: str | None = None) -> Pairing:
    """Return the cases that have a text, each image with its own.

    Raises:
        DataError: there are none, or they have no findings to be grouped by.
        ChoiceError: there is no attribute ``group_by``.
    """
    has_N = _has_text(cases, split)
    if not has_N.all():
        log.info("%s: %d of %d cases have no text", split, int((~has_N).sum()), len(cases))
    kept = cases.select(has_N)
    free = np.array([], dtype=np.intp)
    return _pairing(kept, kept, np.arange(len(kept)), free, group_by)


def partly_paired(
    cases: CaseSet,
    *,
    pairs: float,
    decoupled: bool,
    seed: int,
    split: str = "train",
    group_by: str | None = None,
) -> Pairing:
    """Return a share of the pairs; the other images and texts are left out, or stay ``decoupled``.

    The pairs of a smaller share are among those of a larger one. Decoupled images include those
    that never had a text.

    Raises:
        TrainingError: ``pairs`` is no share, or leaves nothing.
        DataError: there are no texts.
    """
    check_share(pairs, decoupled=decoupled)
    has_N = _has_text(cases, split)
    order = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(has_N))
    known = np.sort(order[: round(pairs * len(order))])
    if not decoupled:
        if len(known) < 2 and pairs < 1:
            raise TrainingError(f"pairs={pairs} of {len(order)} cases with a text leaves too few")
        return paired(cases.select(known), split, group_by=group_by)
    written = np.flatnonzero(has_N)
    own_N = np.full(len(cases), ALONE, dtype=np.intp)
    own_N[known] = np.searchsorted(written, known)
    free = np.flatnonzero(~np.isin(written, known))
    if not len(free):  # every text has its image: what is alone never had a text
        free = np.arange(len(written))
    return _pairing(cases, cases.select(written), own_N, free, group_by)


def check_share(pairs: float, *, decoupled: bool) -> None:
    """Raise TrainingError where ``pairs`` is no share of the training cases."""
    if not 0 <= pairs <= 1 or (pairs == 0 and not decoupled):
        raise TrainingError(
            f"pairs is {pairs}, not a share of the training cases above 0 and up to 1 (0 is for "
            "decoupled=true alone)"
        )


def _pairing(
    images: CaseSet,
    written: CaseSet,
    own_N: NDArray[np.intp],
    free: NDArray[np.intp],
    group_by: str | None,
) -> Pairing:
    assert written.texts is not None, "checked before"
    texts = [str(text) for text in written.texts]
    if group_by == FINDINGS:
        groups_T = _alike(written)
    else:
        groups_T = caption_groups(written, by=group_by)
    return Pairing(images, texts, own_N, free, groups_T, _findings(images), _findings(written))


def _alike(cases: CaseSet) -> NDArray[np.int64]:
    """Return groups of the cases that have the same findings; one without a known one is alone."""
    if not cases.label_names:
        raise DataError(f"{cases.source}: group_by=findings, but the cases have no labels")
    findings_NF = _findings(cases)
    _, groups_N = np.unique(findings_NF == 1, axis=0, return_inverse=True)
    unknown_N = np.isnan(findings_NF).all(1)
    return np.where(unknown_N, len(cases) + np.arange(len(cases)), groups_N.ravel())


def _findings(cases: CaseSet) -> NDArray[np.float64]:
    labels_NC = np.asarray(cases.labels_NC, dtype=np.float64)
    names = {name.casefold().replace("_", " ") for name in cases.label_names}
    if cases.task == "multiclass" or names & HEALTHY:
        return labels_NC
    found_N = (labels_NC != 0) & ~np.isnan(labels_NC)
    known_N = (~np.isnan(labels_NC)).any(1)
    healthy_N = np.where(known_N, ~found_N.any(1), np.nan)
    return np.column_stack([labels_NC, healthy_N])


def _has_text(cases: CaseSet, split: str) -> NDArray[np.bool_]:
    has_N = np.zeros(len(cases), dtype=bool)
    if cases.texts is not None:
        has_N[:] = [bool(text and text.strip()) for text in cases.texts]
    if not has_N.any():
        raise DataError(f"{cases.source}: the {split} cases have no texts to learn from")
    return has_N
