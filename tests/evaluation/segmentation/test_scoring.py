"""Masks of many cases: what counts, what misses, what is left out."""

import numpy as np
import pytest

from vesalius.core import DataError, Mask
from vesalius.evaluation import Segmented, case_scores, segmentation_values
from vesalius.evaluation.segmentation.overlap import dsc, iou
from vesalius.evaluation.segmentation.surface import hd95, nsd


def square(start, side=5, shape=(20, 22)):
    mask = np.zeros(shape, bool)
    mask[start : start + side, start : start + side] = True
    return mask


def scored(rows, **settings):
    table = segmentation_values(rows, **settings)
    return table, {(s.name, s.label): s for s in case_scores(table, replicates=100)}


def test_each_row_holds_the_measures_of_its_masks():
    rows = [
        Segmented(f"c{i}", "Lesion", square(i, 5 + i % 2), square(3), f"p{i // 2}", (0.5, 2.0))
        for i in range(6)
    ]
    table = segmentation_values(rows, tolerance=1.5)
    for row, values in zip(rows, table.values_NK, strict=True):
        pair = row.predicted, row.truth
        expected = [
            dsc(*pair),
            iou(*pair),
            nsd(*pair, tolerance=1.5, spacing=row.spacing),
            hd95(*pair, spacing=row.spacing),
        ]
        assert values.tolist() == expected
    assert table.patient_ids.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]


def test_a_missing_prediction_counts_as_an_empty_one_and_is_told():
    truth = square(3)
    missing = Segmented("a", "Lesion", None, truth, "p")
    empty = Segmented("b", "Lesion", np.zeros_like(truth), Mask(truth, "Lesion"), "q")
    right = Segmented("c", "Lesion", Mask(truth, "Lesion", "own"), truth, "r")
    table, scores = scored([missing, empty, right])
    np.testing.assert_array_equal(table.values_NK[0], table.values_NK[1])
    assert table.values_NK[0].tolist() == pytest.approx([0, 0, 0, np.hypot(19, 21)])
    score = scores["dsc", "Lesion"]
    assert score.value == pytest.approx(1 / 3)
    assert score.n == 3
    assert "2 empty predictions counted as misses" in score.note
    assert "within 2; 2 empty" in scores["nsd", "Lesion"].note
    assert "2 empty predictions" in scores["macro_hd95", ""].note


def test_nothing_where_nothing_is_agrees_and_is_told():
    empty = np.zeros((6, 6))
    right = Segmented("a", "Lesion", empty, empty, "p")
    wrong = Segmented("b", "Lesion", np.ones((6, 6)), empty, "q")
    table, scores = scored([right, wrong])
    assert table.values_NK.tolist() == [[1, 1, 1, 0], [0, 0, 0, pytest.approx(np.hypot(5, 5))]]
    assert "1 cases empty in both" in scores["dsc", "Lesion"].note


def test_cases_without_a_reference_are_left_out_and_counted():
    rows = [Segmented(f"c{i}", "Lesion", square(2), square(3), f"p{i}") for i in range(3)]
    table, scores = scored([*rows, Segmented("d", "Lesion", square(2), None, "q")])
    assert len(table) == 3
    assert "1 cases without a reference left out" in scores["iou", "Lesion"].note


def test_masks_of_different_shapes_name_their_case():
    row = Segmented("odd", "Lesion", np.ones((4, 4)), np.ones((4, 5)))
    with pytest.raises(DataError, match=r"'odd', finding 'Lesion': .*\(4, 4\), .*\(4, 5\)"):
        segmentation_values([row])
    with pytest.raises(DataError, match="tolerance"):
        segmentation_values([], tolerance=-1)
