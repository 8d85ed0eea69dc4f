"""What is left of a map when the model is made random."""

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.evaluation import randomisation_similarity


def test_likeness_equals_scipy_and_scikit_image():
    from scipy.stats import spearmanr

    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(5)
    before_HW = np.round(rng.normal(size=(40, 31)), 1)
    after_HW = before_HW + rng.normal(size=(40, 31))
    got = randomisation_similarity(before_HW, after_HW)
    assert got.spearman == pytest.approx(
        spearmanr(before_HW.ravel(), after_HW.ravel()).statistic, abs=1e-12
    )
    scaled = [(m - m.min()) / (m.max() - m.min()) for m in (before_HW, after_HW)]
    theirs = metrics.structural_similarity(
        *scaled, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert got.ssim == pytest.approx(theirs, abs=1e-12)


def test_likeness_is_one_for_any_scale_of_the_same_map_and_none_for_a_dead_one():
    map_HW = np.random.default_rng(6).random((16, 16))
    same = randomisation_similarity(map_HW, 3 * map_HW - 7)
    assert (same.spearman, same.ssim) == pytest.approx((1, 1))
    flat_HW = np.zeros((16, 16))
    assert randomisation_similarity(map_HW, flat_HW).spearman == 0
    assert randomisation_similarity(flat_HW, flat_HW + 1).ssim == 1
    assert abs(randomisation_similarity(map_HW, map_HW[::-1]).spearman) < 0.3
    with pytest.raises(DataError, match="11 × 11"):
        randomisation_similarity(map_HW[:5], map_HW[:5])
