"""Every card of wave A, in its authors' layout with random weights: open_clip's own embeddings."""

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

from vesalius.core import ModelError
from vesalius.encoders import load
from vesalius.encoders.cards import card_of

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TEXTS = ["no pleural effusion", "the heart is normal .", "left pneumothorax " * 120]
BERT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
BERT_CFG = {
    "hf_model_name": BERT,
    "hf_tokenizer_name": BERT,
    "hf_proj_type": "mlp",
    "hf_pooler_type": "cls_last_hidden_state_pooler",
    "context_length": 256,
}
CLIP_TEXT = {"context_length": 77, "width": 32, "heads": 2, "layers": 1}
PATCHES = {"layers": 2, "width": 64, "head_width": 32, "patch_size": 56}
RESNET = {"layers": [1, 1, 1, 1], "width": 16, "head_width": 32}
EYECLIP_MORE = [
    "mask_token",
    "decoder_pos_embed",
    *(f"{n}.{p}" for n in ("decoder_embed", "decoder_norm", "decoder_pred")
      for p in ("weight", "bias")),
    *(f"decoder_blocks.{i}.{n}.{p}" for i in range(8)
      for n in ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
      for p in ("weight", "bias")),
]  # fmt: skip


def _plain(tensors):
    return tensors


def _trained(tensors):
    return {"epoch": 1, "state_dict": {f"module.{name}": v for name, v in tensors.items()}}


def _half(tensors):
    half = {name: value.half() for name, value in tensors.items()}
    return {"best_epoch": 7, "state_dict": half, "best_loss": 0.1}


def _lightning(tensors):
    places = {"text.": "encoders.text.model.", "visual.": "encoders.rgb.model."}
    found = {}
    for name, value in tensors.items():
        for ours, theirs in places.items():
            if name.startswith(ours):
                found[theirs + name.removeprefix(ours)] = value
    for modality in ("text", "rgb"):
        found[f"postprocessors.{modality}.1.log_logit_scale"] = tensors["logit_scale"]
    return {"state_dict": found, "epoch": 3, "global_step": 8}


def _unimed(tensors):
    named = {
        f"text_encoder.{name[5:]}" if name.startswith("text.") else name: value
        for name, value in tensors.items()
    }
    return {"state_dict": {f"module.{name}": value for name, value in named.items()}}


def _eyeclip(tensors):
    more = {f"visual.decoder.{name}": torch.ones(1) for name in EYECLIP_MORE}
    return {"epoch": 1, "model_state_dict": {**tensors, **more}, "loss": 0.5}


def _openai(tensors):
    sizes = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    return {**tensors, **{name: torch.tensor(value) for name, value in sizes.items()}}


LAYOUTS = {
    "biomedclip": (_plain, "open_clip_pytorch_model.bin"),
    "quiltnet-b-32": (_plain, "open_clip_pytorch_model.bin"),
    "quiltnet-b-16": (_plain, "open_clip_pytorch_model.bin"),
    "quiltnet-b-16-pmb": (_plain, "open_clip_pytorch_model.bin"),
    "unimed-clip-vit-b16": (_unimed, "unimed_clip_vit_b16.pt"),
    "unimed-clip-vit-l14": (_unimed, "unimed_clip_vit_l14_base_text_encoder.pt"),
    "bmc-clip": (_trained, "BMC_CLIP_CF.pt"),
    "open-pmc-18m": (_plain, "open_clip_pytorch_model.bin"),
    "open-pmc": (_lightning, "OPEN_PMC_CLIP.ckpt"),
    "dermlip": (_plain, "open_clip_pytorch_model.bin"),
    "fetalclip": (_plain, "FetalCLIP_weights.pt"),
    "chexzero": (_plain, "chexzero.pt"),
    "eyeclip": (_eyeclip, "eyeclip.pt"),
    "pubmedclip": (_half, "PubMedCLIP_ViT32.pth"),
    "pubmedclip-rn50": (_half, "pubmedclip_rn50.pth"),
    "pubmedclip-rn50x4": (_half, "PubMedCLIP_RN50x4.pth"),
    "monet-original": (_openai, "weight_clip.pt"),
}


def _small_cfg(card, text):
    """Return a small model of the card's kind."""
    vision = {"image_size": card.image_size, **(RESNET if "rn50" in card.name else PATCHES)}
    if card.image_size == 336:
        vision["patch_size"] = 112
    cfg = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}
    return {**cfg, "quick_gelu": True} if "quickgelu" in card.architecture else cfg


