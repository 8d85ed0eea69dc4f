"""Linear probe: how much a straight cut through the frozen features can tell."""

from __future__ import annotations

from vesalius.evaluation import linear_probe as fit_probe
from vesalius.studies.inputs import image_features, labelled
from vesalius.studies.outcome import Context, Outcome


def linear_probe(context: Context, *, title: str = "linear probe") -> Outcome:
    """Fit logistic regression on frozen features; its regularisation is swept on validation."""
    cases = labelled(context, "linear_probe")
    predictions, _ = fit_probe(image_features(context, "train", "validation", "test"), cases)
    return Outcome(predictions={title: predictions})
