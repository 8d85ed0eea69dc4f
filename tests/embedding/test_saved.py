"""Rows on disk: memory-mapped, whole or absent, broken ones named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vesalius import embedding
from vesalius.core import DataError, Embeddings
from vesalius.embedding import Store, open_embeddings, save


def some(n=5, seed=0):
    values = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    return Embeddings(values, np.array([f"c{i}" for i in range(n)]), "image", {"model": "m"})


def test_saved_embeddings_open_again_memory_mapped(tmp_path):
    save(some(), tmp_path)
    found = open_embeddings(tmp_path)
    assert isinstance(found.values_ND, np.memmap)
    assert np.array_equal(found.values_ND, some().values_ND)
    assert found.case_ids.tolist() == some().case_ids.tolist()
    assert (found.modality, dict(found.provenance)) == ("image", {"model": "m"})


def test_saving_again_replaces_what_was_there(tmp_path):
    save(some(), tmp_path)
    save(some(7, 1), tmp_path)
    assert np.array_equal(open_embeddings(tmp_path).values_ND, some(7, 1).values_ND)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_save_that_fails_leaves_the_earlier_one_whole(tmp_path, monkeypatch):
    save(some(), tmp_path)

    def full(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embedding.saved, "write_json", full)
    with pytest.raises(OSError, match="No space"):
        save(some(5, 1), tmp_path)
    assert np.array_equal(open_embeddings(tmp_path).values_ND, some().values_ND)


def test_a_folder_without_embeddings_or_with_broken_ones_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no embeddings"):
        open_embeddings(tmp_path)
    save(some(), tmp_path)
    (values,) = tmp_path.glob("values-*.npy")
    whole = values.read_bytes()
    values.write_bytes(whole[:100])
    with pytest.raises(DataError, match="does not hold whole embeddings"):
        open_embeddings(tmp_path)
    np.save(values, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="does not hold whole embeddings"):
        open_embeddings(tmp_path)


def test_a_store_gives_back_rows_in_the_order_asked_for(tmp_path):
    store = Store(tmp_path, {"model": "m"})
    store.add(["a", "b"], np.array([[1.0], [2.0]]))
    store.add(["c"], np.array([[3.0]]))
    again = Store(tmp_path, {"model": "m"})
    assert again.of(["c", "a", "c", "b"]).ravel().tolist() == [3, 1, 3, 2]
    assert ("a" in again, "z" in again, len(again)) == (True, False, 3)
    assert len(Store(tmp_path, {"model": "other"})) == 0


@pytest.mark.parametrize("damage", ["values gone", "values cut", "digests cut", "one row less"])
def test_a_damaged_chunk_is_left_out_and_said(damage, tmp_path, caplog):
    store = Store(tmp_path, {})
    store.add(["a"], np.array([[1.0]]))
    store.add(["b", "c"], np.array([[2.0], [3.0]]))
    for index in store.folder.glob("*.json"):
        if index.name != "key.json" and json.loads(index.read_text()) == ["b", "c"]:
            values = index.with_suffix(".npy")
            if damage == "values gone":
                values.unlink()
            elif damage == "values cut":
                values.write_bytes(values.read_bytes()[:-4])
            elif damage == "digests cut":
                index.write_text('["b"')
            else:
                np.save(values, np.array([[2.0]]))
    again = Store(tmp_path, {})
    assert ("a" in again, "b" in again) == (True, False)
    assert "left out a chunk" in caplog.text


def test_every_public_name_is_there():
    for name in embedding.__all__:
        assert getattr(embedding, name) is not None


def test_vectors_of_other_cases_or_another_model_are_not_replaced(tmp_path):
    save(some(), tmp_path)
    before = some().values_ND
    with pytest.raises(DataError, match="3 cases that are not among the new ones, such as 'c2'"):
        save(some(2), tmp_path)
    with pytest.raises(DataError, match="model is 'm' there, 'other' here"):
        save(replace(some(), provenance={"model": "other"}), tmp_path)
    assert np.array_equal(open_embeddings(tmp_path).values_ND, before)
