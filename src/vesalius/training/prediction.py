"""Predict: a classifier's probabilities for every case, as a ledger.

Legend of shapes: B batch, N cases, C labels.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np

from vesalius.core import CaseSet, DataError, Predictions
from vesalius.data.loader import BadImages, batches
from vesalius.data.progress import bar
from vesalius.encoders.borrowing import evaluating
from vesalius.training.classifier import Classifier


def predict(
    classifier: Classifier,
    cases: CaseSet,
    *,
    batch_size: int = 64,
    workers: int | None = None,
    device: str | None = None,
    max_bad: float = 0.05,
    progress: bool = True,
) -> Predictions:
    """Return one row a case; the scores of a case whose image is unreadable are NaN.

    The classifier is borrowed: it comes back in its mode and on its device.

    Raises:
        DataError: the cases have other labels, or too many images are unreadable.
    """
    if cases.label_names != classifier.label_names:
        raise DataError(
            f"{cases.source}: labels {', '.join(cases.label_names)} are not those of the "
            f"classifier, {', '.join(classifier.label_names)}"
        )
    scores_NC = np.full((len(cases), len(cases.label_names)), np.nan)
    bad = BadImages(len(cases), most=max_bad)
    found = batches(
        cases, classifier.encoder.preprocess, batch_size=batch_size, bad=bad, workers=workers
    )
    with (
        closing(found),
        evaluating(classifier, device=device),
        bar("predicting", len(cases), unit="images", show=progress) as advance,
    ):
        for indices_B, pixels_BCHW in found:
            probabilities_BC = classifier.probabilities(classifier(pixels_BCHW))
            scores_NC[indices_B] = probabilities_BC.cpu().numpy()
            advance(len(indices_B))
    return Predictions(
        scores_NC=scores_NC,
        truths_NC=np.asarray(cases.labels_NC, dtype=np.float64),
        label_names=cases.label_names,
        case_ids=cases.case_ids,
        patient_ids=cases.patient_ids,
        splits=cases.splits,
        attributes=cases.attributes,
        task=cases.task,
        method="fine_tune",
    )
