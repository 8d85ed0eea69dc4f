"""MMD² and its null beside slow loops, peers and hand-made numbers; errors."""

import math

import numpy as np
import pytest
from scipy.stats import energy_distance

from vesalius.core.errors import DataError, VesaliusError
from vesalius.evaluation.two_sample.kernels import KERNELS
from vesalius.evaluation.two_sample.mmd import mmd_test
from vesalius.evaluation.two_sample.relabelling import relabellings

SIGMA = 1.7
PATIENTS = [0, 0, 1, 2, 2, 2, 3], [4, 5, 5, 6, 6, 6, 7]
DESIGNS = {
    "free": {},
    "groups": {"groups_x": PATIENTS[0], "groups_y": PATIENTS[1]},
    "pairs": {"paired": True},
    "pairs of patients": {"paired": True, "groups_x": PATIENTS[0], "groups_y": PATIENTS[0]},
}
ESTIMATED = [
    (estimator, design)
    for estimator in ("unbiased", "u", "biased")
    for design in DESIGNS
    if (estimator, design) != ("u", "groups")  # an error: u sets x_i against y_i
]


def cases(n, m, d=3, seed=0, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(shift, 1.3, size=(m, d))


def settings(kernel):
    return {"kernel": kernel, **({"bandwidth": SIGMA} if kernel in ("rbf", "laplace") else {})}


def slow_kernel(kernel, a, b):
    square = sum((s - t) ** 2 for s, t in zip(a, b, strict=True))
    if kernel == "rbf":
        return math.exp(-square / (2 * SIGMA**2))
    if kernel == "laplace":
        return math.exp(-sum(abs(s - t) for s, t in zip(a, b, strict=True)) / SIGMA)
    if kernel == "energy":
        return -math.sqrt(square)
    inner = sum(s * t for s, t in zip(a, b, strict=True))
    return inner if kernel == "linear" else (inner / len(a) + 1) ** 3


def slow_mmd2(estimator, k, xs, ys):
    """Gretton et al. 2012, eq. 3 (unbiased), 4 (u; x_i opposite y_i) and 5 (biased)."""
    n, m = len(xs), len(ys)
    if estimator == "biased":
        xx = sum(k[i][j] for i in xs for j in xs) / n**2
        yy = sum(k[i][j] for i in ys for j in ys) / m**2
        return xx + yy - 2 * sum(k[i][j] for i in xs for j in ys) / (n * m)
    if estimator == "u":
        return sum(
            k[xs[i]][xs[j]] + k[ys[i]][ys[j]] - k[xs[i]][ys[j]] - k[xs[j]][ys[i]]
            for i in range(n) for j in range(n) if i != j
        ) / (n * (n - 1))  # fmt: skip
    xx = sum(k[i][j] for i in xs for j in xs if i != j) / (n * (n - 1))
    yy = sum(k[i][j] for i in ys for j in ys if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k[i][j] for i in xs for j in ys) / (n * m)


def slow_test(x, y, kernel, estimator, design, draws):
    z = np.concatenate([x, y]).tolist()
    k = [[slow_kernel(kernel, a, b) for b in z] for a in z]
    groups = [None if g is None else np.array(g) for g in map(design.get, ("groups_x", "groups_y"))]
    rng = np.random.default_rng(0)
    paired = design.get("paired", False)
    drawn = relabellings((len(x), len(y)), tuple(groups), paired, estimator, draws, rng)
    found = []
    for p in range(draws + 1):
        label = drawn.labels_NP[:, p]
        xs, ys = np.flatnonzero(label == 1).tolist(), np.flatnonzero(label == 0).tolist()
        if paired:  # the pair of x_i is y_i, whichever is now on which side
            xs = [i if label[i] else i + len(x) for i in range(len(x))]
            ys = [i + len(x) if label[i] else i for i in range(len(x))]
        elif drawn.opposite is not None:
            xs, ys = (side[p].tolist() for side in drawn.opposite)
        found.append(slow_mmd2(estimator, k, xs, ys))
    return found


@pytest.mark.parametrize(("estimator", "design"), ESTIMATED)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_statistic_and_its_null_are_a_slow_loops(kernel, estimator, design):
    x, y = cases(7, 7)
    given = DESIGNS[design]
    found = mmd_test(x, y, estimator=estimator, permutations=12, **settings(kernel), **given)
    slow = slow_test(x, y, kernel, estimator, given, 12)
    np.testing.assert_allclose([found.mmd2, *found.null_P], slow, rtol=0, atol=1e-10)
    reached = sum(one >= slow[0] - 1e-12 for one in slow[1:])
    assert found.exceeding == reached
    assert found.p_value == (1 + reached) / 13


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
def test_samples_of_different_size_are_a_slow_loops(estimator):
    x, y = cases(5, 9)
    found = mmd_test(x, y, estimator=estimator, permutations=5, **settings("rbf"))
    slow = slow_test(x, y, "rbf", estimator, {}, 5)
    np.testing.assert_allclose([found.mmd2, *found.null_P], slow, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("kernel", "estimator", "mmd2"),
    [
        # x = {0, 2}, y = {1, 5}: distances xx 2, yy 4, xy 1 5 1 3
        ("energy", "unbiased", -2 - 4 + 2 * 10 / 4),
        ("energy", "u", -2 - 4 + (5 + 1)),
        ("energy", "biased", -1 - 2 + 2 * 10 / 4),
        ("linear", "biased", (3 - 1) ** 2),
        ("linear", "unbiased", 0 + 5 - 2 * 3),
        ("linear", "u", 0 + 5 - (0 * 5 + 2 * 1)),
        ("polynomial", "unbiased", 1 + 6**3 - (1 + 1 + 3**3 + 11**3) / 2),
    ],
)
def test_two_points_on_each_side_by_hand(kernel, estimator, mmd2):
    found = mmd_test([[0], [2]], [[1], [5]], kernel=kernel, estimator=estimator, permutations=3)
    assert found.mmd2 == pytest.approx(mmd2, abs=1e-12)


def test_linear_is_the_squared_difference_of_means():
    x, y = cases(20, 30)
    found = mmd_test(x, y, kernel="linear", estimator="biased", permutations=1)
    assert found.mmd2 == pytest.approx(((x.mean(0) - y.mean(0)) ** 2).sum(), abs=1e-12)
    trace_x, trace_y = x.var(0, ddof=1).sum() / 20, y.var(0, ddof=1).sum() / 30
    unbiased = mmd_test(x, y, kernel="linear", permutations=1).mmd2
    assert unbiased == pytest.approx(found.mmd2 - trace_x - trace_y, abs=1e-12)


def test_energy_is_scipys_distance_squared():
    x, y = cases(20, 30, d=1)
    found = mmd_test(x, y, kernel="energy", estimator="biased", permutations=1)
    assert found.mmd2 == pytest.approx(energy_distance(x[:, 0], y[:, 0]) ** 2, abs=1e-12)


def test_polynomial_is_torch_fidelitys_kid():
    x, y = cases(20, 20, d=8)
    xx, yy, xy = (((a @ b.T) / 8 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    own = xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)
    kid = own / (20 * 19) - 2 * xy.sum() / 20**2  # metric_kid.polynomial_mmd, unbiased
    assert mmd_test(x, y, kernel="polynomial", permutations=1).mmd2 == pytest.approx(kid, abs=1e-12)


def moved(x, y, kernel, **more):
    found = mmd_test(x, y, permutations=40, **{"kernel": kernel, **more})
    return [found.mmd2, *found.null_P], found.p_value


def same(one, other, scale=1.0):
    np.testing.assert_allclose(np.array(one[0]) * scale, other[0], rtol=1e-9, atol=1e-10)
    assert one[1] == other[1]


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_should_not_matter_does_not(kernel):
    x, y = cases(12, 15, d=4)
    here = moved(x, y, kernel)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]
    if kernel == "laplace":
        turn = np.diag([1.0, -1, 1, -1])[[2, 0, 3, 1]]  # what city-block distances allow
    same(here, moved(x @ turn, y @ turn, kernel))
    if kernel != "polynomial":
        same(here, moved(x + 100, y + 100, kernel))
    power = {"rbf": 0, "laplace": 0, "energy": 1, "linear": 2}
    if kernel in power:
        same(here, moved(3 * x, 3 * y, kernel), 3.0 ** power[kernel])


@pytest.mark.parametrize("kernel", KERNELS)
def test_who_is_called_x_and_in_what_order_changes_nothing(kernel):
    x, y = cases(12, 15)
    here, swapped = (mmd_test(*pair, kernel=kernel, permutations=5) for pair in ((x, y), (y, x)))
    shuffled = mmd_test(x[::-1], np.roll(y, 4, 0), kernel=kernel, permutations=5)
    assert here.mmd2 == pytest.approx(swapped.mmd2, abs=1e-12)
    assert here.mmd2 == pytest.approx(shuffled.mmd2, abs=1e-12)
    np.testing.assert_allclose(here.witness_x, -swapped.witness_y, atol=1e-12)
    np.testing.assert_allclose(here.witness_x[::-1], shuffled.witness_x, atol=1e-12)
    assert (here.low, here.high) == pytest.approx((swapped.low, swapped.high), abs=1e-12)


def test_gamma_and_sigma_say_the_same():
    x, y = cases(9, 8)
    by_gamma = mmd_test(x, y, gamma=0.5 / SIGMA**2, permutations=5)
    assert by_gamma.mmd2 == mmd_test(x, y, bandwidth=SIGMA, permutations=5).mmd2
    assert by_gamma.bandwidth == pytest.approx(SIGMA)


@pytest.mark.parametrize("kind", [np.float16, np.int8, bool, ">f4", np.longdouble])
def test_numbers_of_any_kind_are_computed_in_floats(kind):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (12, 6)), rng.integers(0, 2, (12, 6))
    exact = mmd_test(x.astype(float), y.astype(float), permutations=50)
    found = mmd_test(x.astype(kind), y.astype(kind), permutations=50)
    assert found.mmd2 == pytest.approx(exact.mmd2, abs=1e-6)
    assert found.p_value == exact.p_value


