"""How alike two representations of the same cases are: rows paired, widths free.

Every measure ignores rotation and scale, so that two encoders can be compared whose axes have
nothing to do with one another. Each comes with an interval and a permutation test.
"""

from vesalius.evaluation.similarity.distance_ranks import rsa
from vesalius.evaluation.similarity.kernel_alignment import cka
from vesalius.evaluation.similarity.layer_map import CkaMap, cka_map
from vesalius.evaluation.similarity.neighbours import knn_overlap
from vesalius.evaluation.similarity.result import Similarity
from vesalius.evaluation.similarity.rotation import procrustes

__all__ = ["CkaMap", "Similarity", "cka", "cka_map", "knn_overlap", "procrustes", "rsa"]
