"""Centred kernel alignment."""

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import cka
from vesalius.evaluation.similarity import kernel_alignment, kernels
from vesalius.evaluation.similarity.kernel_alignment import centre_unbiased, linear_product

QUICK = {"replicates": 0, "permutations": 0}
FORMS = [
    {"kernel": kernel, "debiased": debiased}
    for kernel in ("linear", "rbf")
    for debiased in (True, False)
]


def slow(x_ND, y_NE, *, kernel, debiased, bandwidth=1.0):
    """Double loops for the kernels, the printed formulas for HSIC."""
    n = len(x_ND)
    made = []
    for v in (x_ND, y_NE):
        d2 = np.array([[np.sum((a - b) ** 2) for b in v] for a in v])
        sigma = bandwidth * np.median(np.sqrt(d2[np.triu_indices(n, 1)]))
        linear = np.array([[np.sum(a * b) for b in v] for a in v])
        made.append(linear if kernel == "linear" else np.exp(-d2 / (2 * sigma**2)))

    def unbiased(k, l):  # noqa: E741
        k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))  # noqa: E741
        return (k * l).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * np.sum(k @ l)

    def biased(k, l):  # noqa: E741
        h = np.eye(n) - 1 / n
        return np.trace(k @ h @ l @ h)

    hsic = unbiased if debiased else biased
    return hsic(*made) / np.sqrt(hsic(made[0], made[0]) * hsic(made[1], made[1]))


@pytest.mark.parametrize("form", FORMS)
def test_a_representation_is_wholly_like_itself_turned_and_scaled(form, make_pair):
    x_ND, _ = make_pair()
    turn_DD = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    found = cka(x_ND, 3 * x_ND @ turn_DD + 2, replicates=50, permutations=99, **form)
    assert found.value == pytest.approx(1, abs=1e-10)
    assert found.low == pytest.approx(1, abs=1e-10)
    assert found.p_value == 0.01
    assert found.on_floor


@pytest.mark.parametrize("form", FORMS)
def test_values_equal_a_slow_loop(form, make_pair, monkeypatch):
    x_ND, y_NE = make_pair()
    expected = slow(x_ND, y_NE, **form)
    assert cka(x_ND, y_NE, **form, **QUICK).value == pytest.approx(expected, abs=1e-10)
    monkeypatch.setattr(kernel_alignment, "GATHER", 0)  # by matrices instead of features
    assert cka(x_ND, y_NE, **form, **QUICK).value == pytest.approx(expected, abs=1e-10)
    assert cka(y_NE, x_ND, **form, **QUICK).value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_features_matrices_and_tiles_give_the_same_interval_and_null(form, make_pair, monkeypatch):
    x_ND, y_NE = make_pair()
    settings = {"replicates": 60, "permutations": 40, **form}
    first = cka(x_ND, y_NE, **settings)
    monkeypatch.setattr(kernel_alignment, "GATHER", 0)
    second = cka(x_ND, y_NE, **settings)
    for module in (kernels, kernel_alignment):
        monkeypatch.setattr(module, "WHOLE_BYTES", 0)
    third = cka(x_ND, y_NE, **settings)
    for other in (second, third):
        np.testing.assert_allclose([other.low, other.high], [first.low, first.high], atol=1e-10)
        np.testing.assert_allclose(other.null_P, first.null_P, atol=1e-10)


def test_unrelated_wide_features_are_near_0_where_the_plain_form_is_not():
    rng = np.random.default_rng(0)
    x_ND, y_NE = rng.normal(size=(60, 500)), rng.normal(size=(60, 500))
    assert abs(cka(x_ND, y_NE, **QUICK).value) < 0.05
    assert cka(x_ND, y_NE, debiased=False, **QUICK).value > 0.8


def test_the_null_equals_cka_of_shuffled_rows(make_pair):
    x_ND, y_NE = make_pair(n=20)
    for form in FORMS:
        order_N = np.random.default_rng(3).permutation(20)
        null = cka(x_ND, y_NE[order_N], **form, **QUICK).value
        assert null == pytest.approx(slow(x_ND, y_NE[order_N], **form), abs=1e-10)


def test_u_centred_rows_add_up_to_0(make_pair):
    x_ND, _ = make_pair()
    a_NN = centre_unbiased(x_ND @ x_ND.T)
    np.testing.assert_allclose(a_NN.sum(1), 0, atol=1e-10)
    c_ND = x_ND - x_ND.mean(0)
    assert linear_product(c_ND, c_ND, debiased=True) == pytest.approx(np.sum(a_NN**2))


def test_a_large_bandwidth_gives_the_linear_form(make_pair):
    x_ND, y_NE = make_pair()
    wide = cka(x_ND, y_NE, kernel="rbf", bandwidth=1e4, **QUICK).value
    assert wide == pytest.approx(cka(x_ND, y_NE, **QUICK).value, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_constant_features_have_no_value_and_say_so(form, make_pair, recwarn):
    x_ND, _ = make_pair()
    found = cka(x_ND, np.full((40, 3), 0.1, dtype=np.float32), **form)
    assert np.isnan([found.value, found.low, found.p_value]).all()
    assert "every case is the same in y" in found.notes[-1]
    assert not recwarn.list


def test_cases_that_are_all_equally_far_apart_have_no_debiased_value():
    found = cka(np.eye(6), np.random.default_rng(0).normal(size=(6, 3)))
    assert np.isnan(found.value)
    assert "equally far apart" in found.notes[0]


def test_half_precision_is_worked_out_in_double(make_pair):
    halves = [v.astype(np.float16) for v in make_pair()]
    expected = slow(*(v.astype(np.float64) for v in halves), kernel="linear", debiased=True)
    assert cka(*halves, **QUICK).value == pytest.approx(expected, abs=1e-10)


def test_scales_at_the_ends_of_the_floats_do_not_matter(make_pair):
    x_ND, y_NE = make_pair()
    found = cka(x_ND * 1e200, y_NE * 1e-200, **QUICK).value
    assert found == pytest.approx(cka(x_ND, y_NE, **QUICK).value, abs=1e-10)


def test_settings_that_make_no_sense_are_refused(make_pair):
    x_ND, y_NE = make_pair()
    with pytest.raises(ChoiceError, match="did you mean 'linear'"):
        cka(x_ND, y_NE, kernel="liner")
    with pytest.raises(DataError, match="bandwidth 0 must be"):
        cka(x_ND, y_NE, kernel="rbf", bandwidth=0)
    with pytest.raises(DataError, match="4 are the least"):
        cka(x_ND[:3], y_NE[:3])
