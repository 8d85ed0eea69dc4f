import json
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vesalius.core import DataError, ImageError
from vesalius.data import read
from vesalius.data.containers import cells as cells_of

CLASSES = ("benign", "malignant", "normal")
LABEL = {"names": list(CLASSES), "_type": "ClassLabel"}


def described(**features):
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def rewritten(root, metadata=None, **changed):
    """Write one shard anew with other columns or another description."""
    for path in sorted((root / "data").glob("*.parquet")):
        table = pq.read_table(path)
        for name, values in changed.items():
            table = table.drop_columns(name) if name in table.column_names else table
            if values is not None:
                table = table.append_column(name, pa.array(values))
        metadata = table.schema.metadata if metadata is None else metadata
        pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=2)
    return root


def saved(root, into, parts=("train", "test")):
    """Write the Parquet shards as ``save_to_disk`` does: a folder of Arrow streams a part."""
    for part in parts:
        own = into / part if parts != ("",) else into
        own.mkdir(parents=True)
        files = []
        paths = sorted((root / "data").glob(f"{part}*.parquet"))
        for number, path in enumerate(paths):
            name = f"data-{number:05}-of-{len(paths):05}.arrow"
            table = pq.read_table(path)
            with pa.ipc.new_stream(own / name, table.schema) as stream:
                stream.write_table(table, max_chunksize=2)
            files.append({"filename": name})
        state = {"_data_files": files, "_fingerprint": "0", "_split": part or None}
        (own / "state.json").write_text(json.dumps(state))
        info = {"features": {"label": LABEL}}
        (own / "dataset_info.json").write_text(json.dumps(info))
    if parts != ("",):
        (into / "dataset_dict.json").write_text(json.dumps({"splits": list(parts)}))
    return into


def test_images_texts_classes_splits_and_attributes_are_read(layout):
    cases = read("hf_dataset", layout("hf_dataset"), patient_id="patient")
    assert cases.case_ids[[0, 3, 8]].tolist() == ["test-000000", "train-000000", "train-000005"]
    assert cases.splits.tolist() == ["test"] * 3 + ["train"] * 6
    assert cases.label_names == CLASSES
    assert cases.task == "multiclass"
    assert cases.labels_NC.argmax(1).tolist() == [0, 1, 0] * 3
    assert cases.texts[0] == "Film 2-0.png."
    assert cases.patient_ids.tolist() == ["p0", "p0", "p1"] * 3
    assert cases.attributes["age"].tolist() == ["60", "61", "62"] * 3
    assert set(cases.attributes) == {"age"}
    assert cases.images.name(3) == "data/train-00000-of-00002.parquet[0]"


def test_each_image_is_its_own_whatever_the_order(layout):
    root = layout("hf_dataset")
    images = read("hf_dataset", root).images
    order = np.random.default_rng(0).permutation(9)
    shuffled = images.take(order)
    expected = [images.content_hash(i) for i in order]
    assert [shuffled.content_hash(i) for i in range(9)] == expected
    assert len(set(expected)) == 9


def test_few_groups_stay_in_memory(layout, monkeypatch):
    images = read("hf_dataset", layout("hf_dataset")).images
    monkeypatch.setattr(cells_of, "KEPT_BYTES", 0)
    for i in range(len(images)):
        images[i]
        assert len(images.cells._groups) == 1


def test_a_worker_opens_its_own(layout):
    images = read("hf_dataset", layout("hf_dataset")).images
    images[0]
    copied = pickle.loads(pickle.dumps(images))
    assert not copied.cells._groups
    np.testing.assert_array_equal(copied[8], images[8])


def test_unknown_classes_are_null_or_minus_one(layout):
    root = rewritten(layout("hf_dataset"), label=[None, -1, 2])
    states = read("hf_dataset", root).labels_NC
    assert np.isnan(states[:2]).all()
    assert states[2].tolist() == [0, 0, 1]


def test_lists_of_classes_are_findings(layout):
    metadata = described(label={"feature": LABEL, "_type": "List"})
    root = rewritten(layout("hf_dataset"), metadata, label=[[0, 2], [], None])
    cases = read("hf_dataset", root)
    assert cases.task == "multilabel"
    assert cases.labels_NC[:2].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert np.isnan(cases.labels_NC[2]).all()


