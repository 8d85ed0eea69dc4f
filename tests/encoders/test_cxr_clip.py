"""CXR-CLIP from a checkpoint in the authors' layout gives what its pieces give by hand."""

import copy

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import normalize

from vesalius.core import ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["No pleural effusion.", "left pneumothorax, the heart is normal, the lungs clear", "heart"]


@pytest.fixture(scope="module")
def bert(place, write_bert):
    return write_bert(place)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "cxr_clip"


@pytest.fixture(scope="module")
def heads(noisy):
    """Image and text projections of either model, 24 wide."""
    return {
        "resnet": noisy(nn.Linear(2048, 24), 1),
        "swin": noisy(nn.Linear(768, 24), 2),
        "text": noisy(nn.Linear(32, 24), 3),
    }


@pytest.fixture(scope="module")
def trunks(noisy):
    from torchvision.models import resnet50
    from transformers import SwinConfig, SwinModel

    return {"resnet": noisy(resnet50()), "swin": noisy(SwinModel(SwinConfig()))}


@pytest.fixture(scope="module")
def tensors(trunks, heads, bert, under, swin_under):
    """The tensors of both checkpoints, as the authors' training saved them."""
    common = {
        **under("text_encoder.text_encoder.", bert),
        "text_encoder.text_encoder.embeddings.position_ids": torch.arange(512)[None],
        **under("text_projection.projection.", heads["text"]),
        "logit_scale": torch.tensor(3.5),
    }
    resnet = under("image_encoder.resnet.", trunks["resnet"])
    swin = swin_under("image_encoder.image_encoder.", trunks["swin"])
    return {
        "resnet": {
            **{name: value for name, value in resnet.items() if ".fc." not in name},
            **under("image_projection.projection.", heads["resnet"]),
            **common,
        },
        "swin": {**swin, **under("image_projection.projection.", heads["swin"]), **common},
    }


def _config(kind: str) -> dict:
    image = {
        "resnet": {"source": "torchvision", "name": "resnet", "pretrained": True},
        "swin": {"source": "huggingface", "name": "microsoft/swin-tiny-patch4-window7-224",
                 "pretrained": True, "model_type": "swin"},
    }  # fmt: skip
    text = {"source": "huggingface", "name": "emilyalsentzer/Bio_ClinicalBERT", "pooling": "eos"}
    head = {"name": "linear", "dropout": 0.1, "proj_dim": 24}
    return {"model": {"image_encoder": image[kind], "text_encoder": text, "projection_head": head,
                      "temperature": 0.07}, "base": {"image_size": 224}}  # fmt: skip


@pytest.fixture(scope="module")
def files(place, tensors):
    names = {"resnet": "r50_mcc.tar", "swin": "swint_mcc.tar"}
    for kind, name in names.items():
        content = {"model": tensors[kind], "config": _config(kind), "epoch": 15, "optimizer": {}}
        torch.save({**content, "scheduler": {}, "train_loss": 1.5}, place / name)
    return names


@pytest.fixture(scope="module", params=["resnet", "swin"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind, files, place):
    return load(f"cxr_clip:{files[kind]}", weights_dir=str(place.parent))


def _pixels(path, kind, **changes):
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    resnet = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    mean, std = changes.get("stats", resnet if kind == "resnet" else ([0.5] * 3, [0.5] * 3))
    steps = [
        transforms.Resize(224, changes.get("interpolation", InterpolationMode.BILINEAR)),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(mean, std),
    ]
    return transforms.Compose(steps)(Image.open(path).convert("RGB"))[None]


def _image(pixels_BCHW, kind, trunks, heads):
    trunk = trunks[kind]
    if kind == "swin":
        return heads[kind](trunk(pixels_BCHW).last_hidden_state[:, 0])
    x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(pixels_BCHW))))
    x = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))
    return heads[kind](torch.flatten(trunk.avgpool(x), 1))


def _text(text, place, bert, heads):
    from transformers import BertTokenizer

    words = BertTokenizer(vocab=str(place / "vocab.txt"))
    found = words(text, truncation=True, max_length=256, return_tensors="pt")
    state = bert(**found).last_hidden_state
    return heads["text"](state[torch.arange(1), found["attention_mask"].sum(-1) - 1])


@torch.no_grad()
def test_the_image_is_that_of_the_pieces(model, kind, trunks, heads, photograph, film):
    for path in (photograph, film):
        ours = normalize(model.encode_image(model.preprocess(read_image(path))[None]))
        theirs = normalize(_image(_pixels(path, kind), kind, trunks, heads))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@torch.no_grad()
def test_other_pixels_would_be_noticed(model, kind, trunks, heads, photograph):
    from torchvision.transforms import InterpolationMode

    ours = normalize(model.encode_image(model.preprocess(read_image(photograph))[None]))
    for change in (
        {"stats": ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])},
        {"interpolation": InterpolationMode.BICUBIC},
    ):
        other = normalize(_image(_pixels(photograph, kind, **change), kind, trunks, heads))
        assert (ours - other).abs().max() > 1e-4, change


