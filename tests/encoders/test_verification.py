"""A file that is not what its card says is found out."""

import json
import shutil
from hashlib import sha256

import pytest

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders import cards, load
from vesalius.encoders.cards import card_from, spread
from vesalius.encoders.verification import verify

PIXELS = {
    "size": 64,
    "operations": [
        {"do": "resize", "filter": "bicubic"},
        {"do": "crop", "rounding": "down"},
        {"do": "floats"},
        {
            "do": "normalise",
            "mean": [0.48145466, 0.4578275, 0.40821073],
            "std": [0.26862954, 0.26130258, 0.27577711],
        },
    ],
}
CARD = {
    "name": "small-clip",
    "what": "a small model",
    "domain": "any",
    "licence": "MIT",
    "adapter": "transformers",
    "source": "someone/small-clip",
    "place": "small-clip",
    "files": ["model.safetensors", "config.json", "tokenizer.json"],
    "image": PIXELS,
    "context": 77,
    "width": 24,
}


@pytest.fixture
def folder(clip_in_transformers, tmp_path):
    return shutil.copytree(clip_in_transformers, tmp_path / "small-clip")


@pytest.fixture
def card(monkeypatch):
    """A way to put a card into the catalogue; each of its values can be changed."""

    def put(**changes):
        made = card_from({**CARD, **changes})
        monkeypatch.setattr(cards, "_cards", lambda: (made,))

    put()
    return put


def _wrong(path):
    return {check.what: check.said for check in verify("small-clip", path) if not check.right}


def test_a_right_folder_passes_every_check(card, folder):
    found = list(verify("small-clip", folder))
    assert all(check.right for check in found)
    assert [check.what for check in found if check.what != "sha256"] == [
        "files", "pixels", "tensors", "image size", "tokens", "width", "scores"
    ]  # fmt: skip
    assert load("small-clip", weights_dir=str(folder.parent)).name == "small-clip"


def test_one_changed_weight_is_found_by_its_digest(card, folder):
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    digest = sha256(file.read_bytes()).hexdigest()
    card(sha256={"model.safetensors": digest})
    assert not _wrong(folder)
    tensors = load_file(file)
    tensors["logit_scale"] += 1e-6
    save_file(tensors, file, {"format": "pt"})
    assert digest in _wrong(folder)["sha256"]
    card()
    assert not _wrong(folder)  # nothing to compare with
    (folder / "SHA256SUMS").write_text(f"{digest}  model.safetensors\n")
    assert list(_wrong(folder)) == ["sha256"]
    (folder / "SHA256SUMS").write_text("what is this\n")
    with pytest.raises(ModelError, match="SHA256SUMS is not what sha256sum writes"):
        _wrong(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"image_mean": [0.48145466, 0.4578275, 0.41]},
        {"image_std": [0.26862954, 0.26130258, 0.27]},
        {"resample": 2},
        {"size": {"height": 64, "width": 64}},
        {"rescale_factor": 1.0},
    ],
    ids=["mean", "std", "interpolation", "squash", "scale"],
)
def test_a_folder_of_other_pixels_is_found(card, folder, change):
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert list(_wrong(folder)) == ["pixels"]


def test_own_pixels_are_allowed_but_for_their_normalisation(card, folder):
    card(image={**PIXELS, "operations": [{"do": "square"}, *PIXELS["operations"]]})
    assert list(_wrong(folder)) == ["pixels"]
    padded = {**PIXELS, "operations": [{"do": "square"}, *PIXELS["operations"]]}
    card(image=padded, own_pixels=True)
    assert not _wrong(folder)
    file = folder / "preprocessor_config.json"
    said = {**json.loads(file.read_text()), "image_mean": [0.5] * 3}
    file.write_text(json.dumps(said))
    assert list(_wrong(folder)) == ["pixels"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"context": 64}, "tokens"),
        ({"width": 512}, "width"),
        ({"scores": "sigmoid"}, "scores"),
    ],
)
def test_a_model_of_other_sizes_is_found(card, folder, change, what):
    card(**change)
    assert list(_wrong(folder)) == [what]


def test_missing_tensors_and_files_are_found(card, folder):
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    del tensors["logit_scale"]
    save_file(tensors, file, {"format": "pt"})
    assert "1 missing: logit_scale" in _wrong(folder)["tensors"]
    card(missing=["logit_scale"])
    assert not _wrong(folder)
    file.unlink()
    assert "model.safetensors" in _wrong(folder)["files"]
    with pytest.raises(ChoiceError, match="did you mean 'small-clip'"):
        list(verify("smal-clip", folder))


def test_cards_are_checked_when_they_are_read():
    for change, said in (
        ({"surplsu": []}, "unknown surplsu"),
        ({"scores": "softplus"}, "softplus"),
        ({"too_long": "shrug"}, "shrug"),
        ({"image": {"size": 8, "operations": [{"do": "croup"}]}}, "did you mean 'crop'"),
    ):
        with pytest.raises((ModelError, ChoiceError), match=said):
            card_from({**CARD, **change})
    with pytest.raises(ModelError, match="licence"):
        card_from({key: value for key, value in CARD.items() if key != "licence"})
    assert spread("plain") == ["plain"]
    assert len(card_from({**CARD, "surplus": ["a.{0,1,2}.{x,y}"]}).surplus) == 6


@pytest.mark.parametrize("name", ["tiny", "hf:OWNER/NAME", "plop"])
def test_only_a_card_that_names_files_can_be_verified(name, tmp_path):
    with pytest.raises(ChoiceError, match="unknown model card"):
        list(verify(name, tmp_path))


def test_a_path_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ModelError, match="there is no .*gone"):
        list(verify("plip", tmp_path / "gone"))