def test_columns_of_states_are_labels(layout):
    root = rewritten(layout("hf_dataset"), edema=[1, 0, -1], mass=[True, None, False])
    cases = read("hf_dataset", root, labels=["edema", "mass"])
    assert cases.label_names == ("edema", "mass")
    np.testing.assert_array_equal(cases.labels_NC[:3], [[1, 1], [0, np.nan], [np.nan, 0]])
    assert cases.attributes["label"].tolist()[:2] == ["benign", "malignant"]


def test_a_column_of_words_is_categories(layout):
    root = rewritten(layout("hf_dataset"), organ=["lung", "heart", ""])
    cases = read("hf_dataset", root, labels="organ")
    assert cases.label_names == ("heart", "lung")
    assert np.isnan(cases.labels_NC[2]).all()


README = """---
license: mit
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': benign
          '1': malignant
          '10': eleventh
          '2': normal
---
# Films
"""


@pytest.mark.parametrize("place", ["README.md", "dataset_info.json"])
def test_class_names_come_from_the_folder_where_the_shards_have_none(layout, place):
    root = rewritten(layout("hf_dataset"), {})
    if place == "README.md":
        (root / place).write_text(README)
    else:
        (root / place).write_text(json.dumps({"features": {"label": LABEL}}))
    assert read("hf_dataset", root).label_names[:3] == CLASSES


