"""PMC-CLIP from its three files gives what its pieces give by hand, in each convention."""

import json
import os
import shutil

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import normalize

from vesalius.core import ChoiceError, ModelError, VesaliusError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["No pleural effusion.", "left pneumothorax, the heart is normal, the lungs clear", "heart"]
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGE_FILE = "image_encoder(resnet50).pth"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "pmc_clip"


@pytest.fixture(scope="module")
def bert(place, write_bert):
    return write_bert(place, layers=2)


@pytest.fixture(scope="module")
def visual(noisy):
    from open_clip.modified_resnet import ModifiedResNet

    return noisy(ModifiedResNet([3, 4, 6, 3], output_dim=768, heads=32, image_size=224, width=64))


@pytest.fixture(scope="module")
def matrix():
    return torch.randn(32, 768, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def root(place, bert, visual, matrix):
    """The folder above the three files."""
    torch.save(visual.state_dict(), place / IMAGE_FILE)
    positions = {"embeddings.position_ids": torch.arange(512)[None]}
    torch.save({**bert.state_dict(), **positions}, place / "text_encoder.pth")
    torch.save(nn.Parameter(matrix), place / "text_projection_layer.pth")
    return str(place.parent)


@pytest.fixture(scope="module")
def model(root):
    return load("pmc_clip", weights_dir=root)


def _pixels(path, mean, interpolation):
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize(224, interpolation),
            transforms.CenterCrop(224),
            lambda image: image.convert("RGB"),
            transforms.ToTensor(),
            transforms.Normalize(mean, STD),
        ]
    )(Image.open(path))[None]


