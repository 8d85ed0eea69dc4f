"""Folders in transformers' layout: its own pixels, tokens, embeddings and scores."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders import catalogue, load
from vesalius.encoders.cards import card_of

TEXTS = ["no effusion", "Left heart", "no left heart " * 60]
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 2}  # fmt: skip


def _opened(file):
    return np.asarray(Image.open(file))


def _rgb(files):
    return [Image.open(file).convert("RGB") for file in files]


def _unwrapped(found):
    return getattr(found, "pooler_output", found)


def test_clip_gives_transformers_own_embeddings(clip_in_transformers, film, photograph, no_network):
    from transformers import AutoTokenizer, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    peer = CLIPModel.from_pretrained(clip_in_transformers).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(clip_in_transformers)
    words = AutoTokenizer.from_pretrained(clip_in_transformers)
    ours = load(f"hf:{clip_in_transformers}")
    theirs_BCHW = pixels(_rgb([film, photograph]), return_tensors="pt")["pixel_values"]
    pixels_BCHW = torch.stack([ours.preprocess(_opened(x)) for x in (film, photograph)])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    tokens = words(TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        image_BD = _unwrapped(peer.get_image_features(theirs_BCHW))
        text_BD = _unwrapped(peer.get_text_features(**tokens))
        torch.testing.assert_close(ours.encode_image(pixels_BCHW), image_BD, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.encode_text(TEXTS), text_BD, rtol=0, atol=1e-5)
    assert ours.tokenizer.truncated == 1
    assert ours.logit_scale.item() == pytest.approx(peer.logit_scale.item())
    assert ours.scores == "softmax"
    assert not no_network


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory, noisy):
    """``weights/medsiglip-448`` in its layout, small: no sentencepiece, 64 tokens, 448 pixels."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    folder = tmp_path_factory.mktemp("weights") / "medsiglip-448"
    folder.mkdir()
    names = ["<unk>", "</s>", "no", "left", "heart", "effusion"]
    words = Tokenizer(models.WordLevel({x: i for i, x in enumerate(names)}, unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    words.save(str(folder / "tokenizer.json"))
    said = {"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    config = SiglipConfig(
        text_config={**SMALL, "vocab_size": len(names), "pad_token_id": 1, "bos_token_id": None,
                     "eos_token_id": 1, "projection_size": 32},
        vision_config={**SMALL, "image_size": 448, "patch_size": 112},
    )  # fmt: skip
    noisy(SiglipModel(config), 3).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 448, "width": 448}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["medsiglip", "medsiglip-squash", "hf"])
