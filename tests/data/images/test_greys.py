from math import exp

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.data.images import greys
from vesalius.data.images.greys import Window, stretched, window_of, windowed


def by_the_standard(x, centre, width, curve):
    """DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3, one value at a time, output 0 to 255."""
    if curve == "SIGMOID":
        return 255 / (1 + exp(min(-4 * (x - centre) / width, 700)))
    if curve == "LINEAR_EXACT":
        if x <= centre - width / 2:
            return 0
        return 255 if x > centre + width / 2 else ((x - centre) / width + 0.5) * 255
    if x <= centre - 0.5 - (width - 1) / 2:
        return 0
    if x > centre - 0.5 + (width - 1) / 2:
        return 255
    return ((x - (centre - 0.5)) / (width - 1) + 0.5) * 255


@pytest.mark.parametrize("curve", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600, 1500), (0, 1), (7, 2), (3, 90.5)])
def test_a_window_is_the_standards(curve, centre, width):
    values = np.arange(-1500, 1500).reshape(30, 100)
    expected = [[by_the_standard(x, centre, width, curve) for x in row] for row in values]
    own = windowed(values, Window(centre, width, curve))
    assert own.dtype == np.uint8
    np.testing.assert_allclose(own, expected, atol=0.5 + 1e-9)


def test_a_window_shows_what_it_is():
    assert str(Window(40, 400)) == "window 40/400"
    assert str(Window(-0.5, 1e3, "LINEAR_EXACT")) == "window -0.5/1000 linear exact"


@pytest.mark.parametrize("bad", ["40", "40,", "a,b", "40,0", "40,nan", "inf,3", "1,2,3", ""])
def test_what_is_no_window_is_an_error_with_its_place(bad):
    with pytest.raises(DataError, match="ct.dcm: window=.* is not centre,width"):
        window_of(bad, "ct.dcm")


def test_nan_is_black_in_a_window():
    assert windowed(np.array([[np.nan, 1e9, -np.inf]]), Window(0, 10)).tolist() == [[0, 255, 0]]


def test_a_stretch_goes_from_the_least_to_the_greatest_of_what_counts():
    values = np.array([[-2000, 0, 50, 100]], np.int16)
    among = values > -2000
    assert stretched(values).tolist() == [[0, 243, 249, 255]]
    assert stretched(values, among_HW=among).tolist() == [[0, 0, 128, 255]]


def test_a_few_extremes_do_not_matter_between_percentiles():
    values = np.linspace(0, 1, 10_000).reshape(100, 100)
    values[0, 0] = 1e6
    grey = stretched(values, tails=(0.5, 99.5))
    assert 126 <= np.median(grey) <= 129
    assert np.median(stretched(values)) == 0


@pytest.mark.parametrize(
    "values",
    [np.full((3, 4), 7), np.full((3, 4), np.nan), np.zeros((0, 4)), np.array([[np.inf, np.nan]])],
)
def test_what_has_no_range_is_black(values):
    assert not stretched(values)[~np.isposinf(values)].any()


def test_the_whole_range_of_floats_does_not_overflow():
    top = np.finfo(np.float64).max
    assert stretched(np.array([[-top, top]])).shape == (1, 2)


def test_large_images_are_worked_on_in_parts_with_the_same_result(monkeypatch):
    values = np.random.default_rng(0).integers(0, 4096, (37, 11))
    whole = stretched(values), windowed(values, Window(2000, 700))
    monkeypatch.setattr(greys, "BLOCK", 25)
    np.testing.assert_array_equal(stretched(values), whole[0])
    np.testing.assert_array_equal(windowed(values, Window(2000, 700)), whole[1])
