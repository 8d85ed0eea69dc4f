"""Tiles of any size, and any number of ranks, give the sums of the whole matrix."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vesalius.evaluation.two_sample.kernels import KERNELS, alike, apart, fit
from vesalius.evaluation.two_sample.mmd import mmd_test
from vesalius.evaluation.two_sample.sums import tiled_sums

RNG = np.random.default_rng(0)
PATIENTS = RNG.integers(0, 12, 45)
DESIGNS = {
    "free": {},
    "groups": {"groups_x": PATIENTS, "groups_y": PATIENTS + 100},
    "pairs": {"paired": True},
    "pairs of patients": {"paired": True, "groups_x": PATIENTS, "groups_y": PATIENTS},
}
ESTIMATED = [
    (estimator, design)
    for estimator in ("unbiased", "u", "biased")
    for design in DESIGNS
    if (estimator, design) != ("u", "groups")  # an error: u sets x_i against y_i
]
X = RNG.normal(size=(45, 16)).astype(np.float32)
Y = RNG.normal(0.1, 1.1, size=(45, 16)).astype(np.float32)


@pytest.mark.parametrize("kernel", KERNELS)
def test_sums_are_those_of_the_whole_matrix_in_float64(kernel):
    z = torch.from_numpy(np.concatenate([X, Y]).astype(float))
    labels = RNG.integers(0, 2, (90, 8)).astype(np.uint8)
    fitted = fit(kernel, z, bandwidth="median", gamma=None, rng=RNG)
    k = alike(kernel, apart(kernel, z, z), fitted.sigmas[0], 16).numpy() - fitted.centres[0]
    np.fill_diagonal(k, 0)
    sums = tiled_sums(z, torch.from_numpy(labels), fitted=fitted, block=13)
    within = np.einsum("ip,ij,jp->p", labels, k, labels)
    np.testing.assert_allclose(sums.within_KP[0], within, rtol=0, atol=1e-10)
    np.testing.assert_allclose(sums.rows_KN[0], k.sum(1), rtol=0, atol=1e-10)
    np.testing.assert_allclose(sums.observed_KN[0], k @ labels[:, 0], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("estimator", "design"), ESTIMATED)
@pytest.mark.parametrize("kernel", KERNELS)
def test_float32_tiles_of_any_size_are_the_whole_in_float64(kernel, estimator, design):
    asked = {"kernel": kernel, "estimator": estimator, "permutations": 30, **DESIGNS[design]}
    whole = mmd_test(X.astype(float), Y.astype(float), block=90, **asked)
    scale = {"rbf": 1, "laplace": 1, "energy": 4 * 2**0.5, "linear": 16, "polynomial": 8}[kernel]
    for block in (1, 7, 64, 90):
        if block == 1 and design != "free":
            continue  # 4,095 tiles: once is enough
        tiled = mmd_test(X, Y, block=block, **asked)
        apart_by = np.abs(np.array([tiled.mmd2, *tiled.null_P]) - [whole.mmd2, *whole.null_P])
        assert apart_by.max() < 1e-6 * scale
        assert tiled.p_value == whole.p_value
        np.testing.assert_allclose(tiled.witness_x, whole.witness_x, rtol=0, atol=1e-6 * scale)


def test_equal_seeds_give_equal_results_and_others_other_nulls():
    once, again, other = (mmd_test(X, Y, rng=seed, permutations=20) for seed in (0, 0, 1))
    assert (once.null_P == again.null_P).all()
    assert (once.null_P != other.null_P).any()
    assert once.mmd2 == other.mmd2


def test_far_from_the_origin_float32_is_as_exact():
    """Squares by products cancel there; the samples are moved to their mean first."""
    far = [side + np.float32(64) for side in (X, Y)]
    exact = mmd_test(*(side.astype(float) for side in far), permutations=20)
    found = mmd_test(*far, permutations=20)
    np.testing.assert_allclose(found.null_P, exact.null_P, rtol=0, atol=1e-6)


def test_two_ranks_share_the_tiles_and_find_what_one_does(tmp_path):
    job = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    script = Path(__file__).with_name("two_ranks.py")
    x, y = X.astype(float), Y.astype(float)
    np.savez(tmp_path / "samples.npz", x=x, y=y)
    done = subprocess.run(
        [*job, str(script), str(tmp_path)],
        capture_output=True, text=True, timeout=100, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one = mmd_test(x, y, block=17, permutations=50)
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found["world"] == 2
        assert found["p_value"] == one.p_value
        np.testing.assert_allclose(found["null"], one.null_P, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found["witness"], one.witness_x, rtol=0, atol=1e-12)