@torch.no_grad()
def test_the_text_is_that_of_the_pieces_alone_and_in_a_batch(model, place, bert, heads, no_network):
    together = normalize(model.encode_text(TEXTS))
    for text, row in zip(TEXTS, together, strict=True):
        theirs = normalize(_text(text, place, bert, heads))
        torch.testing.assert_close(row[None], theirs, rtol=0, atol=1e-5)
        alone = normalize(model.encode_text([text]))
        torch.testing.assert_close(alone, theirs, rtol=0, atol=1e-5)
    assert model.logit_scale.item() == 3.5
    assert no_network == []


@torch.no_grad()
def test_swins_first_place_is_its_embedding(model, kind):
    pixels_BCHW = torch.rand(2, 3, 224, 224)
    patches_BDhw, image_BD = model.patch_features(pixels_BCHW), model.encode_image(pixels_BCHW)
    assert patches_BDhw.shape == (2, 24, 7, 7)
    whole = patches_BDhw[:, :, 0, 0] if kind == "swin" else patches_BDhw.mean((2, 3))
    torch.testing.assert_close(whole, image_BD, rtol=1e-4, atol=1e-4)


def test_it_is_saved_and_read_back(model, tmp_path):
    again = load(str(model.save(tmp_path / "weights")))
    assert again.identity() == model.identity()
    with pytest.raises(ModelError, match="image_size=320 cannot be had"):
        load(str(tmp_path), image_size=320)


def test_without_a_name_the_first_file_that_is_there_is_taken(files, place):
    assert load("cxr_clip", weights_dir=str(place.parent)).start == "weights of r50_mcc.tar"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("image_encoder.image_encoder.encoder.layers.2.blocks.5.attention.self.key.bias", "1 miss"),
        ("text_projection.projection.weight", "1 missing: text_projection.projection.weight"),
        ("text_encoder.text_encoder.pooler.dense.bias", ""),
    ],
)
def test_a_missing_key_is_named_as_in_the_file(place, tmp_path, tensors, key, said):
    left = {name: value for name, value in tensors["swin"].items() if name != key}
    _write(tmp_path, place, {"model": left, "config": _config("swin")})
    if not said:
        load("cxr_clip:own.tar", weights_dir=str(tmp_path))
        return
    with pytest.raises(ModelError, match=said) as caught:
        load("cxr_clip:own.tar", weights_dir=str(tmp_path))
    assert key in str(caught.value)


def test_a_key_too_many_is_named(place, tmp_path, tensors):
    more = {**tensors["swin"], "image_encoder.image_encoder.extra": torch.zeros(1)}
    _write(tmp_path, place, {"model": more, "config": _config("swin")})
    with pytest.raises(ModelError, match="1 not of this model: image_encoder.image_encoder.extra"):
        load("cxr_clip:own.tar", weights_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": None}, "no table under 'config'"),
        ({"config": {"model": {}}}, "'config' lacks 'image_encoder'"),
        (("projection_head", "name", "mlp"), "projection_head 'mlp'"),
        (("text_encoder", "pooling", "mean"), "text_encoder.pooling 'mean'"),
    ],
)
def test_what_the_config_cannot_say_is_refused(place, tmp_path, change, said):
    content = {"model": {}, "config": copy.deepcopy(_config("swin"))}
    if isinstance(change, tuple):
        content["config"]["model"][change[0]][change[1]] = change[2]
    else:
        content |= change
    _write(tmp_path, place, content)
    with pytest.raises(ModelError, match=said):
        load("cxr_clip:own.tar", weights_dir=str(tmp_path))


def test_lists_of_omegaconf_in_the_config_do_not_matter(place, tmp_path, tensors, omegaconf):
    config = _config("swin")
    scale = omegaconf.made("ListConfig", [0.8, 1.1])
    config["transform"] = {"train": {"RandomResizedCrop": {"size": 224, "scale": scale}}}
    _write(tmp_path, place, {"model": tensors["swin"], "config": config})
    omegaconf.forget()
    model = load("cxr_clip:own.tar", weights_dir=str(tmp_path))
    assert model.config["trunk"] == "swin"


def test_a_config_that_is_an_object_of_omegaconf_is_refused(place, tmp_path, omegaconf):
    config = omegaconf.made("DictConfig", _config("swin"))
    _write(tmp_path, place, {"model": {}, "config": config})
    omegaconf.forget()
    with pytest.raises(ModelError, match=r"object of OmegaConf.*to_container"):
        load("cxr_clip:own.tar", weights_dir=str(tmp_path))


class Settings(dict):
    """Somebody's own class."""


def test_any_other_object_is_refused_and_named(place, tmp_path):
    _write(tmp_path, place, {"model": {}, "config": Settings(_config("swin"))})
    with pytest.raises(ModelError, match=r"holds more than weights \(.*Settings\)"):
        load("cxr_clip:own.tar", weights_dir=str(tmp_path))


@pytest.mark.parametrize("missing", ["r50_mcc.tar or swint_mcc.tar", "vocab.txt"])
def test_missing_files_are_named(tmp_path, missing):
    with pytest.raises(ModelError, match=missing) as caught:
        load("cxr_clip", weights_dir=str(tmp_path))
    assert str(tmp_path / "cxr_clip") in str(caught.value)


def _write(root, place, content) -> None:
    folder = root / "cxr_clip"
    folder.mkdir()
    for name in ("vocab.txt", "text_config.json"):
        (folder / name).write_text((place / name).read_text())
    torch.save(content, folder / "own.tar")
