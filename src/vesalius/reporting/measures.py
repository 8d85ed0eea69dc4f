"""What a measure is called on a page, which way is better, and what chance gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """``better`` is ``higher``, ``lower`` or empty; ``chance`` is None where it depends."""

    title: str
    better: str = "higher"
    chance: float | None = None


MEASURES = {
    "accuracy": Measure("Accuracy"),
    "auroc": Measure("AUROC", chance=0.5),
    "average_precision": Measure("Average precision"),
    "balanced_accuracy": Measure("Balanced accuracy"),
    "brier": Measure("Brier score", "lower"),
    "coverage_error": Measure("Coverage error", "lower"),
    "ece": Measure("ECE", "lower"),
    "exact_match": Measure("Exact match"),
    "f1": Measure("F1"),
    "inter": Measure("Inter-class distance"),
    "intra": Measure("Intra-class distance", "lower"),
    "lrap": Measure("LRAP"),
    "mcc": Measure("MCC", chance=0.0),
    "median_rank": Measure("Median rank", "lower"),
    "precision": Measure("Precision"),
    "ratio": Measure("Inter/intra ratio"),
    "recall": Measure("Recall"),
    "sensitivity": Measure("Sensitivity"),
    "separability": Measure("Separability"),
    "silhouette": Measure("Silhouette", chance=0.0),
    "specificity": Measure("Specificity"),
    "threshold": Measure("Threshold", ""),
}
AVERAGES = {"macro": "Macro", "micro": "Micro", "weighted": "Weighted", "mean": "Mean"}


def measure(name: str) -> Measure:
    """Return how a measure is shown; an unheard-of name is shown as it is, without direction.

    >>> measure("auroc").title, measure("macro_f1").title, measure("my_measure").title
    ('AUROC', 'Macro F1', 'My measure')
    """
    if name in MEASURES:
        return MEASURES[name]
    head, _, rest = name.partition("_")
    if head in AVERAGES and rest in MEASURES:
        known = MEASURES[rest]
        return Measure(f"{AVERAGES[head]} {known.title}", known.better, known.chance)
    words = name.replace("_", " ").strip()
    return Measure(words[:1].upper() + words[1:], "")
