"""Every layer of one model beside every layer of another: debiased linear CKA.

Legend: N cases, L and K layers, S all layers of both, B cases of a tile, Q entries of a tile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vesalius.core.errors import DataError
from vesalius.evaluation.similarity.kernel_alignment import LEAST
from vesalius.evaluation.similarity.pairing import centred, scaled

if TYPE_CHECKING:
    from jaxtyping import Float

TILE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class CkaMap:
    """``values_LK[i, j]`` compares layer i of x with layer j of y; NaN where one is constant."""

    values_LK: Float[np.ndarray, "L K"]
    names_x: tuple[str, ...]
    names_y: tuple[str, ...]


def cka_map(layers_x: Mapping[str, ArrayLike], layers_y: Mapping[str, ArrayLike]) -> CkaMap:
    """Return debiased linear CKA of each layer of x with each of y, on the same N cases.

    Each layer's Gram matrix is made once, half of it, in tiles of which none is kept. A layer that
    stands on both sides (one model beside itself) counts as one.

    Raises:
        DataError: no layers, layers of different N, fewer than 4 cases, values not finite.

    >>> rng = np.random.default_rng(0)
    >>> layers = {"first": rng.normal(size=(50, 4)), "last": rng.normal(size=(50, 3))}
    >>> cka_map(layers, layers).values_LK.round(1).tolist()
    [[1.0, -0.0], [-0.0, 1.0]]
    """
    if not layers_x or not layers_y:
        raise DataError("cka_map: both models need at least one layer")
    # By identity, so that a layer given on both sides is worked on once.
    named = {id(v): (name, v) for side in (layers_x, layers_y) for name, v in side.items()}
    layers = {
        key: centred(scaled(values, f"cka_map: layer {name!r}"))
        for key, (name, values) in named.items()
    }
    sizes = sorted({len(values_ND) for values_ND in layers.values()})
    if len(sizes) > 1 or sizes[0] < 4:
        raise DataError(f"cka_map: layers have {sizes} rows; all need the same, 4 or more")
    place = {key: i for i, key in enumerate(layers)}
    cka_SS = _alignments(list(layers.values()))
    rows, columns = ([place[id(v)] for v in side.values()] for side in (layers_x, layers_y))
    return CkaMap(cka_SS[np.ix_(rows, columns)], tuple(layers_x), tuple(layers_y))


def _alignments(layers: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return debiased CKA of all layers with all; features are centred, as in linear_product."""
    n = len(layers[0])
    norms_SN = np.stack([np.einsum("nd,nd->n", v, v) for v in layers])
    upper_SS = _upper_products(layers)
    trace_S = norms_SN.sum(1)
    diagonal_SS = norms_SN @ norms_SN.T
    products_SS = 2 * upper_SS - 2 * diagonal_SS / (n - 2)
    products_SS += np.outer(trace_S, trace_S) / ((n - 1) * (n - 2))
    self_S = products_SS.diagonal()
    least_S = LEAST * (2 * upper_SS + diagonal_SS).diagonal()
    length_S = np.sqrt(np.where(self_S > least_S, self_S, np.nan))
    return np.asarray(products_SS / length_S[:, None] / length_S)


def _upper_products(layers: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return Σ_{i<j} of the products of every two layers' Gram matrices."""
    n = len(layers[0])
    sums_SS = np.zeros((len(layers), len(layers)))
    rows = max(1, TILE_BYTES // (8 * n * len(layers)))
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        gram_SQ = np.empty((len(layers), (stop - start) * (n - start)))
        for gram_Q, values_ND in zip(gram_SQ, layers, strict=True):
            gram_BN = gram_Q.reshape(stop - start, n - start)
            np.matmul(values_ND[start:stop], values_ND[start:].T, out=gram_BN)
            gram_BN[np.tril_indices(stop - start)] = 0.0  # pairs that came before, and the diagonal
        sums_SS += gram_SQ @ gram_SQ.T
    return sums_SS
