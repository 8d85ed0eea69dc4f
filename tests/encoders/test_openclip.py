"""open_clip's architectures by name, tag, file and folder: its numbers, and no silent change."""

import json

import pytest
import torch
from PIL import Image

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders import load
from vesalius.encoders.openclip_build import modern

SMALL_VIT = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 20, "width": 32, "heads": 2, "layers": 2},
}
SMALL_RESNET = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": 20, "width": 32, "heads": 2, "layers": 2},
    "quick_gelu": True,
}
TEXTS = ["no effusion", "A chest film, with pneumothorax", "words " * 40]


@pytest.fixture(params=["vit", "resnet"])
def clip_folder(request, tmp_path, write_open_clip):
    write_open_clip(tmp_path, SMALL_VIT if request.param == "vit" else SMALL_RESNET)
    return tmp_path


def test_a_folder_gives_open_clips_own_embeddings(clip_folder, image, no_network):
    import open_clip

    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{clip_folder}")
    ours = load(f"local-dir:{clip_folder}")
    pixels_BCHW = ours.preprocess(image)[None]
    theirs_BCHW = preprocess(Image.fromarray(image))[None]
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=1e-6)
    assert torch.equal(ours.tokenize(TEXTS), tokenizer(TEXTS))
    assert ours.tokenizer.truncated == 1
    model.eval()
    with torch.no_grad():
        image_BD, text_BD = ours.encode_image(pixels_BCHW), ours.encode_text(TEXTS)
        torch.testing.assert_close(image_BD, model.encode_image(theirs_BCHW), rtol=0, atol=1e-5)
        torch.testing.assert_close(text_BD, model.encode_text(tokenizer(TEXTS)), rtol=0, atol=1e-5)
        patches_BDhw = ours.patch_features(pixels_BCHW)
    assert patches_BDhw.shape[:2] == (1, 32)
    assert not no_network


def test_saved_and_read_back_it_is_the_same(clip_folder, image, no_network):
    ours = load(f"local-dir:{clip_folder}")
    again = load(str(ours.save(clip_folder / "own")))
    pixels_BCHW = ours.preprocess(image)[None]
    with torch.no_grad():
        assert torch.equal(ours.encode_image(pixels_BCHW), again.encode_image(pixels_BCHW))
        assert torch.equal(ours.encode_text(TEXTS), again.encode_text(TEXTS))
    assert ours.identity() == again.identity()


def test_a_training_checkpoint_with_prefix_and_optimiser_is_read(tmp_path, write_open_clip):
    write_open_clip(tmp_path, SMALL_VIT)
    bare = torch.load(tmp_path / "open_clip_pytorch_model.bin", weights_only=True)
    wrapped = {
        "epoch": 3,
        "state_dict": {f"module.{name}": value for name, value in bare.items()},
        "optimizer": {"param_groups": [{"lr": 0.1}]},
    }
    first = load(f"local-dir:{tmp_path}")
    torch.save(wrapped, tmp_path / "open_clip_pytorch_model.bin")
    second = load(f"local-dir:{tmp_path}")
    assert first.identity()["weights_hash"] == second.identity()["weights_hash"]


def test_missing_and_surplus_names_are_listed(tmp_path, write_open_clip):
    write_open_clip(tmp_path, SMALL_VIT)
    file = tmp_path / "open_clip_pytorch_model.bin"
    tensors = torch.load(file, weights_only=True)
    del tensors["visual.proj"]
    tensors["visual.extra"] = torch.zeros(1)
    torch.save(tensors, file)
    with pytest.raises(
        ModelError, match=r"missing: visual\.proj.*not of this model: visual\.extra"
    ):
        load(f"local-dir:{tmp_path}")


def test_another_image_size_resamples_the_position_embeddings(tmp_path, write_open_clip):
    write_open_clip(tmp_path, SMALL_VIT)
    larger = load(f"local-dir:{tmp_path}", image_size=96)
    assert larger.image_size == 96
    with torch.no_grad():
        assert larger.patch_features(torch.zeros(1, 3, 96, 96)).shape == (1, 32, 6, 6)
    again = load(str(larger.save(tmp_path / "own")))
    assert again.identity() == larger.identity()
    with pytest.raises(ModelError, match="saved for images of 96 pixels"):
        load(str(tmp_path / "own"), image_size=64)


def test_names_of_older_configs_keep_their_pooling():
    old = {"text_cfg": {"hf_model_name": "x", "proj": "mlp", "pooler_type": "cls_pooler"}}
    assert modern(old)["text_cfg"] == {
        "hf_model_name": "x",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_pooler",
    }
    both = {"text_cfg": {"hf_model_name": "x", "proj": "mlp", "hf_proj_type": "linear"}}
    with pytest.raises(ModelError, match="proj='mlp' and hf_proj_type='linear'"):
        modern(both)


