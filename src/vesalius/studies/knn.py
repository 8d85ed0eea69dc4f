"""Nearest neighbours: what the cases that lie closest have."""

from __future__ import annotations

from vesalius.evaluation import knn as vote
from vesalius.studies.inputs import Share, image_features, labelled
from vesalius.studies.outcome import Context, Outcome


def knn(
    context: Context,
    *,
    title: str = "kNN",
    k: int = 20,
    temperature: float = 0.07,
    labels: Share = 1.0,
) -> Outcome:
    """Vote among the k training cases of highest cosine, weighted by exp(cosine / temperature).

    ``labels`` is the share of the training cases whose labels are used (``label_share/v1``).
    """
    cases = labelled(context, "knn", share=labels)
    features = image_features(context, "train", "validation", "test")
    return Outcome(predictions={title: vote(features, cases, k=k, temperature=temperature)})
