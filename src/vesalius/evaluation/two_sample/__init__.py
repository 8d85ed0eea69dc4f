"""Two-sample tests: do two clouds of embeddings come from one distribution, and where not?"""

from vesalius.evaluation.two_sample.classifier import ClassifierTest, classifier_test
from vesalius.evaluation.two_sample.contributions import (
    AxisContributions,
    LabelContribution,
    axis_contributions,
    label_contributions,
)
from vesalius.evaluation.two_sample.kernels import median_bandwidth
from vesalius.evaluation.two_sample.mmd import mmd_test
from vesalius.evaluation.two_sample.power import PowerCurve, power_curve
from vesalius.evaluation.two_sample.result import MMDTest
from vesalius.evaluation.two_sample.stream import StreamTest, fourier_test, linear_time_test
from vesalius.evaluation.two_sample.within import WithinTest, mmd_within

__all__ = [
    "AxisContributions",
    "ClassifierTest",
    "LabelContribution",
    "MMDTest",
    "PowerCurve",
    "StreamTest",
    "WithinTest",
    "axis_contributions",
    "classifier_test",
    "fourier_test",
    "label_contributions",
    "linear_time_test",
    "median_bandwidth",
    "mmd_test",
    "mmd_within",
    "power_curve",
]