def test_the_samples_are_given_back_unchanged():
    x, y = cases(9, 8)
    kept = x.copy(), y.copy()
    mmd_test(x, y, permutations=5)
    assert (x == kept[0]).all()
    assert (y == kept[1]).all()


OK = np.random.default_rng(0).normal(size=(4, 3))
HOLED = np.where(np.arange(12).reshape(4, 3) == 7, np.nan, OK)


@pytest.mark.parametrize(
    ("x", "y", "more", "said"),
    [
        (OK[0], OK, {}, "x must have a row for each case"),
        (OK, OK[:1], {}, "y has 1 cases; .* at least 2"),
        (OK, OK[:, :0], {}, "y must have a row"),
        (OK, OK[:, :2], {}, "x has 3 columns and y 2"),
        (HOLED, OK, {}, "1 rows of x are not finite, first row 2"),
        (OK, -np.inf * OK, {}, "4 rows of y are not finite, first row 0"),
        (OK.astype(str), OK, {}, "x holds .*, not real numbers"),
        (OK + 1j, OK, {}, "x holds complex128"),
        (OK.astype(object), OK, {}, "x holds object"),
        ([[1, 2], [3]], OK, {}, "x is no table of numbers"),
        (OK, OK, {"kernel": "rfb"}, "'rfb'.*rbf"),
        (OK, OK, {"estimator": "baised"}, "'baised'.*biased"),
        (OK, OK, {"permutations": 0}, "permutations is 0; .* 1 or more"),
        (OK, OK, {"permutations": 10.0}, "permutations is 10.0"),
        (OK, OK, {"permutations": "ten"}, "permutations is 'ten'"),
        (OK, OK, {"permutations": True}, "permutations is True"),
        (OK, OK, {"block": 0}, "block is 0"),
        (OK, OK, {"bandwidth": "large"}, "'large' is not known"),
        (OK, OK, {"gamma": -1}, "gamma -1"),
        (OK, OK, {"groups_x": [1, 2, 3, 4]}, "together"),
        (OK, OK[:3], {"paired": True}, "as many cases of x as of y, not 4 and 3"),
        (OK.astype("f4") * 1e30, OK.astype("f4"), {"gamma": 1.0}, "overflows torch.float32"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_tested_is_told(x, y, more, said):
    with pytest.raises(VesaliusError, match=f"(?s){said}"):
        mmd_test(x, y, **more)


def test_a_wrong_number_of_patients_is_a_data_error():
    with pytest.raises(DataError, match="groups_y has shape .3,.; it must name 4 cases"):
        mmd_test(OK, OK, groups_x=[1, 2, 3, 4], groups_y=[5, 6, 7])
