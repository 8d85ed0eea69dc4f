"""Deletion and insertion: what a map marks carries the score, or not."""

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.evaluation import (
    Explained,
    case_scores,
    deletion_insertion,
    faithfulness_values,
)


def linear_model(weight_HW):
    return lambda images_BHW: (images_BHW * weight_HW).sum((1, 2))


def test_a_linear_models_curves_are_sums_of_sorted_contributions():
    rng = np.random.default_rng(0)
    image_HW, weight_HW = rng.random((6, 7)), rng.random((6, 7))
    contribution_HW = image_HW * weight_HW
    curves = deletion_insertion(
        linear_model(weight_HW), image_HW, contribution_HW, steps=42, baseline="zero"
    )
    kept = np.append(0, np.cumsum(np.sort(contribution_HW.ravel())[::-1]))
    np.testing.assert_allclose(curves.insertion_S, kept, atol=1e-10)
    np.testing.assert_allclose(curves.deletion_S, contribution_HW.sum() - kept, atol=1e-10)
    np.testing.assert_allclose(curves.share_S, np.arange(43) / 42)
    area = sum((a + b) / 2 / 42 for a, b in zip(kept[1:], kept[:-1], strict=True))
    assert curves.insertion_auc == pytest.approx(area, abs=1e-10)


def test_the_right_order_beats_a_random_one_and_that_beats_the_wrong_one():
    rng = np.random.default_rng(1)
    image_HW, weight_HW = rng.random((12, 12)), rng.random((12, 12)) ** 6
    maps = [image_HW * weight_HW, rng.random((12, 12)), -image_HW * weight_HW]
    all_curves = [
        deletion_insertion(linear_model(weight_HW), image_HW, m, baseline="zero") for m in maps
    ]
    deletion, insertion = zip(*[(c.deletion_auc, c.insertion_auc) for c in all_curves], strict=True)
    assert deletion[0] < deletion[1] < deletion[2]
    assert insertion[0] > insertion[1] > insertion[2]


@pytest.mark.parametrize("baseline", ["blur", "mean", "zero"])
def test_curves_run_between_the_image_and_the_baseline(baseline):
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
    seen = []

    def predict(images):
        seen.append(images)
        return images.mean((1, 2, 3)) / 255

    curves = deletion_insertion(
        predict, image, rng.random((9, 8)), steps=5, baseline=baseline, batch_size=4
    )
    assert all(images.dtype == np.uint8 for images in seen)
    assert [len(images) for images in seen] == [4, 4, 4]
    first, last = curves.deletion_S[0], curves.deletion_S[-1]
    assert (first, last) == (curves.insertion_S[-1], curves.insertion_S[0])
    assert first == pytest.approx(image.mean() / 255)
    if baseline == "zero":
        assert last == 0
    else:
        assert last == pytest.approx(first, abs=0.05)


def test_batches_do_not_change_the_curves():
    rng = np.random.default_rng(3)
    image_HW, map_HW = rng.random((10, 10)), rng.random((10, 10))
    one, many = (
        deletion_insertion(linear_model(map_HW), image_HW, map_HW, batch_size=b) for b in (1, 500)
    )
    np.testing.assert_allclose(one.deletion_S, many.deletion_S, atol=1e-12)
    np.testing.assert_allclose(one.insertion_S, many.insertion_S, atol=1e-12)


def test_equal_values_come_in_random_order_and_not_from_the_top():
    image_HW = np.zeros((20, 20))
    image_HW[:2] = 1  # what would go first, were ties taken row by row
    top = linear_model(np.ones((20, 20)) / 40)
    curves = deletion_insertion(top, image_HW, np.zeros((20, 20)), baseline="zero")
    assert curves.deletion_auc == pytest.approx(0.5, abs=0.1)
    again = deletion_insertion(top, image_HW, np.zeros((20, 20)), baseline="zero")
    np.testing.assert_array_equal(curves.deletion_S, again.deletion_S)


def test_small_images_take_as_many_steps_as_they_have_pixels():
    curves = deletion_insertion(linear_model(1.0), np.ones((2, 2)), np.eye(2), baseline="zero")
    assert curves.share_S.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_areas_become_a_table_with_intervals():
    rng = np.random.default_rng(4)
    rows = []
    for i in range(12):
        image_HW, weight_HW = rng.random((8, 8)), rng.random((8, 8))
        curves = deletion_insertion(
            linear_model(weight_HW), image_HW, image_HW * weight_HW, steps=8, baseline="zero"
        )
        rows.append(Explained(f"c{i}", "Mass", curves, f"p{i // 2}"))
    scores = {s.name: s for s in case_scores(faithfulness_values(rows), replicates=200)}
    gap = scores["macro_insertion_minus_deletion"]
    assert gap.low > 0
    assert gap.clusters == 6
    assert gap.note == "baseline zero"
    assert gap.value == pytest.approx(
        scores["macro_insertion_auc"].value - scores["macro_deletion_auc"].value
    )
    blurred = deletion_insertion(linear_model(1.0), np.eye(8), np.eye(8), steps=2)
    with pytest.raises(DataError, match="blur, zero"):
        faithfulness_values([*rows, Explained("d", "Mass", blurred, "q")])


def test_what_does_not_fit_is_refused():
    image_HW = np.ones((4, 4))
    with pytest.raises(DataError, match=r"\(4, 4\) and \(4, 5\)"):
        deletion_insertion(linear_model(1.0), image_HW, np.ones((4, 5)))
    with pytest.raises(DataError, match="finite"):
        deletion_insertion(linear_model(1.0), image_HW, np.full((4, 4), np.nan))
    with pytest.raises(DataError, match="finite scores for 32 images"):
        deletion_insertion(lambda images: images, image_HW, np.ones((4, 4)))
    with pytest.raises(DataError, match="NaN"):
        deletion_insertion(lambda images: np.full(len(images), np.nan), image_HW, image_HW)
    with pytest.raises(DataError, match="steps is 0"):
        deletion_insertion(linear_model(1.0), image_HW, image_HW, steps=0)
    with pytest.raises(ChoiceError, match="choose one of blur, mean, zero"):
        deletion_insertion(linear_model(1.0), image_HW, image_HW, baseline="grey")
