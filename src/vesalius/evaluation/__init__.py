"""Evaluation: what a representation can do, each number with its interval.

Measures are pure functions of :class:`~vesalius.core.Embeddings` and
:class:`~vesalius.core.Predictions`; nothing here imports torch when it is imported, and the names
below load when they are first touched.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vesalius.evaluation.bootstrap import Interval, bootstrap, bootstrap_each
    from vesalius.evaluation.calibration import Reliability, ece, reliability
    from vesalius.evaluation.case_differences import case_differences
    from vesalius.evaluation.case_values import CaseValues, case_scores
    from vesalius.evaluation.classification import classification
    from vesalius.evaluation.compare import compare
    from vesalius.evaluation.comparison import Comparison
    from vesalius.evaluation.delong import delong
    from vesalius.evaluation.faithfulness import Explained, deletion_insertion, faithfulness_values
    from vesalius.evaluation.false_negatives import false_negative_rate
    from vesalius.evaluation.knn import knn
    from vesalius.evaluation.ledger import read_ledger, read_ledgers, write_ledger
    from vesalius.evaluation.linear_probe import linear_probe
    from vesalius.evaluation.localisation.controls import (
        box_area,
        centre_gaussian,
        localisation_controls,
        random_map,
    )
    from vesalius.evaluation.localisation.located import Located
    from vesalius.evaluation.localisation.regions import reference
    from vesalius.evaluation.localisation.scoring import localisation_values
    from vesalius.evaluation.measures import MEASURES
    from vesalius.evaluation.multiplicity import benjamini_hochberg, holm
    from vesalius.evaluation.paired import paired_difference, paired_permutation
    from vesalius.evaluation.prompts import known_prompts, load_prompts
    from vesalius.evaluation.randomisation import randomisation_similarity
    from vesalius.evaluation.retrieval import caption_groups, retrieval
    from vesalius.evaluation.segmentation.scoring import Segmented, segmentation_values
    from vesalius.evaluation.separability import separability
    from vesalius.evaluation.similarity import (
        CkaMap,
        Similarity,
        cka,
        cka_map,
        knn_overlap,
        procrustes,
        rsa,
    )
    from vesalius.evaluation.temperature import apply_temperature, temperature_scaling
    from vesalius.evaluation.thresholds import choose_thresholds
    from vesalius.evaluation.two_sample import (
        AxisContributions,
        ClassifierTest,
        LabelContribution,
        MMDTest,
        PowerCurve,
        StreamTest,
        WithinTest,
        axis_contributions,
        classifier_test,
        fourier_test,
        label_contributions,
        linear_time_test,
        median_bandwidth,
        mmd_test,
        mmd_within,
        power_curve,
    )
    from vesalius.evaluation.zero_shot import zero_shot

_HOME = {
    "MEASURES": "measures",
    "AxisContributions": "two_sample",
    "CaseValues": "case_values",
    "CkaMap": "similarity",
    "ClassifierTest": "two_sample",
    "Comparison": "comparison",
    "Explained": "faithfulness",
    "Interval": "bootstrap",
    "LabelContribution": "two_sample",
    "Located": "localisation.located",
    "MMDTest": "two_sample",
    "PowerCurve": "two_sample",
    "Reliability": "calibration",
    "Segmented": "segmentation.scoring",
    "Similarity": "similarity",
    "StreamTest": "two_sample",
    "WithinTest": "two_sample",
    "apply_temperature": "temperature",
    "axis_contributions": "two_sample",
    "benjamini_hochberg": "multiplicity",
    "bootstrap": "bootstrap",
    "bootstrap_each": "bootstrap",
    "box_area": "localisation.controls",
    "caption_groups": "retrieval",
    "case_differences": "case_differences",
    "case_scores": "case_values",
    "centre_gaussian": "localisation.controls",
    "choose_thresholds": "thresholds",
    "cka": "similarity",
    "cka_map": "similarity",
    "classification": "classification",
    "classifier_test": "two_sample",
    "compare": "compare",
    "deletion_insertion": "faithfulness",
    "delong": "delong",
    "ece": "calibration",
    "faithfulness_values": "faithfulness",
    "false_negative_rate": "false_negatives",
    "fourier_test": "two_sample",
    "holm": "multiplicity",
    "knn": "knn",
    "knn_overlap": "similarity",
    "known_prompts": "prompts",
    "label_contributions": "two_sample",
    "linear_probe": "linear_probe",
    "linear_time_test": "two_sample",
    "load_prompts": "prompts",
    "localisation_controls": "localisation.controls",
    "localisation_values": "localisation.scoring",
    "median_bandwidth": "two_sample",
    "mmd_test": "two_sample",
    "mmd_within": "two_sample",
    "paired_difference": "paired",
    "paired_permutation": "paired",
    "power_curve": "two_sample",
    "procrustes": "similarity",
    "random_map": "localisation.controls",
    "randomisation_similarity": "randomisation",
    "read_ledger": "ledger",
    "read_ledgers": "ledger",
    "reference": "localisation.regions",
    "reliability": "calibration",
    "retrieval": "retrieval",
    "rsa": "similarity",
    "segmentation_values": "segmentation.scoring",
    "separability": "separability",
    "temperature_scaling": "temperature",
    "write_ledger": "ledger",
    "zero_shot": "zero_shot",
}

__all__ = [
    "MEASURES",
    "AxisContributions",
    "CaseValues",
    "CkaMap",
    "ClassifierTest",
    "Comparison",
    "Explained",
    "Interval",
    "LabelContribution",
    "Located",
    "MMDTest",
    "PowerCurve",
    "Reliability",
    "Segmented",
    "Similarity",
    "StreamTest",
    "WithinTest",
    "apply_temperature",
    "axis_contributions",
    "benjamini_hochberg",
    "bootstrap",
    "bootstrap_each",
    "box_area",
    "caption_groups",
    "case_differences",
    "case_scores",
    "centre_gaussian",
    "choose_thresholds",
    "cka",
    "cka_map",
    "classification",
    "classifier_test",
    "compare",
    "deletion_insertion",
    "delong",
    "ece",
    "faithfulness_values",
    "false_negative_rate",
    "fourier_test",
    "holm",
    "knn",
    "knn_overlap",
    "known_prompts",
    "label_contributions",
    "linear_probe",
    "linear_time_test",
    "load_prompts",
    "localisation_controls",
    "localisation_values",
    "median_bandwidth",
    "mmd_test",
    "mmd_within",
    "paired_difference",
    "paired_permutation",
    "power_curve",
    "procrustes",
    "random_map",
    "randomisation_similarity",
    "read_ledger",
    "read_ledgers",
    "reference",
    "reliability",
    "retrieval",
    "rsa",
    "segmentation_values",
    "separability",
    "temperature_scaling",
    "write_ledger",
    "zero_shot",
]


class _Functions(ModuleType):
    """A module whose functions win over its files of the same name.

    Importing ``evaluation/knn.py`` would bind ``evaluation.knn`` to the file; here it stays the
    function. The file is reached by ``from vesalius.evaluation.knn import …``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Functions


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
