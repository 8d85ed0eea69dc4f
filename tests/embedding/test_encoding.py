"""Encode: each different input once, in any order, through kills; the model stays as it was."""

import json
import os
import signal
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vesalius.core import ArrayImages, CaseSet, ChoiceError, DataError, ImageError, ModelError
from vesalius.embedding import encode, rows
from vesalius.embedding.rows import Store

torch.set_num_threads(1)


def prepared(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)[None]


class Micro(nn.Module):
    """Counts what it is asked to encode; ``tally`` also survives a kill."""

    def __init__(self, tally=None):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.image = nn.Sequential(
                nn.Flatten(), nn.Linear(16, 6), nn.BatchNorm1d(6), nn.Dropout()
            )
        self.width, self.preprocess, self.tally = 6, prepared, tally
        self.counted, self.scale = 0, 1.0

    def count(self, number):
        self.counted += number
        if self.tally:
            with self.tally.open("a") as file:
                file.write(f"{number}\n")

    def encode_image(self, pixels):
        self.count(len(pixels))
        return self.image(pixels) * self.scale

    def encode_text(self, texts):
        self.count(len(texts))
        return torch.tensor([[float(len(t))] * 5 + [float(ord(t[0]))] for t in texts])

    def identity(self):
        return {"model": "micro", "weights_hash": repr(self.scale), "preprocessing": "÷255"}


def cohort(n=40, seed=0):
    values = np.random.default_rng(seed).integers(0, 255, (n, 4, 4), dtype=np.uint8)
    ids = np.array([f"c{i}" for i in range(n)])
    return CaseSet(ids, ArrayImages(values, [f"{i}.png" for i in range(n)]), np.zeros((n, 0)))


@dataclass(frozen=True)
class Spoilt:
    """Images of which some cannot be read."""

    inner: ArrayImages
    broken: frozenset

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        if index in self.broken:
            raise ImageError(f"{self.name(index)} is broken")
        return self.inner[index]

    def name(self, index):
        return self.inner.name(index)

    def content_hash(self, index):
        return self.inner.content_hash(index)


def quiet(model, cases, modality="image", **settings):
    return encode(model, cases, modality, **{"workers": 0, "progress": False, **settings})


def expected(cases):
    with torch.no_grad():
        return Micro().eval().encode_image(torch.stack([prepared(i) for i in cases.images])).numpy()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stored", [True, False])
def test_rows_are_the_models_in_the_order_of_the_cases(workers, stored, tmp_path):
    cases = cohort()
    found = quiet(Micro(), cases, workers=workers, batch_size=7, store=tmp_path if stored else None)
    assert found.case_ids.tolist() == cases.case_ids.tolist()
    assert found.values_ND.dtype == np.float32
    assert np.allclose(found.values_ND, expected(cases), atol=1e-6)


def test_nothing_is_encoded_twice_when_the_set_grows_shrinks_or_turns(tmp_path):
    model, cases = Micro(), cohort(40)
    some = cases.select(np.arange(10, 30))
    quiet(model, some, store=tmp_path)
    assert model.counted == 20
    found = quiet(model, cases, store=tmp_path)
    assert model.counted == 40
    turned = quiet(model, cases.select(np.arange(40)[::-1]), store=tmp_path)
    assert model.counted == 40
    assert np.array_equal(turned.values_ND, found.values_ND[::-1])
    assert np.allclose(found.values_ND, expected(cases), atol=1e-6)


@pytest.mark.parametrize("stored", [True, False])
def test_the_same_pixels_under_two_names_are_encoded_once(stored, tmp_path):
    cases = cohort(20)
    cases.images.values[10:] = cases.images.values[:10]
    model = Micro()
    found = quiet(model, cases, batch_size=3, store=tmp_path if stored else None)
    assert model.counted == 10
    assert np.array_equal(found.values_ND[10:], found.values_ND[:10])