def test_without_class_names_two_numbers_are_a_state(layout):
    cases = read("hf_dataset", rewritten(layout("hf_dataset"), {}))
    assert cases.label_names == ("label",)
    assert cases.labels_NC[:3, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize("places", [("train", "test"), ("",)])
def test_what_save_to_disk_wrote_is_read_alike(layout, tmp_path, places):
    root = layout("hf_dataset")
    cases = read("hf_dataset", saved(root, tmp_path / "saved", places))
    assert len(cases) == 9
    assert cases.label_names == CLASSES
    one = read("hf_dataset", root)
    hashes = [{c.image.content_hash for c in own} for own in (cases, one)]
    assert hashes[0] == hashes[1]
    if places != ("",):
        assert cases.splits.tolist() == ["train"] * 6 + ["test"] * 3
    images = pickle.loads(pickle.dumps(cases.images))
    np.testing.assert_array_equal(images[5], cases.images[5])


@pytest.mark.parametrize("place", [".", "default", "own/deep"])
def test_shards_may_lie_elsewhere(layout, place):
    root = layout("hf_dataset")
    if place == ".":
        for path in (root / "data").iterdir():
            path.rename(root / path.name)
    else:
        (root / place).parent.mkdir(exist_ok=True)
        (root / "data").rename(root / place)
    assert len(read("hf_dataset", root, folder="own/deep" if "own" in place else None)) == 9


def test_folders_of_parts_and_a_single_shard_are_read(layout):
    root = layout("hf_dataset")
    (root / "data" / "train").mkdir()
    (root / "data" / "train-00000-of-00002.parquet").rename(root / "data/train/0000.parquet")
    for path in (root / "data").glob("*.parquet"):
        path.unlink()
    assert read("hf_dataset", root).splits.tolist() == ["train"] * 3
    assert len(read("hf_dataset", root / "data/train/0000.parquet")) == 3


def test_images_may_be_bytes_or_lie_in_files(layout, png):
    root = layout("hf_dataset")
    file = png(root / "films" / "a.png")
    raw = file.read_bytes()
    rewritten(root, image=[raw, raw, None])
    cases = read("hf_dataset", root)
    assert [s.reason for s in cases.skipped] == ["holds no image"] * 3
    assert len(cases) == 6
    paths = [{"bytes": None, "path": "films/a.png"}, {"bytes": raw, "path": None},
             {"bytes": None, "path": "films/gone.png"}]  # fmt: skip
    rewritten(root, image=paths)
    cases = read("hf_dataset", root)
    assert [s.reason for s in cases.skipped] == ["films/gone.png: no such file"] * 3
    np.testing.assert_array_equal(cases.images[0], cases.images[1])
    assert cases.images.content_hash(0) == cases.images.content_hash(1)


def test_a_path_outside_the_root_is_refused(layout):
    root = rewritten(layout("hf_dataset"), image=[{"bytes": None, "path": "../../a.png"}] * 3)
    with pytest.raises(DataError, match="leads out of the folder"):
        read("hf_dataset", root)


def test_broken_and_bombed_images_name_their_row(layout, bomb):
    root = layout("hf_dataset")
    rewritten(root, image=[{"bytes": b"no image", "path": "a"},
                           {"bytes": bomb(10**6, 10**6), "path": "b"},
                           {"bytes": b"", "path": ""}])  # fmt: skip
    cases = read("hf_dataset", root)
    with pytest.raises(ImageError, match=r"test-00000-of-00001.parquet\[0\] is not a readable"):
        cases[0].image.read()
    with pytest.raises(ImageError, match=r"\[1\] declares too many pixels"):
        cases[1].image.read()


def test_when_no_image_is_there_the_first_is_named(layout):
    root = rewritten(layout("hf_dataset"), image=[{"bytes": None, "path": "a.png"}] * 3)
    with pytest.raises(DataError, match=r"not one of 9 images is there.*a.png: no such file"):
        read("hf_dataset", root)


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"image": None}, {}, "has no column 'image'; it has label"),
        ({"image": [1, 2, 3]}, {}, "column 'image' is int64, not an image"),
        ({"label": [0, 3, 1]}, {}, "row 2: 'label' is 3; classes are numbers from 0 to 2"),
        ({"label": ["a", "b", "c"]}, {}, "row 1: 'label' is 'a'"),
        ({}, {"labels": "lable"}, "no column 'lable'; did you mean 'label'"),
        ({}, {"text": "captions"}, "no column 'captions'; did you mean 'caption'"),
        ({}, {"patient_id": "patients"}, "no column 'patients'"),
        ({}, {"folder": "../elsewhere"}, "leads out of the folder"),
        ({}, {"folder": "elsewhere"}, r"has no elsewhere/\*.parquet; name one of .*: data"),
        ({}, {"case_id": "caption", "labels": "age"}, "occurs twice"),
    ],
)
def test_what_is_not_as_it_must_be_is_named(layout, changed, settings, message):
    changed = {**changed, "caption": ["a", "a", "b"]} if "case_id" in settings else changed
    root = rewritten(layout("hf_dataset"), **changed)
    with pytest.raises(DataError, match=message):
        read("hf_dataset", root, **settings)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_shard_that_is_cut_off_is_named(layout, tmp_path, share, kind):
    root = layout("hf_dataset")
    root = saved(root, tmp_path / "saved") if kind == "arrow" else root
    path = sorted(root.rglob(f"*.{kind}"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=path.name):
        read("hf_dataset", root)


def test_a_shard_that_goes_away_is_an_error_of_the_image(layout):
    root = layout("hf_dataset")
    cases = read("hf_dataset", root)
    shutil.rmtree(root / "data")
    with pytest.raises(ImageError, match="test-00000-of-00001.parquet, row 0"):
        cases[0].image.read()


def test_a_shard_with_other_columns_is_named(layout):
    root = layout("hf_dataset")
    path = root / "data" / "train-00001-of-00002.parquet"
    pq.write_table(pq.read_table(path).drop_columns("caption"), path)
    with pytest.raises(DataError, match=r"train-00001-of-00002.parquet .*caption"):
        read("hf_dataset", root)


@pytest.mark.parametrize(
    ("name", "text"),
    [("dataset_dict.json", "{}"), ("dataset_dict.json", '{"splits": ["../.."]}'),
     ("state.json", "[]"), ("state.json", '{"_data_files": [{}]}'),
     ("state.json", '{"_data_files": [{"filename": "../../x.arrow"}]}')],
)  # fmt: skip
def test_a_wrong_description_is_named(layout, name, text):
    root = layout("hf_dataset")
    (root / name).write_text(text)
    with pytest.raises(DataError, match=f"{name}|leads out"):
        read("hf_dataset", root)


@pytest.mark.parametrize("head", ["---\na: [\n---\n", "---\na: !!python/object:os.system x\n---\n"])
def test_a_broken_readme_is_named(layout, head):
    root = rewritten(layout("hf_dataset"), {})
    (root / "README.md").write_text(head)
    with pytest.raises(DataError, match="README.md: its head is not valid YAML"):
        read("hf_dataset", root)
