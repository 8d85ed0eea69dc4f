"""First model against second: label by label, and over all labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from vesalius.core.errors import unknown
from vesalius.core.predictions import Predictions
from vesalius.evaluation.calibration import known_truths
from vesalius.evaluation.comparison import Comparison, model_names, paired
from vesalius.evaluation.delong import delong
from vesalius.evaluation.multiplicity import benjamini_hochberg, holm
from vesalius.evaluation.paired import paired_difference, paired_permutation
from vesalius.evaluation.panel import PATIENTS_UNKNOWN, join

CORRECTIONS = {"Holm": holm, "Benjamini-Hochberg": benjamini_hochberg}


def compare(
    first: Predictions,
    second: Predictions,
    *,
    correction: Literal["Holm", "Benjamini-Hochberg"] = "Holm",
    permutations: int = 10_000,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Comparison]:
    """Return first − second: macro AUROC first, then the AUROC of each label.

    The macro has its p-value from swapping the models within patients and its interval from drawing
    patients; each label has DeLong's (clustered by patient where patients are known), with p-values
    adjusted over the labels. The cases, labels and truths of the two must be the same.
    """
    if correction not in CORRECTIONS:
        raise unknown("correction", correction, CORRECTIONS)
    first, second = paired(first, second)
    names = model_names(first, second)
    rng = np.random.default_rng(seed)
    macro = paired_permutation(first, second, permutations=permutations, rng=rng)
    interval = paired_difference(
        first, second, replicates=replicates, confidence=confidence, seed=seed
    )
    macro = replace(macro, low=interval.low, high=interval.high, confidence=confidence)
    unknown_patients = PATIENTS_UNKNOWN if first.patient_ids is None else ""
    truths_NC = known_truths(first)
    labels = []
    for c, label in enumerate(first.label_names):
        one = delong(
            truths_NC[:, c],
            first.scores_NC[:, c],
            second.scores_NC[:, c],
            first.patient_ids,
            confidence=confidence,
        )
        note = join(one.note, unknown_patients)
        labels.append(replace(one, first=names[0], second=names[1], label=label, note=note))
    adjusted_C = CORRECTIONS[correction]([one.p_value for one in labels])
    return [
        macro,
        *(
            replace(one, p_adjusted=float(p), correction=correction)
            for one, p in zip(labels, adjusted_C, strict=True)
        ),
    ]