def test_a_changed_image_is_encoded_again(tmp_path):
    model, cases = Micro(), cohort()
    quiet(model, cases, store=tmp_path)
    cases.images.values[4] += 1
    found = quiet(model, cases, store=tmp_path)
    assert model.counted == 41
    assert np.allclose(found.values_ND, expected(cases), atol=1e-6)


@pytest.mark.parametrize("change", ["weights", "precision", "modality"])
def test_another_model_precision_or_modality_has_rows_of_its_own(change, tmp_path):
    model, cases = Micro(), replace(cohort(), texts=np.array(["words"] * 40, dtype=object))
    quiet(model, cases, store=tmp_path)
    if change == "weights":
        model.scale = 2.0
    found = quiet(
        model,
        cases,
        "text" if change == "modality" else "image",
        precision="fp16" if change == "precision" else "fp32",
        store=tmp_path,
    )
    assert model.counted == (41 if change == "modality" else 80)
    assert len(list(tmp_path.iterdir())) == 2
    if change == "precision":
        assert found.values_ND.dtype == np.float16
        assert np.allclose(found.values_ND, expected(cases), atol=1e-2)


def test_provenance_names_all_that_changes_the_values():
    cases = cohort()
    found = quiet(Micro(), cases).provenance
    assert {"model", "weights_hash", "preprocessing", "precision", "modality", "data_hash"} <= set(
        found
    )
    assert quiet(Micro(), cases.select(range(39))).provenance["data_hash"] != found["data_hash"]


def test_texts_are_encoded_once_each_and_missing_ones_have_no_row(tmp_path):
    texts = np.array(["edema", None, "clear", "  ", "edema", "a longer one"], dtype=object)
    cases, model = replace(cohort(6), texts=texts), Micro()
    found = quiet(model, cases, "text", store=tmp_path)
    assert found.case_ids.tolist() == ["c0", "c2", "c4", "c5"]
    assert found.values_ND[:, 0].tolist() == [5, 5, 5, 12]
    assert found.values_ND[:, 5].tolist() == [ord(c) for c in "ecea"]
    assert model.counted == 3
    with pytest.raises(DataError, match="no texts to encode"):
        quiet(model, cohort(6), "text")


def test_unreadable_images_have_no_row_and_are_listed(tmp_path):
    cases = cohort(100)
    spoilt = replace(cases, images=Spoilt(cases.images, frozenset({3, 50})))
    found = quiet(Micro(), spoilt, store=tmp_path)
    assert found.case_ids.tolist() == [f"c{i}" for i in range(100) if i not in (3, 50)]
    (path,) = tmp_path.glob("*/skipped.json")
    assert json.loads(path.read_text()) == [
        {"name": "3.png", "reason": "3.png is broken"},
        {"name": "50.png", "reason": "50.png is broken"},
    ]
    quiet(Micro(), cases, store=tmp_path)
    assert json.loads(path.read_text()) == []


def test_too_many_unreadable_images_stop_it_but_what_was_encoded_is_kept(tmp_path):
    cases, model = cohort(100), Micro()
    spoilt = replace(cases, images=Spoilt(cases.images, frozenset(range(60, 80))))
    with pytest.raises(DataError, match="6 of 100 images cannot be read"):
        quiet(model, spoilt, store=tmp_path, batch_size=10)
    assert model.counted == 60
    quiet(model, cases, store=tmp_path)
    assert model.counted == 100