@pytest.fixture(scope="module")
def written(tmp_path_factory, small_bert, write_tokenizer):
    """A way to write a card's folder; returns the card, the peer and the weights folder."""
    from open_clip import factory
    from open_clip.model import CLIP, CustomTextCLIP

    before, made = copy.copy(factory._MODEL_CONFIGS), {}
    weights = tmp_path_factory.mktemp("weights")

    def write(name):
        if name in made:
            return made[name]
        card, (layout, file) = card_of(name), LAYOUTS[name]
        folder = weights / card.place
        folder.mkdir(exist_ok=True)
        bert = any("vocab.txt" in names for names in card.files)
        text = BERT_CFG if bert else {**CLIP_TEXT, "context_length": card.context}
        cfg = _small_cfg(card, text)
        own = json.loads(json.dumps(cfg))
        if bert:
            write_tokenizer(folder)
            (folder / "config.json").write_text(
                json.dumps({**small_bert, "max_position_embeddings": 256})
            )
            own["text_cfg"] |= {"hf_model_name": str(folder), "hf_model_pretrained": False}
        if ("open_clip_config.json",) in card.files:
            said = {"model_cfg": cfg, "preprocess_cfg": {"mean": list(MEAN), "std": list(STD)}}
            (folder / "open_clip_config.json").write_text(json.dumps(said))
        elif ("FetalCLIP_config.json",) in card.files:
            (folder / "FetalCLIP_config.json").write_text(json.dumps(cfg))
        else:
            factory._MODEL_CONFIGS[card.architecture] = cfg
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(sum(name.encode()))
            peer = (CustomTextCLIP if bert else CLIP)(**own).eval()
        torch.save(layout(peer.state_dict()), folder / file)
        if layout is _half:
            peer = peer.half().float()
        made[name] = card, peer, weights
        return made[name]

    yield write
    factory._MODEL_CONFIGS.clear()
    factory._MODEL_CONFIGS.update(before)


