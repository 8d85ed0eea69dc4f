"""Linear probe: how much a straight cut through the frozen features can tell."""

from __future__ import annotations

from vesalius.evaluation import linear_probe as fit_probe
from vesalius.studies.inputs import Share, image_features, labelled
from vesalius.studies.outcome import Context, Outcome


def linear_probe(context: Context, *, title: str = "linear probe", labels: Share = 1.0) -> Outcome:
    """Fit logistic regression on frozen features; its regularisation is swept on validation.

    ``labels`` is the share of the training cases whose labels are used (``label_share/v1``).
    """
    cases = labelled(context, "linear_probe", share=labels)
    predictions, _ = fit_probe(image_features(context, "train", "validation", "test"), cases)
    return Outcome(predictions={title: predictions})