def test_the_model_comes_back_as_it_was_also_after_an_error():
    model = Micro().train()
    model.image[2].eval()
    model.image[1].weight.requires_grad_(False)
    model.image[1].bias.grad = torch.ones(6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    quiet(model, cohort(), workers=1)
    model.encode_text = lambda texts: 1 / 0
    with pytest.raises(ZeroDivisionError):
        quiet(model, replace(cohort(), texts=np.array(["a"] * 40, dtype=object)), "text")
    assert [part.training for part in model.image] == [True, True, False, True]
    assert [p.requires_grad for p in model.image[1].parameters()] == [False, True]
    assert model.image[1].bias.grad.tolist() == [1] * 6
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_values_that_are_not_finite_are_an_error_that_names_the_case(tmp_path):
    model = Micro()
    model.scale = 1e6
    with pytest.raises(ModelError, match=r"not finite in fp16, first those of c\d+"):
        quiet(model, cohort(), precision="fp16", store=tmp_path)
    assert not list(tmp_path.glob("*/*.npy"))


def test_wrong_choices_are_answered():
    with pytest.raises(ChoiceError, match="unknown modality 'images'; did you mean 'image'"):
        quiet(Micro(), cohort(), "images")
    with pytest.raises(ChoiceError, match="unknown precision 'fp8'"):
        quiet(Micro(), cohort(), precision="fp8")


def test_an_empty_result_keeps_the_width():
    assert quiet(Micro(), cohort(4).select([])).values_ND.shape == (0, 6)


def test_ctrl_c_keeps_what_was_encoded(tmp_path):
    class Pressed(Micro):
        def encode_image(self, pixels):
            if self.counted >= 24:
                raise KeyboardInterrupt
            return super().encode_image(pixels)

    model = Pressed()
    with pytest.raises(KeyboardInterrupt):
        quiet(model, cohort(), store=tmp_path, batch_size=8)
    again = Micro()
    quiet(again, cohort(), store=tmp_path)
    assert (model.counted, again.counted) == (24, 16)


# ---- kills


def in_child(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(pid, 0)[1]


class Fuse:
    """Counts places that the work passes, and kills the process at one of them."""

    def __init__(self, kill_at=None):
        self.passed, self.kill_at = [], kill_at

    def __call__(self, place):
        if self.kill_at == len(self.passed):
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(place)


def encode_with_fuse(fuse, tally, folder):
    model, cases = Micro(tally), cohort(24)
    compute, put, save = model.encode_image, Path.replace, np.save
    rows.ROWS_UNSAVED = 8

    def encode_image(pixels):
        fuse("before the model")
        found = compute(pixels)
        fuse("after the model")
        return found

    def replace_path(path, target):
        fuse("in a save: before it is in place")
        put(path, target)
        fuse("in a save: in place")

    def half(path, values):
        save(path, values)
        whole = path.read_bytes()
        path.write_bytes(whole[:90])
        fuse("in a save: half a file")
        path.write_bytes(whole)

    model.encode_image, Path.replace, np.save = encode_image, replace_path, half
    quiet(model, cases, store=folder, batch_size=4)


def tallied(path):
    return sum(int(line) for line in path.read_text().split()) if path.exists() else 0


def test_killed_anywhere_only_the_chunk_in_flight_is_encoded_again(tmp_path):
    dry = Fuse()
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((rows, "ROWS_UNSAVED"), (Path, "replace"), (np, "save")):
            patch.setattr(owner, name, getattr(owner, name))  # given back afterwards
        encode_with_fuse(dry, None, tmp_path / "dry")
    for kill_at, place in enumerate(dry.passed):
        folder, tally = tmp_path / str(kill_at), tmp_path / f"{kill_at}.txt"
        status = in_child(lambda k=kill_at, t=tally, f=folder: encode_with_fuse(Fuse(k), t, f))
        assert os.WIFSIGNALED(status), place
        stored = len(Store(folder, quiet_key()))
        before = tallied(tally)
        assert before - 8 <= stored <= before
        model = Micro()
        found = quiet(model, cohort(24), store=folder, batch_size=4)
        assert model.counted == 24 - stored, place
        assert np.allclose(found.values_ND, expected(cohort(24)), atol=1e-6)
    assert len(dry.passed) >= 20
    assert sum("save" in place for place in dry.passed) >= len(dry.passed) / 3


def quiet_key():
    return {**Micro().identity(), "modality": "image", "precision": "fp32"}


def test_two_processes_share_a_store(tmp_path):
    def child():
        quiet(Micro(), cohort(40), store=tmp_path, batch_size=4)

    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                child()
            finally:
                os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    model = Micro()
    found = quiet(model, cohort(40), store=tmp_path)
    assert model.counted == 0
    assert np.allclose(found.values_ND, expected(cohort(40)), atol=1e-6)
