"""What every encoder in ENCODERS promises; a newcomer is covered by adding its name here."""

import copy
import json
import pickle
import shutil
from importlib import import_module

import numpy as np
import pytest
import torch

from vesalius.core import ChoiceError, ModelError, VesaliusError
from vesalius.encoders import ENCODERS, DualEncoder, Preprocessing, catalogue, load
from vesalius.encoders.loading import ADAPTERS
from vesalius.encoders.own_weights import FAMILIES

IMAGES_ONLY = {"resnet18-28", "timm", "torchxrayvision"}  # have tests of their own
TEXTS = ["No pleural effusion.", "Left pneumothorax", ""]


@pytest.fixture(scope="module")
def loaders(biomedclip_folder, clip_in_transformers, built):
    """A way to load each name; the small folder stands in for real weights."""
    place = str(biomedclip_folder.parent)
    return {
        "tiny": lambda seed=0: load("tiny", texts=TEXTS * 3, image_size=64, seed=seed),
        "dual": lambda seed=0: load("dual:timm:test_vit+tiny", texts=TEXTS * 3, seed=seed),
        "open_clip": lambda seed=0: load("open_clip:Contract-ViT", weights_dir=place, seed=seed),
        "hf": lambda seed=0: load(f"hf:{clip_in_transformers}"),
        "local-dir": lambda seed=0: load("local-dir:biomedclip", weights_dir=place, seed=seed),
        "biovil": built("biovil", 480, temporal=False),
        "biovil_t": built("biovil", 448, temporal=True),
        "flair": built("flair", 512),
        "chexficient": built("chexficient", 378, trunk="test_vit", width=32),
        "keep": built("keep", 224, trunk="test_vit", width=32),
        "medclip": built("medclip", 224, trunk="resnet", pooling="three_layers"),
        "cxr_clip": built("cxr_clip", 224, trunk="swin", pooling="last", width=24),
        "pmc_clip": built(
            "pmc_clip", 224, layers=[1, 1, 1, 1], channels=8, heads=8, pooling="cls", masked=False
        ),
    }


@pytest.fixture(scope="module")
def built(biomedclip_folder, small_bert):
    """A small BERT and a stand-in for the trunk; each model's own tests read the real layout."""
    words = (biomedclip_folder / "tokenizer.json").read_text()
    vocabulary = len(json.loads(words)["model"]["vocab"])
    shape = {**small_bert, "num_hidden_layers": 3, "vocab_size": vocabulary}

    def way(family, size, **model):
        config = {
            "name": family,
            "start": "random",
            "model": {**model, "text_config": shape, "image_size": size},
            "preprocessing": Preprocessing.usual(size).as_dict(),
            "tokenizer": {"context_length": 24, "pad_to_context": family == "pmc_clip"},
        }

        def build(seed=0):
            module, function = FAMILIES[family].split(":")
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                return getattr(import_module(module), function)(config, words).eval()

        return build

    return way


@pytest.fixture(scope="module", autouse=True)
def small_trunks():
    """In the place of ResNet-50 and Swin-T, a layer that gives maps of their size."""

    def trunk(channels):
        return torch.nn.Sequential(torch.nn.AvgPool2d(32), torch.nn.Conv2d(3, channels, 1))

    with pytest.MonkeyPatch.context() as patch:
        for name in ("biovil", "cxr_clip", "flair", "medclip"):
            patch.setattr(f"vesalius.encoders.{name}.resnet50_trunk", lambda: trunk(2048))
        patch.setattr("vesalius.encoders.swin.SwinTrunk", lambda: trunk(768))
        yield


@pytest.fixture(scope="module", autouse=True)
def contract_arch():
    from open_clip import factory

    factory._MODEL_CONFIGS["Contract-ViT"] = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 32,
                       "patch_size": 16},
        "text_cfg": {"context_length": 16, "width": 32, "heads": 2, "layers": 1},
    }  # fmt: skip
    yield
    del factory._MODEL_CONFIGS["Contract-ViT"]


@pytest.fixture(scope="module", params=sorted(ENCODERS.keys() - IMAGES_ONLY))
def fresh(request, loaders):
    return loaders[request.param]


@pytest.fixture(scope="module")
def model(fresh) -> DualEncoder:
    return fresh()


@pytest.fixture
def pixels_BCHW(model):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 70, 50)).astype(np.uint8)
    return torch.stack([model.preprocess(image) for image in images])


def test_shapes_are_as_promised(model, pixels_BCHW):
    tokens_BL = model.tokenize(TEXTS)
    assert pixels_BCHW.shape == (2, 3, model.image_size, model.image_size)
    assert pixels_BCHW.dtype == torch.float32
    assert tokens_BL.dtype == torch.int64
    assert tokens_BL.shape[0] == 3
    assert tokens_BL.shape[1] <= model.context_length
    with torch.no_grad():
        assert model.encode_image(pixels_BCHW).shape == (2, model.width)
        assert model.encode_text(tokens_BL).shape == (3, model.width)
        patches_BDhw = model.patch_features(pixels_BCHW)
    assert patches_BDhw.shape[:2] == (2, model.width)
    assert patches_BDhw.shape[2] * patches_BDhw.shape[3] > 1
    assert model.logit_scale.shape == ()
    scale = 1 if model.family == "biovil" else 1 / 0.07  # BioViL's scores are plain cosines
    assert model.logit_scale.exp().item() == pytest.approx(scale, rel=1e-4)