def test_a_setting_that_open_clip_does_not_know_is_refused(tmp_path, write_open_clip):
    write_open_clip(tmp_path, SMALL_VIT)
    file = tmp_path / "open_clip_config.json"
    described = json.loads(file.read_text())
    described["model_cfg"]["text_cfg"]["pooler_typo"] = "cls"
    file.write_text(json.dumps(described))
    with pytest.raises(ModelError, match="pooler_typo"):
        load(f"local-dir:{tmp_path}")


@pytest.fixture
def small_arch(tmp_path, monkeypatch):
    """An architecture that open_clip knows by name, small enough to build in a test."""
    from open_clip import factory

    monkeypatch.setitem(factory._MODEL_CONFIGS, "Small-ViT", SMALL_VIT)
    return "Small-ViT"


def test_a_name_without_a_tag_has_random_weights_and_says_so(small_arch, tmp_path, no_network):
    first, second, other = (
        load(f"open_clip:{small_arch}", weights_dir=str(tmp_path), seed=seed) for seed in (0, 0, 1)
    )
    assert first.identity() == second.identity()
    assert first.identity()["start"] == "random weights, seed 0"
    assert first.identity()["weights_hash"] != other.identity()["weights_hash"]
    assert not no_network


def test_a_tag_is_a_file_and_never_a_download(tmp_path, no_network):
    with pytest.raises(ModelError, match="nothing is downloaded") as caught:
        load("open_clip:RN50/yfcc15m", weights_dir=str(tmp_path))
    assert str(tmp_path / "open_clip" / "RN50" / "yfcc15m.safetensors") in str(caught.value)
    with pytest.raises(ModelError, match="it knows openai, yfcc15m, cc12m"):
        load("open_clip:RN50/yfcc16m", weights_dir=str(tmp_path))
    with pytest.raises(ChoiceError, match="did you mean 'ViT-B-32'"):
        load("open_clip:ViT-B-3", weights_dir=str(tmp_path))
    assert not no_network


def test_a_checkpoint_file_and_a_tag_file_are_found(small_arch, tmp_path, write_open_clip):
    write_open_clip(tmp_path, SMALL_VIT)
    file = tmp_path / "open_clip_pytorch_model.bin"
    by_path = load(f"open_clip:{small_arch}/{file}")
    place = tmp_path / "open_clip" / small_arch
    place.mkdir(parents=True)
    file.rename(place / "mine.pt")
    by_tag = load(f"open_clip:{small_arch}/mine", weights_dir=str(tmp_path))
    assert by_path.identity()["weights_hash"] == by_tag.identity()["weights_hash"]
    assert by_tag.name == f"open_clip:{small_arch}/mine"


def test_weights_of_another_activation_are_refused(tmp_path):
    place = tmp_path / "open_clip" / "ViT-B-32"
    place.mkdir(parents=True)
    (place / "openai.pt").write_bytes(b"")
    with pytest.raises(ModelError, match="open_clip:ViT-B-32-quickgelu/openai"):
        load("open_clip:ViT-B-32/openai", weights_dir=str(tmp_path))


def test_an_unknown_text_tower_asks_for_its_config(
    tmp_path, biomedclip_cfg, write_open_clip, write_tokenizer, small_bert
):
    cfg = json.loads(json.dumps(biomedclip_cfg))
    cfg["text_cfg"]["hf_model_name"] = "someone/SomeBERT"
    write_tokenizer(tmp_path)
    write_open_clip(tmp_path, cfg, text_config=small_bert)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelError, match=r"someone/SomeBERT.*text_config\.json"):
        load(f"local-dir:{tmp_path}")


def test_the_layout_of_pubmedclip_is_read(small_arch, tmp_path, write_open_clip):
    """OpenAI's names and half precision under ``state_dict``, with sizes that are no weights."""
    write_open_clip(tmp_path, SMALL_VIT)
    bare = torch.load(tmp_path / "open_clip_pytorch_model.bin", weights_only=True)
    halves = {name: value.half() for name, value in bare.items()}
    halves |= {"input_resolution": torch.tensor(64), "vocab_size": torch.tensor(49408)}
    (tmp_path / "pubmedclip").mkdir()
    file = tmp_path / "pubmedclip" / "PubMedCLIP_ViT32.pth"
    torch.save({"epoch": 1, "state_dict": halves}, file)
    name = f"open_clip:{small_arch}/pubmedclip/{file.name}"
    ours = load(name, weights_dir=str(tmp_path))
    assert all(value.dtype == torch.float32 for value in ours.parameters())
    weight = ours.state_dict()["image.visual.proj"]
    torch.testing.assert_close(weight, bare["visual.proj"].half().float(), rtol=0, atol=0)
