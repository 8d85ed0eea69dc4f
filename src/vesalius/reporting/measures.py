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
    "cka_linear_debiased": Measure("CKA, linear, debiased", "", 0.0),
    "cka_rbf_debiased": Measure("CKA, rbf, debiased", "", 0.0),
    "coverage_error": Measure("Coverage error", "lower"),
    "dsc": Measure("DSC"),
    "ece": Measure("ECE", "lower"),
    "exact_match": Measure("Exact match"),
    "f1": Measure("F1"),
    "deletion_auc": Measure("Deletion AUC", "lower"),
    "hd95": Measure("HD95", "lower"),
    "insertion_auc": Measure("Insertion AUC"),
    "insertion_minus_deletion": Measure("Insertion − deletion"),
    "inter": Measure("Inter-class distance"),
    "intra": Measure("Intra-class distance", "lower"),
    "lrap": Measure("LRAP"),
    "iou": Measure("IoU"),
    "iou_otsu": Measure("IoU at Otsu's threshold"),
    "knn_overlap_10": Measure("10 nearest neighbours shared", ""),
    "map_likeness": Measure("Likeness to the whole model's map", ""),
    "mass_in_box": Measure("Mass in box"),
    "mass_over_area": Measure("Mass over area", chance=1.0),
    "mcc": Measure("MCC", chance=0.0),
    "medmnist_acc": Measure("ACC (MedMNIST)"),
    "medmnist_auc": Measure("AUC (MedMNIST)", chance=0.5),
    "median_rank": Measure("Median rank", "lower"),
    "mmd2": Measure("MMD²", "", 0.0),
    "nsd": Measure("NSD"),
    "pointing_game": Measure("Pointing game"),
    "precision": Measure("Precision"),
    "procrustes": Measure("Procrustes residual", ""),
    "ratio": Measure("Inter/intra ratio"),
    "recall": Measure("Recall"),
    "rsa_euclidean_spearman": Measure("RSA, Spearman", "", 0.0),
    "sensitivity": Measure("Sensitivity"),
    "separability": Measure("Separability"),
    "silhouette": Measure("Silhouette", chance=0.0),
    "specificity": Measure("Specificity"),
    "threshold": Measure("Threshold", ""),
}
AVERAGES = {"macro": "Macro", "micro": "Micro", "weighted": "Weighted", "mean": "Mean"}
DIRECTIONS = {"image_to_text": "Image → text", "text_to_image": "Text → image"}
ENDINGS = {"naive": ", naive", "chance": ", by chance", "difference": ", difference"}


def measure(name: str) -> Measure:
    """Return how a measure is shown; an unheard-of name is shown as it is, without direction.

    >>> measure("auroc").title, measure("macro_average_precision").title, measure("my_own").title
    ('AUROC', 'Macro average precision', 'My own')
    >>> measure("image_to_text_r@10").title, measure("text_to_image_median_rank_naive").title
    ('Image → text R@10', 'Text → image median rank, naive')
    """
    if name in MEASURES:
        return MEASURES[name]
    rest, _, ending = name.rpartition("_")
    if ending in ENDINGS and rest:
        known = measure(rest)
        better = known.better if ending == "naive" else ""
        chance = 0.0 if ending == "difference" else None
        return Measure(known.title + ENDINGS[ending], better, chance)
    for heads in (AVERAGES, DIRECTIONS):
        for head, words in heads.items():
            rest = name.removeprefix(f"{head}_")
            if rest != name and (rest in MEASURES or rest.startswith("r@")):
                known = MEASURES.get(rest, Measure(rest.upper()))
                return Measure(f"{words} {_inside(known.title)}", known.better, known.chance)
    words = name.replace("_", " ").strip()
    return Measure(words[:1].upper() + words[1:], "")


def _inside(title: str) -> str:
    """Return a title as it is written inside a longer one: acronyms stay as they are."""
    first = title.partition(" ")[0]
    return title[:1].lower() + title[1:] if first[1:].islower() else title
