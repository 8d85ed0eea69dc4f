"""Two representations of the same cases that share a part."""

import numpy as np
import pytest


@pytest.fixture
def make_pair():
    """Return ``make(n, d, e, shared, seed)`` -> x_ND, y_NE with four common factors."""

    def make(n=40, d=6, e=5, shared=1.0, seed=0):
        rng = np.random.default_rng(seed)
        factors_N4 = rng.normal(size=(n, 4))
        return tuple(
            shared * factors_N4 @ rng.normal(size=(4, width)) + rng.normal(size=(n, width))
            for width in (d, e)
        )

    return make
