"""The loader: a fixed order, bad images listed and bounded, no process left behind."""

import multiprocessing
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from vesalius.core import ArrayImages, CaseSet, DataError, ImageError
from vesalius.data.images import ImageFiles
from vesalius.data.loader import (
    BadImages,
    Loader,
    batches,
    chosen_workers,
    in_groups,
    read_groups,
)

torch.set_num_threads(1)


def scaled(image):
    return torch.from_numpy(image.astype(np.float32))[None] / 255


def cases_of(images):
    n = len(images)
    ids = np.array([f"c{i}" for i in range(n)])
    return CaseSet(ids, images, np.zeros((n, 0)), source="a set")


def numbered(n=20):
    """Image i is i everywhere."""
    values = np.repeat(np.arange(n, dtype=np.uint8), 16).reshape(n, 4, 4)
    return ArrayImages(values, [f"{i}.png" for i in range(n)])


@dataclass
class Spoilt:
    """Images of which some cannot be read; counts how often each is opened in this process."""

    inner: ArrayImages
    broken: frozenset = frozenset()
    opened: list = None

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        if self.opened is not None:
            self.opened.append(index)
        if index in self.broken:
            raise ImageError(f"{self.name(index)} is broken")
        return self.inner[index]

    def name(self, index):
        return self.inner.name(index)

    def content_hash(self, index):
        return self.inner.content_hash(index)


def seen(found):
    """Return the indices, after a check that the pixels belong to them."""
    indices = []
    for indices_B, pixels_BCHW in found:
        assert pixels_BCHW.shape == (len(indices_B), 1, 4, 4)
        expected = torch.from_numpy(indices_B.astype(np.float32) / 255)
        assert torch.allclose(pixels_BCHW[:, 0, 0, 0].float(), expected, atol=1e-3)
        indices.extend(indices_B.tolist())
    return indices


@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_is_the_one_asked_for(workers):
    order = np.random.default_rng(0).permutation(20)
    found = batches(cases_of(numbered()), scaled, batch_size=3, order=order, workers=workers)
    assert seen(found) == order.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_left_out_and_listed(workers):
    spoilt = cases_of(Spoilt(numbered(100), frozenset({0, 41, 99})))
    bad = BadImages(100, most=0.05)
    found = batches(spoilt, scaled, batch_size=8, bad=bad, workers=workers)
    assert seen(found) == [i for i in range(100) if i not in {0, 41, 99}]
    assert [(s.name, s.reason) for s in bad.skipped] == [
        (f"{i}.png", f"{i}.png is broken") for i in (0, 41, 99)
    ]


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_bad_images_stop_the_work_and_are_named(workers):
    spoilt = cases_of(Spoilt(numbered(100), frozenset(range(10, 30))))
    with pytest.raises(DataError, match=r"6 of 100 images.*bound of 5%.*10.png is broken"):
        seen(batches(spoilt, scaled, batch_size=8, workers=workers))
    assert not multiprocessing.active_children()


def test_a_corrupt_file_among_files_is_left_out(tmp_path):
    from PIL import Image

    paths = [f"{i}.jpg" for i in range(40)]
    for name in paths:
        Image.new("L", (4, 4), 7).save(tmp_path / name)
    (tmp_path / "5.jpg").write_bytes((tmp_path / "6.jpg").read_bytes()[:40])
    (tmp_path / "9.jpg").unlink()
    bad = BadImages(40)
    found = batches(cases_of(ImageFiles(tmp_path, paths)), scaled, batch_size=16, bad=bad)
    assert sum(len(indices_B) for indices_B, _ in found) == 38
    assert [s.name for s in bad.skipped] == ["5.jpg", "9.jpg"]


def test_a_mistake_in_the_preparation_is_not_taken_for_a_bad_image():
    def wrong(image):
        raise KeyError("a slip")

    for workers in (0, 1):
        with pytest.raises(KeyError, match="a slip"):
            list(batches(cases_of(numbered()), wrong, batch_size=4, workers=workers))


def test_no_process_is_left_when_the_iteration_is_broken_off():
    running = batches(cases_of(numbered(200)), scaled, batch_size=4, workers=2)
    next(running)
    assert len(multiprocessing.active_children()) == 2
    running.close()
    assert not multiprocessing.active_children()


def test_no_process_is_left_after_ctrl_c():
    def interrupted():
        for _ in batches(cases_of(numbered(200)), scaled, batch_size=4, workers=2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not multiprocessing.active_children()


def test_what_was_kept_is_not_opened_again_and_equals_what_was_read():
    cases = cases_of(Spoilt(numbered(), frozenset({3}), opened=[]))
    loader = Loader(cases, scaled, bad=BadImages(20), workers=0, cache_bytes=10**6, dtype="float16")
    first = list(loader.batches(in_groups(np.arange(20), 6)))
    again = list(loader.batches(in_groups(np.arange(20), 6)))
    assert sorted(cases.images.opened) == list(range(20))
    for (indices_B, pixels), (indices_again_B, pixels_again) in zip(first, again, strict=True):
        assert indices_B.tolist() == indices_again_B.tolist()
        assert torch.equal(pixels, pixels_again)


def test_the_cache_keeps_no_more_than_its_bound():
    cases = cases_of(Spoilt(numbered(), opened=[]))
    bound = 5 * 16 * 2  # five images of 4 × 4 float16
    loader = Loader(cases, scaled, bad=BadImages(20), workers=0, cache_bytes=bound, dtype="float16")
    for _ in range(2):
        assert seen(loader.batches(in_groups(np.arange(20), 6))) == list(range(20))
    assert len(cases.images.opened) == 20 + 15


def test_a_batch_whose_images_are_all_bad_is_empty_in_its_place():
    cases = cases_of(Spoilt(numbered(100), frozenset({4, 5})))
    loader = Loader(cases, scaled, bad=BadImages(100), workers=0)
    sizes = [len(indices_B) for indices_B, _ in loader.batches([np.array([4, 5]), np.array([6])])]
    assert sizes == [0, 1]


def test_groups_are_read_in_order_by_many_processes():
    groups = [[i, i + 1] for i in range(0, 40, 2)]
    assert list(read_groups(lambda i: i * i, groups, workers=2)) == [
        [i * i for i in group] for group in groups
    ]


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    list(batches(cases_of(numbered()), scaled, batch_size=4, workers=1))
    assert torch.equal(before, torch.get_rng_state())


def test_few_images_start_no_process():
    assert chosen_workers(10) == 0


def test_one_left_over_joins_the_batch_before():
    assert [len(g) for g in in_groups(np.arange(7), 3)] == [3, 4]
    assert [len(g) for g in in_groups(np.arange(1), 3)] == [1]
    assert np.concatenate(in_groups(np.arange(7), 3)).tolist() == list(range(7))
