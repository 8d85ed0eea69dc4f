"""Figures of comparisons: what stands in them in words, and that nothing breaks at the edges."""

import numpy as np
import pytest

from vesalius.core import Score
from vesalius.reporting import figures


def is_svg(figure):
    return figure.media == "image/svg+xml"


@pytest.fixture
def null_P():
    return np.random.default_rng(0).normal(0, 0.01, 99)


def test_a_null_says_its_range_what_was_observed_and_how_many_reach_it(null_P):
    figure = figures.null_histogram(null_P, 0.0, p_value=0.51)
    reached = int((null_P >= 0).sum())
    assert f"{reached} of them reach it" in figure.alt
    assert "observed 0, p = 0.51" in figure.alt
    assert is_svg(figure)


@pytest.mark.parametrize("observed", [5.0, -5.0])
def test_an_observed_value_far_away_does_not_squeeze_the_null(null_P, observed, drawn):
    figures.null_histogram(null_P, observed, p_value=0.01)
    (axes,) = drawn[-1].axes
    low, high = axes.get_xlim()
    assert high - low < 3 * np.ptp(null_P)
    assert not axes.lines, "an arrow, not a line at a place where it is not"


def test_an_observed_value_near_by_is_a_line_at_its_place(null_P, drawn):
    figures.null_histogram(null_P, 0.03, p_value=0.01)
    (line,) = drawn[-1].axes[0].lines
    assert line.get_xdata()[0] == 0.03


def test_a_null_without_spread_is_drawn():
    assert is_svg(figures.null_histogram(np.zeros(19), 0.0, p_value=1.0))


def rates(*values):
    return {
        10 * 2**i: Score("power", v, max(v - 0.1, 0), min(v + 0.1, 1), n=100)
        for i, v in enumerate(values)
    }


def test_a_power_curve_tells_every_rate_and_marks_the_number_needed(drawn):
    figure = figures.power_curve(rates(0.1, 0.5, 0.9), needed=32.0, caption="About 32.")
    assert "10: 10 %, 20: 50 %, 40: 90 %" in figure.alt
    assert any(text.get_text() == " 32" for text in drawn[-1].axes[0].texts)
    assert figure.caption == "About 32."


def test_a_power_curve_that_never_gets_there_marks_no_number(drawn):
    figures.power_curve(rates(0.1, 0.2))
    assert {t.get_text() for t in drawn[-1].axes[0].texts} == {"power 0.8", "level 0.05"}


def test_a_power_curve_of_no_sizes_says_so(drawn):
    figures.power_curve({})
    said = [text.get_text() for text in drawn[-1].findobj(lambda a: hasattr(a, "get_text"))]
    assert "Too few cases to draw from" in said


def cells(drawing):
    return [text.get_text() for text in drawing.axes[0].texts]


def test_a_heat_map_names_its_largest_and_leaves_the_unknown_blank(drawn):
    figure = figures.heat_map([[0.5, np.nan], [1.0, 0.25]], ["a", "b"], ["c", "d"], name="CKA")
    assert "CKA of 2 rows and 2 columns; the largest, 1, is b with c" in figure.alt
    assert cells(drawn[-1]) == [".50", "", "1.00", ".25"]


def test_small_numbers_of_a_heat_map_keep_two_digits(drawn):
    figures.heat_map([[0.0134, -0.002]], ["a"], ["b", "c"], name="MMD²", top=None)
    assert cells(drawn[-1]) == [".013", "−.002"]


def test_a_heat_map_of_nothing_known_is_drawn():
    assert is_svg(figures.heat_map([[np.nan]], ["a"], ["b"], name="CKA", top=None))


def test_a_ranked_sheet_tells_rows_in_order_with_their_lines(drawn):
    image = np.zeros((8, 8), np.uint8)
    rows = [
        ("most like A", [image, image], ["one +0.2", "two +0.1"]),
        ("most like B", [image], ["x"]),
    ]
    figure = figures.ranked_sheet(rows, caption="c")
    assert figure.media == "image/jpeg"
    assert figure.alt == "most like A: one +0.2, two +0.1; most like B: x"
    assert len(drawn[-1].findobj(lambda a: type(a).__name__ == "AxesImage")) == 3


def test_a_ranked_sheet_without_images_says_so(drawn):
    figures.ranked_sheet([("most like A", [], [])])
    said = [text.get_text() for text in drawn[-1].findobj(lambda a: hasattr(a, "get_text"))]
    assert "No images" in said


@pytest.fixture
def drawn(monkeypatch):
    """Keep what is painted, so that a test can look at it."""
    from vesalius.reporting.figures import style

    kept, draw = [], style.draw

    def keeping(paint, **settings):
        def both(drawing):
            paint(drawing)
            kept.append(drawing)

        return draw(both, **settings)

    monkeypatch.setattr(style, "draw", keeping)
    return kept