def test_words_and_their_tokens_give_the_same_embedding(model):
    with torch.no_grad():
        by_words, by_tokens = model.encode_text(TEXTS), model.encode_text(model.tokenize(TEXTS))
    assert torch.equal(by_words, by_tokens)
    assert torch.isfinite(by_words).all()


def test_a_text_does_not_depend_on_its_batch(model):
    with torch.no_grad():
        together = model.encode_text([*TEXTS, "a much longer text than all the others " * 2])
        alone = model.encode_text([TEXTS[1]])
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_model_and_leaves_the_rng_alone(fresh):
    before = torch.random.get_rng_state()
    assert fresh(seed=3).identity() == fresh(seed=3).identity()
    assert torch.equal(before, torch.random.get_rng_state())


def test_saved_and_read_back_it_differs_by_nothing(model, pixels_BCHW, tmp_path):
    again = load(str(model.save(tmp_path / "weights")))
    with torch.no_grad():
        assert torch.equal(model.encode_image(pixels_BCHW), again.encode_image(pixels_BCHW))
        assert torch.equal(model.encode_text(TEXTS), again.encode_text(TEXTS))
    assert again.identity() == model.identity()
    assert load(str(tmp_path)).identity() == model.identity()  # a Run holds it under weights/


def test_identity_changes_when_one_weight_changes(model):
    other = copy.deepcopy(model)
    with torch.no_grad():
        next(other.text_parameters()).view(-1)[-1] += 1
    assert other.identity()["weights_hash"] != model.identity()["weights_hash"]
    assert all(isinstance(value, str) for value in model.identity().values())


def test_gradients_reach_both_towers_and_the_scale(fresh, pixels_BCHW):
    model = fresh().train()
    image_BD, text_BD = model(pixels_BCHW, model.tokenize(TEXTS[:2]))
    loss = model.logit_scale.exp() * (image_BD @ text_BD.T).square().sum()
    loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in model.image_parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.text_parameters())
    assert model.logit_scale.grad != 0


def test_parameters_are_parted_without_overlap(model):
    image = {id(p) for p in model.image_parameters()}
    text = {id(p) for p in model.text_parameters()}
    assert not image & text
    assert {id(p) for p in model.parameters()} == image | text | {id(model.logit_scale)}


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_given_back(fresh, pixels_BCHW, tmp_path, training):
    model = fresh().train(training)
    model.encode_image(pixels_BCHW), model.encode_text(TEXTS), model.patch_features(pixels_BCHW)
    model.identity(), model.save(tmp_path)
    assert all(module.training is training for module in model.modules())


def test_preprocessing_travels_to_workers(model):
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    there = pickle.loads(pickle.dumps(model.preprocess))
    assert torch.equal(there(image), model.preprocess(image))
    words = pickle.loads(pickle.dumps(model.tokenizer))
    assert torch.equal(words(TEXTS), model.tokenize(TEXTS))


def test_mixed_and_broken_folders_are_noticed(model, tmp_path):
    folder = model.save(tmp_path / "a")
    (folder / "config.json").write_text(
        json.dumps({**json.loads((folder / "config.json").read_text()), "start": "elsewhere"})
    )
    with pytest.raises(ModelError, match="files of two models are mixed"):
        load(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json are wanted"):
        load(str(folder))
    folder = model.save(tmp_path / "b")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load(str(folder))
    shutil.rmtree(folder)


def test_a_failed_save_leaves_the_old_weights(model, tmp_path, monkeypatch):
    folder = model.save(tmp_path / "w")
    other = copy.deepcopy(model)
    with torch.no_grad():
        next(other.image_parameters()).add_(1)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(VesaliusError, match="No space left"):
        other.save(folder)
    monkeypatch.undo()
    assert load(str(folder)).identity() == model.identity()


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ChoiceError, match="did you mean 'tiny'"):
        load("tinny")
    with pytest.raises(ModelError, match="is not a folder"):
        load("./absent/run")
    with pytest.raises(ModelError, match="takes nothing after a colon"):
        load("tiny:large")
    with pytest.raises(ModelError, match="device 'cpux'"):
        load("tiny", device="cpux")
    with pytest.raises(ModelError, match="image_size 3"):
        load("tiny", image_size=3)


def test_every_card_says_what_to_load_and_where_the_files_go():
    for card in catalogue():
        assert card.adapter in ADAPTERS or card.name.partition(":")[0] in ENCODERS
        assert bool(card.files) == bool(card.place)
        assert card.licence
        assert card.domain
