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
    from vesalius.evaluation.classification import classification
    from vesalius.evaluation.compare import compare
    from vesalius.evaluation.comparison import Comparison
    from vesalius.evaluation.delong import delong
    from vesalius.evaluation.false_negatives import false_negative_rate
    from vesalius.evaluation.knn import knn
    from vesalius.evaluation.ledger import read_ledger, read_ledgers, write_ledger
    from vesalius.evaluation.linear_probe import linear_probe
    from vesalius.evaluation.measures import MEASURES
    from vesalius.evaluation.multiplicity import benjamini_hochberg, holm
    from vesalius.evaluation.paired import paired_difference, paired_permutation
    from vesalius.evaluation.prompts import known_prompts, load_prompts
    from vesalius.evaluation.retrieval import caption_groups, retrieval
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
    "AxisContributions": "two_sample",
    "CkaMap": "similarity",
    "ClassifierTest": "two_sample",
    "Comparison": "comparison",
    "Interval": "bootstrap",
    "LabelContribution": "two_sample",
    "MEASURES": "measures",
    "MMDTest": "two_sample",
    "PowerCurve": "two_sample",
    "Reliability": "calibration",
    "Similarity": "similarity",
    "StreamTest": "two_sample",
    "WithinTest": "two_sample",
    "apply_temperature": "temperature",
    "axis_contributions": "two_sample",
    "benjamini_hochberg": "multiplicity",
    "bootstrap": "bootstrap",
    "bootstrap_each": "bootstrap",
    "caption_groups": "retrieval",
    "choose_thresholds": "thresholds",
    "cka": "similarity",
    "cka_map": "similarity",
    "classification": "classification",
    "classifier_test": "two_sample",
    "compare": "compare",
    "delong": "delong",
    "ece": "calibration",
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
    "median_bandwidth": "two_sample",
    "mmd_test": "two_sample",
    "mmd_within": "two_sample",
    "paired_difference": "paired",
    "paired_permutation": "paired",
    "power_curve": "two_sample",
    "procrustes": "similarity",
    "read_ledger": "ledger",
    "read_ledgers": "ledger",
    "reliability": "calibration",
    "retrieval": "retrieval",
    "rsa": "similarity",
    "separability": "separability",
    "temperature_scaling": "temperature",
    "write_ledger": "ledger",
    "zero_shot": "zero_shot",
}

__all__ = [
    "MEASURES",
    "AxisContributions",
    "CkaMap",
    "ClassifierTest",
    "Comparison",
    "Interval",
    "LabelContribution",
    "MMDTest",
    "PowerCurve",
    "Reliability",
    "Similarity",
    "StreamTest",
    "WithinTest",
    "apply_temperature",
    "axis_contributions",
    "benjamini_hochberg",
    "bootstrap",
    "bootstrap_each",
    "caption_groups",
    "choose_thresholds",
    "cka",
    "cka_map",
    "classification",
    "classifier_test",
    "compare",
    "delong",
    "ece",
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
    "median_bandwidth",
    "mmd_test",
    "mmd_within",
    "paired_difference",
    "paired_permutation",
    "power_curve",
    "procrustes",
    "read_ledger",
    "read_ledgers",
    "reliability",
    "retrieval",
    "rsa",
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
