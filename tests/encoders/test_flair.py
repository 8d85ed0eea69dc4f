"""FLAIR from its published layout gives what its pieces give by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import normalize

from vesalius.core import ChoiceError, ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["normal heart", "left pneumothorax, the heart is normal, the lungs clear", "heart"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "flair"


@pytest.fixture(scope="module")
def bert(place, write_bert):
    return write_bert(place)


@pytest.fixture(scope="module")
def pieces(noisy):
    from torchvision.models import resnet50

    resnet = resnet50()
    resnet.fc = nn.Identity()
    heads = {"image": nn.Linear(2048, 512, bias=False), "text": nn.Linear(32, 512, bias=False)}
    return {"resnet": noisy(resnet), **{name: noisy(head, 2) for name, head in heads.items()}}


@pytest.fixture(scope="module")
def tensors(bert, pieces, under):
    return {
        **under("vision_model.model.", pieces["resnet"]),
        **under("vision_model.projection_head_vision.projection.", pieces["image"]),
        **under("text_model.model.", bert),
        "text_model.model.embeddings.position_ids": torch.arange(512)[None],
        **under("text_model.projection_head_text.projection.", pieces["text"]),
        "logit_scale": torch.tensor(4.7),
    }


@pytest.fixture(scope="module")
def root(place, tensors):
    from safetensors.torch import save_file

    save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})
    (place / "config.json").write_text('{"image_size": 512, "caption": "A fundus of [CLS]"}')
    return str(place.parent)


@pytest.fixture(scope="module")
def model(root):
    return load("flair", weights_dir=root)


def _pixels(path, *, on_bytes=False, centred=False, nearest=False):
    """The authors' steps on the file's array, one after another."""
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    array = np.float32(np.asarray(Image.open(path).convert("RGB"))) / 255
    image = torch.from_numpy(array.transpose(2, 0, 1))[None]
    scale = max(image.shape[-2:]) / 512
    size = (int(image.shape[-2] / scale), int(image.shape[-1] / scale))
    mode = InterpolationMode.NEAREST if nearest else InterpolationMode.BILINEAR
    image = transforms.Resize(size, mode, antialias=not nearest)(image)
    if on_bytes:
        image = (image * 255).round() / 255
    right, below = 512 - image.shape[-1], 512 - image.shape[-2]
    sides = (0, right, 0, below)
    if centred:
        sides = (right // 2, right - right // 2, below // 2, below - below // 2)
    return nn.functional.pad(image, sides)


def _image(pixels_BCHW, pieces):
    return normalize(pieces["image"](normalize(pieces["resnet"](pixels_BCHW))))


def _text(text, place, bert, pieces):
    from transformers import BertTokenizer

    words = BertTokenizer(vocab=str(place / "vocab.txt"))
    found = words([text], truncation=True, max_length=77, padding=True, return_tensors="pt")
    states = bert(**found, output_hidden_states=True).hidden_states
    stacked = torch.stack([states[1], states[2], states[-1]]).permute(1, 0, 2, 3)
    return normalize(pieces["text"](normalize(stacked.mean(2).mean(1))))


@torch.no_grad()
def test_the_image_is_that_of_the_pieces(model, pieces, photograph, film, tmp_path):
    large = tmp_path / "large.png"
    Image.open(photograph).resize((700, 620)).save(large)
    for path in (photograph, film, large):
        pixels_BCHW = model.preprocess(read_image(path))[None]
        torch.testing.assert_close(pixels_BCHW, _pixels(path), rtol=0, atol=1e-6)
        ours = normalize(model.encode_image(pixels_BCHW))
        torch.testing.assert_close(ours, _image(_pixels(path), pieces), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("change", ["on_bytes", "centred", "nearest"])
def test_other_pixels_would_be_noticed(model, photograph, change):
    ours = model.preprocess(read_image(photograph))[None]
    assert (ours - _pixels(photograph, **{change: True})).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("change", ["centred", "nearest"])
def test_the_embedding_would_notice_them_too(model, pieces, photograph, change):
    ours = normalize(model.encode_image(model.preprocess(read_image(photograph))[None]))
    assert (ours - _image(_pixels(photograph, **{change: True}), pieces)).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize(
    ("argument", "template"), [("", "A fundus photograph of "), (":plain", "")]
)
def test_a_text_is_as_upstream_encodes_it_alone(
    root, place, bert, pieces, argument, template, no_network
):
    model = load(f"flair{argument}", weights_dir=root)
    theirs = torch.cat([_text(template + text, place, bert, pieces) for text in TEXTS])
    together = normalize(model.encode_text(TEXTS))
    alone = torch.cat([normalize(model.encode_text([text])) for text in TEXTS])
    torch.testing.assert_close(together, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(alone, theirs, rtol=0, atol=1e-5)
    assert model.logit_scale.item() == pytest.approx(4.6052)  # clamped, as upstream clamps it
    assert no_network == []


def test_the_template_is_part_of_the_identity(model, root):
    plain = load("flair:plain", weights_dir=root)
    assert plain.identity()["tokenizer"] != model.identity()["tokenizer"]


@torch.no_grad()
def test_the_mean_of_the_places_is_the_embedding(model):
    pixels_BCHW = torch.rand(1, 3, 512, 512)
    patches_BDhw = model.patch_features(pixels_BCHW)
    assert patches_BDhw.shape == (1, 512, 16, 16)
    whole = normalize(patches_BDhw.mean((2, 3)))
    torch.testing.assert_close(whole, normalize(model.encode_image(pixels_BCHW)))


@torch.no_grad()
def test_it_is_saved_and_read_back(model, tmp_path):
    again = load(str(model.save(tmp_path / "weights")))
    assert again.identity() == model.identity()
    assert torch.equal(again.encode_text(TEXTS), model.encode_text(TEXTS))


def test_the_older_file_is_read_too(model, place, tensors, tmp_path):
    _write(tmp_path, place, tensors, "flair_resnet.pth")
    older = load("flair", weights_dir=str(tmp_path))
    assert older.identity()["weights_hash"] == model.identity()["weights_hash"]


@pytest.mark.parametrize("missing", ["model.safetensors", "vocab.txt"])
def test_missing_files_are_named(tmp_path, missing):
    with pytest.raises(ModelError, match=missing) as caught:
        load("flair", weights_dir=str(tmp_path))
    assert str(tmp_path / "flair") in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "vision_model.model.layer2.0.downsample.1.running_var",
        "text_model.projection_head_text.projection.weight",
    ],
)
def test_a_missing_key_is_named(place, tensors, tmp_path, key):
    left = {name: value for name, value in tensors.items() if name != key}
    _write(tmp_path, place, left, "pytorch_model.bin")
    with pytest.raises(ModelError, match=f"1 missing: {key}"):
        load("flair", weights_dir=str(tmp_path))


def test_strange_names_are_answered(root):
    with pytest.raises(ChoiceError, match="did you mean 'plain'"):
        load("flair:plan", weights_dir=root)
    with pytest.raises(ModelError, match="image_size=224 cannot be had"):
        load("flair", weights_dir=root, image_size=224)


def _write(root, like, tensors, file) -> None:
    folder = root / "flair"
    folder.mkdir()
    for name in ("vocab.txt", "text_config.json"):
        (folder / name).write_text((like / name).read_text())
    torch.save(tensors, folder / file)