def _image(visual, pixels_BCHW, heads):
    """The attention pool written out: the mean is the question, the places are the answers."""
    x = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels_BCHW)))))
    pool, places_BLC = visual.attnpool, x.flatten(2).transpose(1, 2)
    x_BLC = torch.cat([places_BLC.mean(1, keepdim=True), places_BLC], 1) + pool.positional_embedding
    batch, length, width = x_BLC.shape
    q = pool.q_proj(x_BLC[:, :1]).view(batch, 1, heads, -1).transpose(1, 2)
    k = pool.k_proj(x_BLC).view(batch, length, heads, -1).transpose(1, 2)
    v = pool.v_proj(x_BLC).view(batch, length, heads, -1).transpose(1, 2)
    weights = (q @ k.transpose(2, 3) / (width // heads) ** 0.5).softmax(-1)
    return pool.c_proj((weights @ v).transpose(1, 2).reshape(batch, width))


def _text(texts, place, bert, matrix, convention):
    from transformers import BertTokenizer

    words = BertTokenizer(vocab=str(place / "vocab.txt"))
    found = words(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    if convention == "":
        return bert(input_ids=found["input_ids"]).last_hidden_state[:, 0] @ matrix
    out = bert(input_ids=found["input_ids"], attention_mask=found["attention_mask"])
    chosen = out.pooler_output if convention == "pooler" else out.last_hidden_state[:, 0]
    return chosen @ matrix


@torch.no_grad()
@pytest.mark.parametrize(("argument", "heads"), [("", 32), (":8heads", 8)])
def test_the_image_is_that_of_the_pieces(root, visual, photograph, film, argument, heads):
    from torchvision.transforms import InterpolationMode

    model = load(f"pmc_clip{argument}", weights_dir=root)
    for path in (photograph, film):
        ours = normalize(model.encode_image(model.preprocess(read_image(path))[None]))
        pixels_BCHW = _pixels(path, MEAN, InterpolationMode.BICUBIC)
        theirs = normalize(_image(visual, pixels_BCHW, heads))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
        for mean, interpolation, other_heads in (
            ([0.485, 0.456, 0.406], InterpolationMode.BICUBIC, heads),
            (MEAN, InterpolationMode.BILINEAR, heads),
            (MEAN, InterpolationMode.BICUBIC, 40 - heads),
        ):
            other = normalize(_image(visual, _pixels(path, mean, interpolation), other_heads))
            assert (ours - other).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("convention", ["", "masked", "pooler"])
def test_the_text_is_that_of_each_convention(root, place, bert, matrix, convention, no_network):
    name = f"pmc_clip:{convention}" if convention else "pmc_clip"
    model = load(name, weights_dir=root)
    ours = normalize(model.encode_text(TEXTS))
    theirs = normalize(_text(TEXTS, place, bert, matrix, convention))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    alone = normalize(model.encode_text(TEXTS[:1]))
    torch.testing.assert_close(alone, theirs[:1], rtol=0, atol=1e-5)
    for other in {"", "masked", "pooler"} - {convention}:
        differs = normalize(_text(TEXTS, place, bert, matrix, other))
        assert (ours - differs).abs().max() > 1e-4
    assert model.logit_scale.item() == pytest.approx(4.4292)
    assert no_network == []


@torch.no_grad()
def test_patches_have_the_joint_width(model):
    assert model.patch_features(torch.rand(1, 3, 224, 224)).shape == (1, 768, 7, 7)


@pytest.mark.parametrize("argument", ["", ":pooler/8heads"])
def test_it_is_saved_and_read_back(root, tmp_path, argument):
    model = load(f"pmc_clip{argument}", weights_dir=root)
    again = load(str(model.save(tmp_path / "weights")))
    assert again.identity() == model.identity()
    with torch.no_grad():
        assert torch.equal(again.encode_text(TEXTS), model.encode_text(TEXTS))
    assert again.identity()["model"] == f"pmc_clip{argument}"


def test_strange_conventions_are_refused(root):
    with pytest.raises(ChoiceError, match="did you mean 'pooler'"):
        load("pmc_clip:poolr", weights_dir=root)
    with pytest.raises(ModelError, match="two conventions"):
        load("pmc_clip:masked/pooler", weights_dir=root)
    with pytest.raises(ModelError, match="image_size=256 cannot be had"):
        load("pmc_clip", weights_dir=root, image_size=256)


@pytest.mark.parametrize(
    "missing", [IMAGE_FILE, "text_encoder.pth", "text_projection_layer.pth", "vocab.txt"]
)
def test_each_missing_file_is_named(root, place, tmp_path, missing):
    shutil.copytree(place, tmp_path / "pmc_clip", copy_function=os.symlink)
    (tmp_path / "pmc_clip" / missing).unlink()
    with pytest.raises(ModelError) as caught:
        load("pmc_clip", weights_dir=str(tmp_path))
    assert missing in str(caught.value)
    assert str(tmp_path / "pmc_clip") in str(caught.value)


@pytest.mark.parametrize(
    ("file", "key"),
    [(IMAGE_FILE, "attnpool.q_proj.bias"), ("text_encoder.pth", "embeddings.LayerNorm.weight")],
)
def test_a_missing_key_is_named(root, place, tmp_path, file, key):
    shutil.copytree(place, tmp_path / "pmc_clip", copy_function=os.symlink)
    tensors = torch.load(place / file, weights_only=True)
    del tensors[key]
    (tmp_path / "pmc_clip" / file).unlink()
    torch.save(tensors, tmp_path / "pmc_clip" / file)
    with pytest.raises(ModelError, match=f"1 missing: {key}") as caught:
        load("pmc_clip", weights_dir=str(tmp_path))
    assert file in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(torch.zeros(768, 32), r"not \(768, 32\)"), ({"w": torch.zeros(1)}, "not dict")],
)
def test_a_projection_of_another_shape_is_refused(root, place, tmp_path, content, said):
    shutil.copytree(place, tmp_path / "pmc_clip", copy_function=os.symlink)
    (tmp_path / "pmc_clip" / "text_projection_layer.pth").unlink()
    torch.save(content, tmp_path / "pmc_clip" / "text_projection_layer.pth")
    with pytest.raises(ModelError, match=said):
        load("pmc_clip", weights_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (IMAGE_FILE, b"", r"is empty \(0 bytes\)"),
        ("text_encoder.pth", None, "not a readable checkpoint"),
        ("vocab.txt", b"", "vocab.txt"),
        ("vocab.txt", b"heart\nlungs\n", "vocab.txt"),
        ("text_config.json", b"{", "text_config.json"),
    ],
    ids=["empty", "truncated", "empty words", "no special words", "broken config"],
)
def test_broken_files_are_named(root, place, tmp_path, file, content, said):
    shutil.copytree(place, tmp_path / "pmc_clip", copy_function=os.symlink)
    if content is None:
        content = (place / file).read_bytes()[:5000]
    (tmp_path / "pmc_clip" / file).unlink()
    (tmp_path / "pmc_clip" / file).write_bytes(content)
    with pytest.raises(VesaliusError, match=said):
        load("pmc_clip", weights_dir=str(tmp_path))


def test_a_text_tower_with_too_few_places_is_refused(root, place, tmp_path, small_bert):
    shutil.copytree(place, tmp_path / "pmc_clip", copy_function=os.symlink)
    (tmp_path / "pmc_clip" / "text_config.json").unlink()
    (tmp_path / "pmc_clip" / "text_config.json").write_text(json.dumps(small_bert))
    with pytest.raises(ModelError, match="64 positions, 77 are wanted"):
        load("pmc_clip", weights_dir=str(tmp_path))


@pytest.mark.parametrize("change", ["more words", "fewer words"])
def test_the_words_of_another_model_are_refused(root, place, tmp_path, change):
    shutil.copytree(place, tmp_path / "pmc_clip", copy_function=os.symlink)
    words = (place / "vocab.txt").read_text()
    words = f"{words}lobe\n" if change == "more words" else words.replace("clear\n", "")
    (tmp_path / "pmc_clip" / "vocab.txt").unlink()
    (tmp_path / "pmc_clip" / "vocab.txt").write_text(words)
    with pytest.raises(ModelError, match=r"vocabulary of \d+, the text tower of \d+"):
        load("pmc_clip", weights_dir=str(tmp_path))
