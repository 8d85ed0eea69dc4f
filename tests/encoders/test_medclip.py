"""MedCLIP from a checkpoint in the authors' layout gives what its pieces give by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import normalize

from vesalius.core import ChoiceError, ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["No pleural effusion.", "left pneumothorax, the heart is normal, the lungs clear", "heart"]
MEAN, STD = 0.5862785803043838, 0.27950088968644304


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def bert(root, write_bert):
    write_bert(root / "medclip-resnet")
    return write_bert(root / "medclip-vit")


@pytest.fixture(scope="module")
def pieces(noisy):
    """Image towers, and the two projections of each, as transformers and torchvision have them."""
    from torchvision.models import resnet50
    from transformers import SwinConfig, SwinModel

    resnet = resnet50()
    resnet.fc = nn.Linear(2048, 512, bias=False)
    return {
        "vit": noisy(SwinModel(SwinConfig())),
        "vit head": noisy(nn.Linear(768, 512, bias=False), 2),
        "resnet": noisy(resnet),
        "text": noisy(nn.Linear(32, 512, bias=False), 3),
    }


@pytest.fixture(scope="module")
def tensors(bert, pieces, under, swin_under):
    common = {
        **under("text_model.model.", bert),
        "text_model.model.embeddings.position_ids": torch.arange(512)[None],
        **under("text_model.projection_head.", pieces["text"]),
    }
    return {
        "vit": {
            **swin_under("vision_model.model.", pieces["vit"]),
            **under("vision_model.projection_head.", pieces["vit head"]),
            **common,
            "logit_scale": torch.tensor(4.0),
        },
        "resnet": {
            **under("vision_model.model.", pieces["resnet"]),
            **common,
            "logit_scale": torch.tensor(5.5),
        },
    }


@pytest.fixture(scope="module")
def files(root, tensors):
    for kind in tensors:
        torch.save(tensors[kind], root / f"medclip-{kind}" / "pytorch_model.bin")
    return str(root)


@pytest.fixture(scope="module", params=["vit", "resnet"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind, files):
    return load(f"medclip:{kind}", weights_dir=files)


def _pixels(path, *, mean=MEAN, filter=Image.Resampling.BICUBIC, corner=False):
    image = Image.open(path)
    x, y = image.size
    size = max(224, x, y)
    square = Image.new("L", (size, size), 0)
    square.paste(image, (0, 0) if corner else (int((size - x) / 2), int((size - y) / 2)))
    grey = np.asarray(square.resize((224, 224), filter), np.float32) / 255
    return torch.from_numpy((grey - np.float32(mean)) / np.float32(STD))[None, None].repeat(
        1, 3, 1, 1
    )


def _image(pixels_BCHW, kind, pieces):
    if kind == "resnet":
        return pieces["resnet"](pixels_BCHW)
    return pieces["vit head"](pieces["vit"](pixels_BCHW).pooler_output)


def _text(texts, root, bert, pieces):
    """All positions, padding included; a text alone has none."""
    from transformers import BertTokenizer

    words = BertTokenizer(vocab=str(root / "medclip-vit" / "vocab.txt"))
    found = words(texts, truncation=True, max_length=77, padding=True, return_tensors="pt")
    states = bert(**found, output_hidden_states=True).hidden_states
    stacked = torch.stack([states[1], states[2], states[-1]]).permute(1, 0, 2, 3)
    return pieces["text"](stacked.mean(2).mean(1))


@torch.no_grad()
def test_the_image_is_that_of_the_pieces(model, kind, pieces, photograph, film, tmp_path):
    small = tmp_path / "small.png"
    Image.open(film).crop((0, 0, 100, 71)).save(small)
    for path in (photograph, film, small):
        ours = normalize(model.encode_image(model.preprocess(read_image(path))[None]))
        theirs = normalize(_image(_pixels(path), kind, pieces))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    "change", [{"mean": 0.5}, {"filter": Image.Resampling.BILINEAR}, {"corner": True}]
)
def test_other_pixels_would_be_noticed(model, kind, pieces, film, change):
    ours = normalize(model.encode_image(model.preprocess(read_image(film))[None]))
    other = normalize(_image(_pixels(film, **change), kind, pieces))
    assert (ours - other).abs().max() > 1e-4


@torch.no_grad()
def test_a_text_is_as_upstream_encodes_it_alone(model, root, bert, pieces, no_network):
    together = normalize(model.encode_text(TEXTS))
    alone = torch.cat([normalize(model.encode_text([text])) for text in TEXTS])
    theirs = torch.cat([normalize(_text([text], root, bert, pieces)) for text in TEXTS])
    torch.testing.assert_close(together, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(alone, theirs, rtol=0, atol=1e-5)
    assert no_network == []


@torch.no_grad()
def test_padded_gives_upstreams_vectors_of_a_batch(kind, files, root, bert, pieces):
    model = load(f"medclip:{kind}/padded", weights_dir=files)
    ours = normalize(model.encode_text(TEXTS))
    theirs = normalize(_text(TEXTS, root, bert, pieces))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    alone = normalize(model.encode_text(TEXTS[2:]))
    assert (ours[2:] - alone).abs().max() > 1e-3  # that is why it is not the default
    assert model.name == f"medclip:{kind}/padded"


@torch.no_grad()
def test_the_mean_of_the_places_is_the_embedding(model):
    pixels_BCHW = torch.rand(2, 3, 224, 224)
    patches_BDhw = model.patch_features(pixels_BCHW)
    assert patches_BDhw.shape == (2, 512, 7, 7)
    whole = normalize(patches_BDhw.mean((2, 3)))
    torch.testing.assert_close(whole, normalize(model.encode_image(pixels_BCHW)))


def test_the_scale_is_clamped_as_upstream_clamps_it(model, kind):
    assert model.logit_scale.item() == pytest.approx({"vit": 4.0, "resnet": 4.6052}[kind])


def test_it_is_saved_and_read_back(model, tmp_path):
    again = load(str(model.save(tmp_path / "weights")))
    assert again.identity() == model.identity()


def test_plain_medclip_is_the_vit(files):
    assert load("medclip", weights_dir=files).name == "medclip:vit"


def test_strange_names_are_answered(files):
    with pytest.raises(ChoiceError, match="did you mean 'resnet'"):
        load("medclip:resnet5", weights_dir=files)
    with pytest.raises(ChoiceError, match="did you mean 'padded'"):
        load("medclip:vit/paded", weights_dir=files)
    with pytest.raises(ModelError, match="image_size=256 cannot be had"):
        load("medclip:vit", weights_dir=files, image_size=256)


@pytest.mark.parametrize("missing", ["pytorch_model.bin", "vocab.txt"])
def test_missing_files_are_named(tmp_path, missing):
    with pytest.raises(ModelError, match=missing) as caught:
        load("medclip:resnet", weights_dir=str(tmp_path))
    assert str(tmp_path / "medclip-resnet") in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("vit", "vision_model.projection_head.weight"),
        ("vit", "vision_model.model.encoder.layers.1.downsample.norm.bias"),
        ("resnet", "vision_model.model.fc.weight"),
        ("resnet", "text_model.model.encoder.layer.3.output.dense.weight"),
        ("resnet", "logit_scale"),
    ],
)
def test_a_missing_key_is_named(root, tmp_path, tensors, kind, key):
    left = {name: value for name, value in tensors[kind].items() if name != key}
    _write(tmp_path / f"medclip-{kind}", root / f"medclip-{kind}", left)
    with pytest.raises(ModelError, match=f"1 missing: {key}"):
        load(f"medclip:{kind}", weights_dir=str(tmp_path))


def test_the_weights_of_the_other_tower_are_refused(root, tmp_path, tensors):
    _write(tmp_path / "medclip-vit", root / "medclip-vit", tensors["resnet"])
    with pytest.raises(ModelError, match="not of this model"):
        load("medclip:vit", weights_dir=str(tmp_path))


def _write(folder, like, tensors) -> None:
    folder.mkdir()
    for name in ("vocab.txt", "text_config.json"):
        (folder / name).write_text((like / name).read_text())
    torch.save(tensors, folder / "pytorch_model.bin")
