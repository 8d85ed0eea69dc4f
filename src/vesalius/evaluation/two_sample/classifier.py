"""The classifier two-sample test: can a straight cut, learnt on one half, part the other half?

Source: Lopez-Paz & Oquab 2017. The statistic is the AUROC, which does not mind samples of unequal
size.

Legend: N cases of both samples pooled, T held-out cases, P relabellings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.core.score import Score
from vesalius.evaluation.bootstrap import bootstrap
from vesalius.evaluation.logistic import one_vs_rest
from vesalius.evaluation.ranking import auroc_and_average_precision, rank
from vesalius.evaluation.two_sample.relabelling import relabellings
from vesalius.evaluation.two_sample.samples import samples

if TYPE_CHECKING:
    from jaxtyping import Float

PENALTY = 0.1  # on standardised axes: with more axes than cases a cut must be held short