def test_siglip_gives_transformers_own_embeddings_and_sigmoids(
    siglip_folder, film, photograph, name, no_network
):
    from transformers import PreTrainedTokenizerFast, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    peer = SiglipModel.from_pretrained(siglip_folder).eval()
    pixels = SiglipImageProcessorPil.from_pretrained(siglip_folder)
    words = PreTrainedTokenizerFast(
        tokenizer_file=str(siglip_folder / "tokenizer.json"), pad_token="</s>"
    )
    where = f"hf:{siglip_folder}" if name == "hf" else name
    ours = load(where, weights_dir=str(siglip_folder.parent))
    images = _rgb([film, photograph])
    if name == "medsiglip":  # as the serving code pads: black, the odd pixel right and below
        padded = []
        for image in images:
            values, side = np.asarray(image), max(image.size)
            down, across = side - values.shape[0], side - values.shape[1]
            wide = ((down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
            padded.append(Image.fromarray(np.pad(values, wide)))
        images = padded
    theirs_BCHW = pixels(images, return_tensors="pt")["pixel_values"]
    pixels_BCHW = torch.stack([ours.preprocess(_opened(x)) for x in (film, photograph)])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    tokens = words(
        TEXTS, padding="max_length", truncation=True, max_length=64, return_tensors="pt"
    )["input_ids"]
    assert torch.equal(ours.tokenize(TEXTS), tokens)
    with torch.no_grad():
        image_BD, text_BD = ours.encode_image(pixels_BCHW), ours.encode_text(TEXTS)
        found = peer(input_ids=tokens, pixel_values=theirs_BCHW)
        torch.testing.assert_close(
            image_BD, _unwrapped(peer.get_image_features(theirs_BCHW)), rtol=0, atol=1e-5
        )
        torch.testing.assert_close(
            text_BD, _unwrapped(peer.get_text_features(tokens)), rtol=0, atol=1e-5
        )
        unit = torch.nn.functional.normalize
        cosines_BB = unit(image_BD) @ unit(text_BD).T
        chances_BB = torch.sigmoid(ours.logit_scale.exp() * cosines_BB + ours.logit_bias)
        torch.testing.assert_close(
            chances_BB, torch.sigmoid(found.logits_per_image), rtol=0, atol=1e-5
        )
    assert ours.scores == "sigmoid"
    assert ours.tokenizer.truncated == 2  # the same text, twice
    assert not no_network


def test_a_siglip_saved_and_read_back_keeps_its_bias(siglip_folder, film, tmp_path):
    ours = load("medsiglip", weights_dir=str(siglip_folder.parent))
    again = load(str(ours.save(tmp_path)))
    assert again.identity() == ours.identity()
    assert again.scores == "sigmoid"
    assert again.logit_bias.item() == ours.logit_bias.item() != 0
    with torch.no_grad():
        assert torch.equal(again.encode_text(TEXTS), ours.encode_text(TEXTS))
        pixels_BCHW = ours.preprocess(_opened(film))[None]
        assert ours.patch_features(pixels_BCHW).shape == (1, 32, 4, 4)


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory, noisy):
    """``weights/rad-dino`` in its layout, small."""
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    folder = tmp_path_factory.mktemp("weights") / "rad-dino"
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = noisy(Dinov2Model(Dinov2Config(**shape, image_size=518, patch_size=74)), 2)
    model.save_pretrained(folder)
    BitImageProcessorPil(
        size={"shortest_edge": 518}, crop_size={"height": 518, "width": 518}, resample=3,
        image_mean=[0.5307] * 3, image_std=[0.2583] * 3,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_rad_dino_gives_images_and_says_that_it_has_no_words(
    dino_folder, film, photograph, tmp_path
):
    from safetensors import safe_open
    from transformers import Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    with safe_open(dino_folder / "model.safetensors", "pt") as file:
        assert "encoder.layer.0.attention.attention.query.weight" in file.keys()  # noqa: SIM118
    peer = Dinov2Model.from_pretrained(dino_folder).eval()
    pixels = BitImageProcessorPil.from_pretrained(dino_folder)
    ours = load("rad-dino", weights_dir=str(dino_folder.parent))
    theirs_BCHW = pixels(_rgb([film, photograph]), return_tensors="pt")["pixel_values"]
    pixels_BCHW = torch.stack([ours.preprocess(_opened(x)) for x in (film, photograph)])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    with torch.no_grad():
        image_BD = ours.encode_image(pixels_BCHW)
        torch.testing.assert_close(image_BD, peer(theirs_BCHW).pooler_output, rtol=0, atol=1e-5)
        assert ours.patch_features(pixels_BCHW).shape == (2, 32, 7, 7)
        again = load(str(ours.save(tmp_path)))
        assert torch.equal(again.encode_image(pixels_BCHW), image_BD)
    for model in (ours, again):
        with pytest.raises(ModelError, match="rad-dino sees images only"):
            model.encode_text(["no effusion"])
        with pytest.raises(ModelError, match="linear probe"):
            model.encode_text(torch.zeros(1, 4, dtype=torch.int64))


CLIPS = ["pubmedclip-hf", "plip", "monet"]


@pytest.fixture(scope="module")
def clip_cards(tmp_path_factory, clip_in_transformers, write_clip_words, noisy):
    """The folders of the cards whose model is transformers' CLIP, small, of 224 pixels."""
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    weights = tmp_path_factory.mktemp("weights")
    for name in CLIPS:
        folder = weights / card_of(name).place
        folder.mkdir()
        size = write_clip_words(folder)
        config = CLIPConfig(
            text_config={**SMALL, "vocab_size": size, "bos_token_id": size - 2,
                         "eos_token_id": 2, "pad_token_id": size - 1},
            vision_config={**SMALL, "image_size": 224, "patch_size": 56},
            projection_dim=24,
        )  # fmt: skip
        model = noisy(CLIPModel(config), len(name))
        tensors = {**model.state_dict()}  # as older versions saved them: counters, half precision
        for tower, count in (("text", 77), ("vision", 17)):
            tensors[f"{tower}_model.embeddings.position_ids"] = torch.arange(count)[None]
        half = name == "plip"
        torch.save(
            {k: v.half() if half and v.is_floating_point() else v for k, v in tensors.items()},
            folder / "pytorch_model.bin",
        )
        config.save_pretrained(folder)
        imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
        CLIPImageProcessorPil(**(imagenet if name == "monet" else {})).save_pretrained(folder)
    return weights


@pytest.mark.parametrize("name", CLIPS)
def test_cards_of_clip_give_transformers_own_embeddings(clip_cards, film, photograph, name):
    from transformers import AutoTokenizer, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = clip_cards / card_of(name).place
    peer = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(folder)
    ours = load(name, weights_dir=str(clip_cards))
    theirs_BCHW = pixels(_rgb([film, photograph]), return_tensors="pt")["pixel_values"]
    pixels_BCHW = torch.stack([ours.preprocess(_opened(x)) for x in (film, photograph)])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.no_grad():
        image_BD = _unwrapped(peer.get_image_features(theirs_BCHW))
        text_BD = _unwrapped(peer.get_text_features(**tokens))
        torch.testing.assert_close(ours.encode_image(pixels_BCHW), image_BD, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.encode_text(TEXTS), text_BD, rtol=0, atol=1e-5)
    assert ours.name == name


@pytest.mark.parametrize("name", ["xrayclip", "xraysiglip"])
def test_a_card_without_pixels_takes_the_folders(
    clip_in_transformers, siglip_folder, tmp_path, name
):
    source = clip_in_transformers if name == "xrayclip" else siglip_folder
    shutil.copytree(source, tmp_path / name)
    by_card = load(name, weights_dir=str(tmp_path))
    by_path = load(f"hf:{source}")
    assert by_card.preprocess == by_path.preprocess
    assert by_card.identity()["weights_hash"] == by_path.identity()["weights_hash"]
    (tmp_path / name / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json missing"):
        load(name, weights_dir=str(tmp_path))


def test_a_name_is_looked_for_in_the_weights_folder(clip_in_transformers, tmp_path):
    ours = load("hf:someone/small-clip", weights_dir=str(clip_in_transformers.parent))
    assert ours.name == "hf:small-clip"
    with pytest.raises(ModelError, match=r"config\.json.*nothing is downloaded") as caught:
        load("hf:someone/other", weights_dir=str(tmp_path))
    assert str(tmp_path / "other") in str(caught.value)


@pytest.fixture
def clip_copy(clip_in_transformers, tmp_path):
    return shutil.copytree(clip_in_transformers, tmp_path / "copy")


def _edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_missing_strange_and_misshapen_tensors_are_named(clip_copy):
    from safetensors.torch import load_file, save_file

    file = clip_copy / "model.safetensors"
    good = load_file(file)
    for change, said in (
        ({"visual_projection.weight": None}, r"1 missing: visual_projection\.weight"),
        ({"stranger": torch.ones(1)}, "1 not of this model: stranger"),
        ({"visual_projection.weight": torch.ones(3, 3)}, "1 of another shape: visual_projection"),
    ):
        changed = {k: v for k, v in {**good, **change}.items() if v is not None}
        save_file(changed, file, {"format": "pt"})
        with pytest.raises(ModelError, match=said):
            load(f"hf:{clip_copy}")
    file.write_bytes(b"not weights")
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        load(f"hf:{clip_copy}")
    file.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors or .* is missing"):
        load(f"hf:{clip_copy}")


def test_a_pickle_that_would_run_code_is_refused(clip_copy, tmp_path):
    from pathlib import Path

    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    (clip_copy / "model.safetensors").unlink()
    torch.save({"x": torch.ones(1), "y": Payload()}, clip_copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin"):
        load(f"hf:{clip_copy}")
    assert not (tmp_path / "executed").exists()


def test_other_kinds_of_model_and_code_of_their_own_are_refused(clip_copy):
    for changes, said in (
        ({"model_type": "siglip2"}, "naflex"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "never run here"),
    ):
        before = (clip_copy / "config.json").read_text()
        _edit(clip_copy / "config.json", **changes)
        with pytest.raises(ModelError, match=said):
            load(f"hf:{clip_copy}")
        (clip_copy / "config.json").write_text(before)
    _edit(clip_copy / "config.json", model_type="clap")
    with pytest.raises(ChoiceError, match="did you mean 'clip'"):
        load(f"hf:{clip_copy}")
    for content in ("[]", "{", "{}"):
        (clip_copy / "config.json").write_text(content)
        with pytest.raises(ModelError, match=r"config\.json"):
            load(f"hf:{clip_copy}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_processor_type": "FlavaImageProcessor"}, "FlavaImageProcessor"),
        ({"resample": 9}, "resample 9"),
        ({"crop_size": {"height": 60, "width": 64}}, "square"),
        ({"do_pad": True}, "do_pad"),
    ],
)
def test_pixels_that_are_not_understood_are_refused(clip_copy, changes, said):
    _edit(clip_copy / "preprocessor_config.json", **changes)
    with pytest.raises(ModelError, match=said):
        load(f"hf:{clip_copy}")


@pytest.mark.parametrize(
    "changes",
    [{"image_mean": [0.5, 0.45, 0.4]}, {"resample": 2}, {"size": {"height": 64, "width": 64}}],
    ids=["mean", "interpolation", "squash"],
)
def test_what_the_folder_says_of_pixels_is_what_is_done(
    clip_copy, clip_in_transformers, film, changes
):
    _edit(clip_copy / "preprocessor_config.json", **changes)
    first, second = (load(f"hf:{x}").preprocess for x in (clip_in_transformers, clip_copy))
    assert first.describe() != second.describe()
    assert (first(_opened(film)) - second(_opened(film))).abs().max() > 1e-3


def test_the_older_form_of_sizes_is_read(clip_copy, clip_in_transformers):
    _edit(clip_copy / "preprocessor_config.json", size=64, crop_size=64,
          feature_extractor_type="CLIPFeatureExtractor", image_processor_type=None)  # fmt: skip
    assert load(f"hf:{clip_copy}").preprocess == load(f"hf:{clip_in_transformers}").preprocess


def test_every_card_of_transformers_is_tested_here():
    tested = {
        *CLIPS,
        "biomedclip-hf",
        "medsiglip",
        "medsiglip-squash",
        "rad-dino",
        "xrayclip",
        "xraysiglip",
    }
    assert {card.name for card in catalogue() if card.adapter == "transformers"} == tested


def test_a_processor_as_transformers_5_writes_it_says_the_same_pixels(clip_copy):
    said = load(f"hf:{clip_copy}").preprocess
    old = clip_copy / "preprocessor_config.json"
    table = {"image_processor": json.loads(old.read_text()), "processor_class": "CLIPProcessor"}
    (clip_copy / "processor_config.json").write_text(json.dumps(table))
    old.unlink()
    assert load(f"hf:{clip_copy}").preprocess == said


def test_a_folder_of_owner_and_name_is_found_under_the_weights(clip_copy, tmp_path):
    owned = tmp_path / "weights" / "owner" / "model"
    owned.parent.mkdir(parents=True)
    clip_copy.rename(owned)
    assert load("hf:owner/model", weights_dir=str(tmp_path / "weights")).width
