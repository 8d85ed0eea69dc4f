import io
import pickle
import zipfile

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read


def labels(*values):
    """Return label arrays of the three splits (5, 2 and 3 images) in the given shape."""
    whole = np.array(values, dtype=np.uint8)
    return {
        "train_labels": whole[:5], "val_labels": whole[5:7], "test_labels": whole[7:10]
    }  # fmt: skip


TEN = [0, 1, 0, 1, 1, 0, 1, 0, 1, 1]


def test_images_labels_and_splits_are_read(layout):
    cases = read("medmnist", layout("medmnist"))
    assert cases.task == "multiclass"
    assert cases.label_names == ("malignant", "normal, benign")
    assert cases.splits.tolist() == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
    assert cases.case_ids[[0, 5, 9]].tolist() == [
        "train-000000", "validation-000000", "test-000002"
    ]  # fmt: skip
    assert cases.patient_ids is None
    assert cases[9].image.read().shape == (28, 28)


@pytest.mark.parametrize("shape", [(10,), (10, 1)])
def test_labels_of_one_column_are_classes(layout, shape):
    root = layout("medmnist", **labels(*np.reshape(TEN, shape)))
    cases = read("medmnist", root)
    np.testing.assert_array_equal(cases.labels_NC[:, 1], TEN)
    np.testing.assert_array_equal(cases.labels_NC.sum(1), 1)


def test_labels_of_several_columns_are_findings(layout):
    states = np.random.default_rng(0).integers(0, 2, (10, 14))
    cases = read("medmnist", layout("medmnist", name="chestmnist", **labels(*states)))
    assert cases.task == "multilabel"
    assert cases.label_names[:3] == ("atelectasis", "cardiomegaly", "effusion")
    np.testing.assert_array_equal(cases.labels_NC, states)


def test_a_set_that_the_package_does_not_know_has_numbered_classes(layout):
    cases = read("medmnist", layout("medmnist", name="own", **labels(*[0, 1, 2, 3, 4] * 2)))
    assert cases.label_names == ("class 0", "class 1", "class 2", "class 3", "class 4")


def test_without_the_package_classes_are_numbered_and_the_log_says_how_to_name_them(
    layout, monkeypatch, caplog
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with caplog.at_level("INFO", logger="vesalius"):
        cases = read("medmnist", layout("medmnist"))
    assert cases.label_names == ("class 0", "class 1")
    assert "pip install 'vesalius[medmnist]'" in caplog.text


def test_larger_images_are_found_by_size(layout):
    root = layout("medmnist", name="breastmnist_64")
    assert len(read("medmnist", root, name="breastmnist", size=64)) == 10
    assert read("medmnist", root).label_names == ("malignant", "normal, benign")
    with pytest.raises(DataError, match="has no breastmnist.npz; it has breastmnist_64.npz"):
        read("medmnist", root, name="breastmnist")
    with pytest.raises(ChoiceError, match="unknown size '32'"):
        read("medmnist", root, name="breastmnist", size=32)


def test_several_files_must_be_told_apart(layout):
    layout("medmnist", name="a")
    with pytest.raises(DataError, match="a.npz, b.npz; say which set with name="):
        read("medmnist", layout("medmnist", name="b"))


def test_nothing_is_unpacked_before_an_image_is_asked_for(layout):
    cases = read("medmnist", layout("medmnist"))
    arrays = cases.images.arrays
    assert not any(name.endswith("_images") for name in arrays._unpacked)
    cases.split("test")[0].image.read()
    assert "test_images" in arrays._unpacked
    assert "train_images" not in arrays._unpacked
    assert pickle.loads(pickle.dumps(arrays))._unpacked == {}


def test_a_read_image_is_the_readers_own(layout):
    cases = read("medmnist", layout("medmnist"))
    first = cases[0].image.read()
    first[:] = 0
    assert cases[0].image.read().any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"val_images": np.zeros((2, 28, 28, 28), np.uint8)}, r"shape \(2, 28, 28, 28\); 2-D"),
        ({"val_images": np.zeros((2, 28), np.uint8)}, "2-D images"),
        ({"val_images": np.zeros((2, 28, 28), np.float32)}, "float32"),
        ({"val_labels": np.zeros((3, 1), np.uint8)}, "but there are 2 images"),
        ({"val_labels": np.zeros((2, 1, 1), np.uint8)}, "val_labels has shape"),
        ({"val_labels": np.array([[0.5], [1.0]])}, "no class numbers"),
        ({"val_labels": np.array([[-1], [1]])}, "no class numbers"),
        ({"val_labels": np.array([[{}], [1]], dtype=object)}, "Python objects"),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused(layout, changed, message):
    with pytest.raises(DataError, match=message):
        read("medmnist", layout("medmnist", **changed))


def test_a_pickle_in_the_file_is_never_run(layout):
    class Bad:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was run",))

    bad = np.array([Bad(), Bad()], dtype=object)
    with pytest.raises(DataError, match="Python objects, which are not read"):
        read("medmnist", layout("medmnist", val_images=bad))


def test_a_missing_array_is_named(layout):
    root = layout("medmnist")
    with np.load(root / "breastmnist.npz") as whole:
        np.savez(root / "breastmnist.npz", train_images=whole["train_images"])
    with pytest.raises(DataError, match="no array 'val_images'; it has train_images"):
        read("medmnist", root)


def test_a_header_that_declares_more_than_is_there_is_refused_before_it_is_read(layout):
    root = layout("medmnist")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 28, 28)}
    )
    with zipfile.ZipFile(root / "breastmnist.npz", "a") as archive:
        archive.writestr("huge_images.npy", header.getvalue())
    from vesalius.data.containers.arrays import Arrays

    with pytest.raises(DataError, match="its data differs"):
        Arrays(root / "breastmnist.npz")["huge_images"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(layout, share):
    root = layout("medmnist")
    whole = (root / "breastmnist.npz").read_bytes()
    (root / "breastmnist.npz").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match="not a readable .npz file"):
        read("medmnist", root)


def test_the_real_breastmnist_has_its_known_counts(real_data):
    for root in (real_data("medmnist"), real_data("medmnist") / "breastmnist.npz"):
        cases = read("medmnist", root)
        assert [len(cases.split(s)) for s in ("train", "validation", "test")] == [546, 78, 156]
        assert cases.label_names == ("malignant", "normal, benign")
        assert cases.labels_NC.sum(0).tolist() == [210, 570]