def _by_hand(name, size, file):
    """Return the pixels of an image file as the model's authors prepared them."""
    from open_clip import image_transform
    from torchvision import transforms as T

    image = Image.open(file)
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) if "monet" in name else (MEAN, STD)
    if name == "fetalclip":
        side = max(image.size)
        square = Image.new(image.mode, (side, side))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = square
    if name != "chexzero":
        return image_transform(size, is_train=False, mean=mean, std=std)(image)
    image = image.convert("RGB")
    ratio = 320 / max(image.size)
    image = image.resize([int(x * ratio) for x in image.size], Image.Resampling.LANCZOS)
    square = Image.new("L", (320, 320))
    square.paste(image.convert("L"), ((320 - image.width) // 2, (320 - image.height) // 2))
    values_CHW = torch.from_numpy(np.repeat(np.asarray(square, np.float32)[None], 3, 0))
    steps = (
        T.Normalize((101.48761,) * 3, (83.43944,) * 3),
        T.Resize(224, T.InterpolationMode.BICUBIC, antialias=False),
    )
    return T.Compose(steps)(values_CHW)


def _opened(file):
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("name", LAYOUTS)
def test_embeddings_equal_open_clips_own(written, name, film, photograph, no_network):
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    card, peer, weights = written(name)
    ours = load(name, weights_dir=str(weights))
    theirs_BCHW = torch.stack([_by_hand(name, card.image_size, x) for x in (film, photograph)])
    pixels_BCHW = torch.stack([ours.preprocess(_opened(x)) for x in (film, photograph)])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    bert = any("vocab.txt" in names for names in card.files)
    texts = TEXTS[:2] if name == "chexzero" else TEXTS
    tokens_BL = (
        HFTokenizer(str(weights / card.place), context_length=card.context)
        if bert
        else SimpleTokenizer(context_length=card.context)
    )(texts)
    assert torch.equal(ours.tokenize(texts), tokens_BL)
    with torch.no_grad():
        torch.testing.assert_close(
            ours.encode_image(pixels_BCHW), peer.encode_image(theirs_BCHW), rtol=0, atol=1e-5
        )
        torch.testing.assert_close(
            ours.encode_text(texts), peer.encode_text(tokens_BL), rtol=0, atol=1e-5
        )
    assert ours.logit_scale.item() == pytest.approx(peer.logit_scale.item())
    assert ours.name == name
    assert ours.scores == "softmax"
    assert not no_network


def test_every_card_of_open_clip_is_tested_here():
    from vesalius.encoders import catalogue

    assert {card.name for card in catalogue() if card.adapter == "open_clip"} == set(LAYOUTS)


@pytest.mark.parametrize("name", ["chexzero", "eyeclip", "open-pmc", "unimed-clip-vit-b16"])
def test_a_missing_and_a_strange_tensor_are_named(written, tmp_path, name):
    import shutil

    card, _, weights = written(name)
    layout, file = LAYOUTS[name]
    shutil.copytree(weights / card.place, tmp_path / card.place)
    path = tmp_path / card.place / file
    content = torch.load(path, weights_only=True)
    table = next((v for k, v in content.items() if k.endswith("state_dict")), content)
    gone = next(key for key in table if key.endswith("class_embedding"))
    del table[gone]
    torch.save(content, path)
    with pytest.raises(ModelError, match=r"1 missing: visual\.class_embedding"):
        load(name, weights_dir=str(tmp_path))
    table[gone.replace("class_embedding", "stranger")] = torch.ones(1)
    torch.save(content, path)
    with pytest.raises(ModelError, match=r"not of this model: visual\.stranger"):
        load(name, weights_dir=str(tmp_path))


def test_chexzero_refuses_a_text_that_is_too_long(written, tmp_path):
    _, _, weights = written("chexzero")
    ours = load("chexzero", weights_dir=str(weights))
    with pytest.raises(ModelError, match="1 of 3 texts have more than 77 tokens"):
        ours.tokenize(TEXTS)
    again = load(str(ours.save(tmp_path)))
    with pytest.raises(ModelError, match="more than 77 tokens"):
        again.tokenize(TEXTS)
    assert again.identity() == ours.identity()


def test_chexzeros_pixels_travel_with_saved_weights(written, tmp_path, film):
    _, _, weights = written("chexzero")
    ours = load("chexzero", weights_dir=str(weights))
    again = load(str(ours.save(tmp_path)))
    assert torch.equal(again.preprocess(_opened(film)), ours.preprocess(_opened(film)))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_missing_files_are_named_with_their_place(tmp_path, name):
    card = card_of(name)
    with pytest.raises(ModelError, match="nothing is downloaded") as caught:
        load(name, weights_dir=str(tmp_path))
    assert str(tmp_path / card.place) in str(caught.value)
    assert all(names[0] in str(caught.value) for names in card.files)


def test_both_spellings_of_pubmedclips_file_are_found(written, tmp_path):
    import shutil

    card, _, weights = written("pubmedclip")
    (tmp_path / card.place).mkdir()
    shutil.copy(
        weights / card.place / "PubMedCLIP_ViT32.pth",
        tmp_path / card.place / "pubmedclip_vit32.pth",
    )
    first, second = (load("pubmedclip", weights_dir=str(x)) for x in (weights, tmp_path))
    assert first.identity()["weights_hash"] == second.identity()["weights_hash"]


def test_a_folder_that_describes_other_pixels_is_logged(written, tmp_path, caplog):
    import shutil

    card, _, weights = written("dermlip")
    shutil.copytree(weights / card.place, tmp_path / card.place)
    file = tmp_path / card.place / "open_clip_config.json"
    file.write_text(file.read_text().replace("0.4578275", "0.5"))
    load("dermlip", weights_dir=str(weights))
    assert not caplog.text
    with caplog.at_level("WARNING", logger="vesalius"):
        ours = load("dermlip", weights_dir=str(tmp_path))
    assert "describes other pixels than its card" in caplog.text
    assert ours.preprocess == card.image


MUTANTS = {
    "mean": ("normalise", {"mean": (0.47, 0.4578275, 0.40821073)}),
    "deviation": ("normalise", {"std": (0.25, 0.26130258, 0.27577711)}),
    "interpolation": ("resize", {"filter": "bilinear"}),
    "scale": ("floats", {"divide": 256}),
}
CHEXZERO_MUTANTS = {
    **MUTANTS,
    "mean": ("normalise", {"mean": (101.5,) * 3}),
    "padding": ("square", {"place": "corner"}),
    "black": ("square", {"fill": 128}),
    "rounding": ("resize", {"rounding": "nearest"}),
    "smoothing": ("resize", {"antialias": True}),
}
FETALCLIP_MUTANTS = {**MUTANTS, "padding": ("square", {"place": "corner"})}


@pytest.mark.parametrize(
    ("name", "step", "changes"),
    [
        (name, *mutant)
        for name, mutants in (
            ("dermlip", MUTANTS), ("fetalclip", FETALCLIP_MUTANTS), ("chexzero", CHEXZERO_MUTANTS)
        )
        for mutant in mutants.values()
    ],
)  # fmt: skip
def test_a_card_with_one_wrong_setting_gives_other_pixels(name, step, changes, film, photograph):
    right = card_of(name).image
    steps = [
        {**values, **(changes if values["do"] == step else {})}
        for values in right.as_dict()["operations"]
    ]
    wrong = type(right).from_dict({"size": right.size, "operations": steps})
    assert wrong != right
    differences = [
        (wrong(_opened(file)) - _by_hand(name, right.size, file)).abs().max()
        for file in (film, photograph)
    ]
    assert max(differences) > 1e-4  # the test above allows 2e-6


def test_verify_finds_a_folder_of_open_clip_with_another_mean(written, tmp_path):
    import shutil

    from vesalius.encoders.verification import verify

    card, _, weights = written("dermlip")
    folder = shutil.copytree(weights / card.place, tmp_path / card.place)

    def wrong(path):
        return {check.what: check.said for check in verify("dermlip", path) if not check.right}

    assert list(wrong(folder)) == ["width"]  # the model is a small one
    renamed = (folder / "open_clip_pytorch_model.bin").rename(folder / "mine.bin")
    assert list(wrong(renamed)) == ["width"]
    file = folder / "open_clip_config.json"
    file.write_text(file.read_text().replace("0.4578275", "0.5"))
    assert "0.5" in wrong(renamed)["pixels"]
