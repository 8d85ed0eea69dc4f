import os
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.data import read
from vesalius.data.containers import arrays as arrays_of
from vesalius.data.containers import mapped_arrays
from vesalius.data.containers.arrays import Arrays


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep the cache in the test's folder, and let small arrays count as large."""
    monkeypatch.setenv("VESALIUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrays_of, "IN_MEMORY", 1000)
    return tmp_path / "cache"


def stored(root):
    """Write the archive of a layout anew, with its members as they are."""
    path = root / "breastmnist.npz"
    with np.load(path) as whole:
        members = dict(whole)
    np.savez(path, **members)
    return root


def unpacked(cache):
    return sorted(cache.glob("*.npy")) if cache.exists() else []


def test_a_stored_member_is_mapped_where_it_lies(layout, cache):
    small = layout("medmnist")
    with np.load(small / "breastmnist.npz") as whole:
        expected = whole["val_images"]
    cases = read("medmnist", stored(small)).split("validation")
    assert isinstance(cases.images.arrays["val_images"], np.memmap)
    np.testing.assert_array_equal([case.image.read() for case in cases], expected)
    assert unpacked(cache) == []


def test_a_compressed_member_is_unpacked_once_and_found_again(layout, cache):
    path = layout("medmnist") / "breastmnist.npz"
    with np.load(path) as whole:
        expected = whole["val_images"]
    for _ in range(2):
        array = Arrays(path)["val_images"]
        assert isinstance(array, np.memmap)
        np.testing.assert_array_equal(array, expected)
        (file,) = unpacked(cache)
        os.utime(file, (1, 1))
    assert file.stat().st_mtime == 1


def test_another_archive_is_unpacked_anew(layout, cache):
    root = layout("medmnist")
    first = Arrays(root / "breastmnist.npz")["val_images"].copy()
    with np.load(root / "breastmnist.npz") as whole:
        changed = {**whole, "val_images": 255 - whole["val_images"]}
    np.savez_compressed(root / "breastmnist.npz", **changed)
    np.testing.assert_array_equal(Arrays(root / "breastmnist.npz")["val_images"], 255 - first)
    assert len(unpacked(cache)) == 2


def test_a_cut_off_file_of_the_cache_is_written_anew(layout, cache):
    path = layout("medmnist") / "breastmnist.npz"
    expected = Arrays(path)["val_images"].copy()
    (file,) = unpacked(cache)
    file.write_bytes(file.read_bytes()[:500])
    np.testing.assert_array_equal(Arrays(path)["val_images"], expected)


def test_two_readers_unpack_once(layout, monkeypatch):
    path = layout("medmnist") / "breastmnist.npz"
    calls, unpack = [], mapped_arrays._unpack
    monkeypatch.setattr(mapped_arrays, "_unpack", lambda *a: (calls.append(a), unpack(*a)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: Arrays(path)["train_images"].sum(), range(4)))
    assert len(set(found)) == 1
    assert len(calls) == 1


def test_the_order_of_columns_is_kept(tmp_path):
    values = np.asfortranarray(np.arange(6000).reshape(20, 300))
    np.savez(tmp_path / "a.npz", stored=values)
    np.savez_compressed(tmp_path / "b.npz", packed=values)
    np.testing.assert_array_equal(Arrays(tmp_path / "a.npz")["stored"], values)
    np.testing.assert_array_equal(Arrays(tmp_path / "b.npz")["packed"], values)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_memory_stays_flat(tmp_path, write):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (600, 224, 224), dtype=np.uint8)
    images[:, 64:] = 7  # so that packing is quick
    parts = {"train": images, "val": images[:1], "test": images[:1]}
    content = {f"{part}_images": own for part, own in parts.items()}
    content |= {f"{part}_labels": np.arange(len(own)) % 2 for part, own in parts.items()}
    write(tmp_path / "own_224.npz", **content)
    expected = int(images.sum(dtype=np.int64))
    del images, parts, content
    tracemalloc.start()
    cases = read("medmnist", tmp_path, name="own", size=224).split("train")
    total = sum(int(cases.images[i].sum(dtype=np.int64)) for i in range(len(cases)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == expected
    assert peak < 12 << 20  # of 30 MB of images; unpacking holds a few pieces of 1 MB


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_damage_is_an_error_and_leaves_nothing_in_the_cache(tmp_path, cache, write):
    values = np.random.default_rng(0).integers(0, 256, (50, 99), dtype=np.uint8)
    write(tmp_path / "a.npz", a=values)
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        info = archive.infolist()[0]
    start = info.header_offset if write is np.savez else info.header_offset + 400
    raw[start : start + 60] = bytes(60)
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(DataError, match="not a readable .npz file"):
        Arrays(tmp_path / "a.npz")["a"]
    assert unpacked(cache) == []


def test_no_room_and_no_folder_are_named(layout, monkeypatch, tmp_path):
    path = layout("medmnist") / "breastmnist.npz"
    (tmp_path / "file").touch()
    monkeypatch.setenv("VESALIUS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="set VESALIUS_CACHE to a folder that can be written"):
        Arrays(path)["val_images"]
    monkeypatch.setenv("VESALIUS_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(
        mapped_arrays.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})
    )
    with pytest.raises(DataError, match=r"needs [\d,]+ bytes, but .*other has 10; set VESALIUS"):
        Arrays(path)["val_images"]
