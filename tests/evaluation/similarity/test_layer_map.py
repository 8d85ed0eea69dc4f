"""Layers beside layers."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import cka, cka_map
from vesalius.evaluation.similarity import layer_map


@pytest.fixture
def layers(make_pair):
    x = [v for seed in range(2) for v in make_pair(seed=seed)]
    return {f"block{i}": v for i, v in enumerate(x)}


def test_every_cell_is_the_cka_of_its_two_layers_whatever_the_tile(layers, monkeypatch):
    first = dict(list(layers.items())[:3])
    found = cka_map(first, layers)
    expected = [
        [cka(a, b, replicates=0, permutations=0).value for b in layers.values()]
        for a in first.values()
    ]
    np.testing.assert_allclose(found.values_LK, expected, atol=1e-10)
    assert (found.names_x, found.names_y) == (tuple(first), tuple(layers))
    monkeypatch.setattr(layer_map, "TILE_BYTES", 8 * 40 * 4 * 7)
    np.testing.assert_allclose(cka_map(first, layers).values_LK, expected, atol=1e-10)


def test_a_model_beside_itself_has_ones_on_the_diagonal_and_is_symmetric(layers):
    values_LL = cka_map(layers, layers).values_LK
    np.testing.assert_allclose(values_LL.diagonal(), 1, atol=1e-12)
    np.testing.assert_allclose(values_LL, values_LL.T, atol=1e-12)


def test_a_constant_layer_has_no_values(layers, recwarn):
    values = cka_map({"flat": np.ones((40, 2)), "first": layers["block0"]}, layers).values_LK
    assert np.isnan(values[0]).all()
    assert not np.isnan(values[1]).any()
    assert not recwarn.list


def test_layers_of_other_cases_are_refused(layers):
    with pytest.raises(DataError, match=r"layers have \[39, 40\] rows"):
        cka_map(layers, {"short": layers["block0"][1:]})
    bad = layers["block0"].copy()
    bad[2, 0] = np.nan
    with pytest.raises(DataError, match="layer 'bad' is not finite in 1 of 40 rows, first 2"):
        cka_map(layers, {"bad": bad})
    with pytest.raises(DataError, match="at least one layer"):
        cka_map(layers, {})
