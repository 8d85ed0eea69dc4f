"""The nouns keep their columns of one length, and say which one is wrong.

Legend of shapes: N cases, C labels, D width.
"""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from vesalius.core import (
    ArrayImages,
    Box,
    CaseSet,
    ChoiceError,
    DataError,
    Embeddings,
    Predictions,
    Regions,
    Score,
    mask_box,
    unknown,
)


def cases(n=5, **changes):
    """Return n cases with two labels; the second of the first case is unknown."""
    labels_NC = np.tile([1.0, 0.0], (n, 1))
    labels_NC[0, 1] = np.nan
    made = {
        "case_ids": np.array([f"c{i}" for i in range(n)]),
        "images": ArrayImages(np.zeros((n, 4, 6), np.uint8), [f"{i}.png" for i in range(n)]),
        "labels_NC": labels_NC,
        "label_names": ("Edema", "Nodule"),
        "patient_ids": np.array([f"p{i // 2}" for i in range(n)]),
        "texts": np.array([f"text {i}" for i in range(n)], dtype=object),
        "attributes": {"age": np.arange(n)},
        "regions": Regions([(Box("Edema", i, 0, 1, 1),) for i in range(n)]),
        "source": "a set",
    }
    return CaseSet(**(made | changes))


def predictions(n=4, **changes):
    made = {
        "case_ids": np.array([f"c{i}" for i in range(n)]),
        "scores_NC": np.linspace(0, 1, 2 * n).reshape(n, 2),
        "truths_NC": np.tile([1.0, np.nan], (n, 1)),
        "label_names": ("a", "b"),
        "splits": np.array(["validation", "test"] * (n // 2)),
    }
    return Predictions(**(made | changes))


def test_an_unknown_label_is_none_and_never_negative():
    assert cases()[0].labels == {"Edema": True, "Nodule": None}
    assert cases()[1].labels == {"Edema": True, "Nodule": False}


def test_a_case_opens_its_image_when_it_is_read():
    case = cases()[3]
    assert case.image.read().shape == (4, 6)
    assert (case.case_id, case.patient_id, case.text) == ("c3", "p1", "text 3")
    assert case.boxes == (Box("Edema", 3, 0, 1, 1),)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([3, 1], ["c3", "c1"]), ([-1], ["c4"]), ([], []), (np.arange(5) > 3, ["c4"]),
     ([2, 2][:1], ["c2"])],
)  # fmt: skip
def test_select_takes_positions_or_truth_values_in_every_column(rows, expected):
    chosen = cases().select(rows)
    assert chosen.case_ids.tolist() == expected
    assert [f"text {name[1:]}" for name in expected] == list(chosen.texts)
    assert chosen.attributes["age"].tolist() == [int(name[1:]) for name in expected]
    assert [chosen.regions.boxes(i)[0].x for i in range(len(chosen))] == [
        int(name[1:]) for name in expected
    ]


@pytest.mark.parametrize("rows", [[5], [-6], [0.5], [True, False], [[0]], ["c0"]])
def test_rows_that_are_not_there_are_refused(rows):
    with pytest.raises(DataError, match="a set"):
        cases().select(rows)


def test_cases_are_found_by_id_in_the_order_asked_for():
    assert cases().of_cases(["c4", "c0"]).case_ids.tolist() == ["c4", "c0"]
    with pytest.raises(DataError, match="'c9'"):
        cases().of_cases(["c0", "c9"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"patient_ids": np.array(["p"])}, "patient_ids"),
        ({"attributes": {"age": np.arange(2)}}, "age"),
        ({"labels_NC": np.zeros((5, 3))}, "labels_NC"),
        ({"labels_NC": np.full((5, 2), 0.5)}, "1, 0 or NaN"),
        ({"case_ids": np.array(["c0"] * 5)}, "'c0' occurs twice"),
        ({"case_ids": np.arange(5)}, "case_ids"),
        ({"task": "regression"}, "multilabel"),
    ],
)
def test_a_wrong_column_is_named(changes, said):
    with pytest.raises((DataError, ChoiceError), match=said):
        cases(**changes)


def test_nouns_are_frozen():
    with pytest.raises(FrozenInstanceError):
        cases().source = "other"


def test_a_mask_gives_the_smallest_box_around_it():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask_HW = rng.random((7, 9)) > 0.9
        inside = [(x, y) for y in range(7) for x in range(9) if mask_HW[y, x]]
        box = mask_box("a", mask_HW)
        if not inside:
            assert box is None
            continue
        xs, ys = zip(*inside, strict=True)
        width, height = max(xs) - min(xs) + 1, max(ys) - min(ys) + 1
        assert box == Box("a", min(xs), min(ys), width, height)


def test_images_in_an_array_must_be_bytes():
    with pytest.raises(DataError, match="uint8"):
        ArrayImages(np.zeros((2, 4, 4)), ["a", "b"])
    with pytest.raises(DataError, match="names"):
        ArrayImages(np.zeros((2, 4, 4), np.uint8), ["a"])


def test_the_hash_of_an_image_follows_its_pixels():
    values = np.zeros((2, 4, 4), np.uint8)
    values[1, 0, 0] = 1
    images = ArrayImages(values, ["a", "b"])
    assert images.content_hash(0) != images.content_hash(1)
    assert images.content_hash(0) == images.take(np.array([0])).content_hash(0)


def test_embeddings_are_found_by_case_and_normalised_on_demand():
    values_ND = np.array([[3.0, 4.0], [0.0, 2.0]], np.float32)
    found = Embeddings(values_ND, np.array(["a", "b"]), "image")
    assert found.of_cases(["b", "a"]).values_ND.tolist() == [[0, 2], [3, 4]]
    np.testing.assert_allclose(found.normalised(), [[0.6, 0.8], [0, 1]], rtol=1e-6)
    with pytest.raises(DataError, match="'c'"):
        found.of_cases(["c"])


@pytest.mark.parametrize(
    ("values", "modality"),
    [(np.zeros((3, 2)), "image"), (np.zeros(2), "image"), (np.ones((2, 2)), "sound")],
)
def test_wrong_embeddings_are_refused(values, modality):
    with pytest.raises(DataError):
        Embeddings(values, np.array(["a", "b"]), modality)


def test_a_ledger_splits_and_refuses_truths_that_are_none():
    assert predictions().split("test").case_ids.tolist() == ["c1", "c3"]
    with pytest.raises(DataError, match="truth"):
        predictions(truths_NC=np.full((4, 2), 2.0))
    with pytest.raises(DataError, match="splits"):
        predictions(splits=np.array(["test"]))


def test_a_score_prints_its_interval_or_why_there_is_none():
    score = Score("auroc", 0.8123, 0.781, 0.84, n=412)
    assert str(score) == "auroc 0.812 [0.781, 0.840] (n=412)"
    alone = replace(score, low=float("nan"), note="one patient")
    assert "one patient" in str(alone)
    assert json.loads(json.dumps(alone.as_dict(), allow_nan=False))["low"] is None


def test_an_unknown_name_is_answered_with_the_nearest_and_all_choices():
    error = unknown("reader", "phantm", ["phantom", "folder"])
    assert "did you mean 'phantom'" in str(error)
    assert "folder, phantom" in str(error)
    assert "did you mean" not in str(unknown("reader", 7, ["phantom"]))
