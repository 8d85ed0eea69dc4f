"""BioViL and BioViL-T from their published files give what their pieces give by hand."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import gelu, normalize

from vesalius.core import ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["No pleural effusion.", "left pneumothorax, the heart is normal, the lungs clear", "heart"]
IMAGE_FILES = {
    "biovil": "biovil_image_resnet50_proj_size_128.pt",
    "biovil_t": "biovil_t_image_model_proj_size_128.pt",
}
CROPS = {"biovil": 480, "biovil_t": 448}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def pieces(noisy):
    """What the image files hold, as torchvision and torch have it."""
    from torchvision.models import resnet50

    def projector(channels):
        return nn.Sequential(
            nn.Conv2d(channels, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Conv2d(128, 128, 1),
        )  # fmt: skip

    return {
        "resnet": noisy(resnet50()),
        "biovil": noisy(projector(2048), 1),
        "biovil_t": noisy(projector(512), 2),
        "reduce": noisy(nn.Conv2d(2048, 256, 1, bias=False), 3),
        "missing": torch.randn(1, 256, 1, 1, generator=torch.Generator().manual_seed(4)),
    }


@pytest.fixture(scope="module")
def bert(root, noisy, write_bert):
    """CXR-BERT's text model: BERT for masked words, and a head on the first token."""
    from transformers import BertConfig, BertForMaskedLM

    for name in IMAGE_FILES:
        write_bert(root / name, layers=2)
        config = json.loads((root / name / "text_config.json").read_text())
        (root / name / "text_config.json").unlink()
        described = {**config, "model_type": "cxr-bert", "projection_size": 128}
        described["auto_map"] = {"AutoModel": "modeling_cxrbert.CXRBertModel"}
        (root / name / "config.json").write_text(json.dumps(described))
        words = {"do_lower_case": True, "tokenizer_class": "CXRBertTokenizer"}
        words["auto_map"] = {"AutoTokenizer": ["configuration_cxrbert.CXRBertTokenizer", None]}
        (root / name / "tokenizer_config.json").write_text(json.dumps(words))
    model = BertForMaskedLM(BertConfig(**config))
    model.cls_projection_head = nn.ModuleDict(
        {
            "dense_to_hidden": nn.Linear(32, 128),
            "LayerNorm": nn.LayerNorm(128, eps=1e-12),
            "dense_to_output": nn.Linear(128, 128),
        }
    )
    return noisy(model, 5)


def _image_tensors(name, pieces, under):
    tensors = {
        **under("encoder.encoder.", pieces["resnet"]),
        **under("projector.model.", pieces[name]),
    }
    if name == "biovil_t":
        tensors |= under("encoder.backbone_to_vit.", pieces["reduce"])
        tensors["encoder.missing_previous_emb"] = pieces["missing"]
        tensors["encoder.vit_pooler.type_embed"] = torch.zeros(2, 1, 256)
        layers = {"norm_post.weight": (256,), "norm_post.bias": (256,)}
        for block in ("blocks.0.", "blocks.1.", "blocks.2."):
            for layer in ("attn.proj_q", "attn.proj_k", "attn.proj_v"):
                layers[f"{block}{layer}.weight"] = (256, 256)
            for layer in ("norm1", "norm2"):
                layers |= {f"{block}{layer}.weight": (256,), f"{block}{layer}.bias": (256,)}
            for layer in ("attn.proj", "mlp.fc1", "mlp.fc2"):
                layers |= {f"{block}{layer}.weight": (256, 256), f"{block}{layer}.bias": (256,)}
        tensors |= {f"encoder.vit_pooler.{x}": torch.zeros(shape) for x, shape in layers.items()}
    return tensors


@pytest.fixture(scope="module")
def files(root, pieces, bert, under):
    text = {**bert.state_dict(), "bert.embeddings.position_ids": torch.arange(512)[None]}
    for name, file in IMAGE_FILES.items():
        torch.save(_image_tensors(name, pieces, under), root / name / file)
        torch.save(text, root / name / "pytorch_model.bin")
    return str(root)


@pytest.fixture(scope="module", params=["biovil", "biovil_t"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, files):
    return load(name, weights_dir=files)


def _pixels(path, crop, *, stretch=True, bicubic=False, mean=0.0):
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    array = np.asarray(Image.open(path)).astype(float)
    if stretch:
        array -= array.min()
        array /= array.max()
        array *= 255
    mode = InterpolationMode.BICUBIC if bicubic else InterpolationMode.BILINEAR
    steps = [transforms.Resize(512, mode), transforms.CenterCrop(crop), transforms.ToTensor()]
    grey = transforms.Compose(steps)(Image.fromarray(array.astype(np.uint8)).convert("L"))
    return grey.repeat(3, 1, 1)[None] - mean


def _image(pixels_BCHW, name, pieces):
    trunk = pieces["resnet"]
    x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(pixels_BCHW))))
    x = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))
    if name == "biovil_t":
        x = pieces["reduce"](x)
        x = torch.cat([x, pieces["missing"].repeat(len(x), 1, *x.shape[2:])], 1)
    return pieces[name](x).mean((2, 3))


def _text(text, root, bert):
    from transformers import BertTokenizer

    words = BertTokenizer(vocab=str(root / "biovil" / "vocab.txt"))
    found = words([text.rstrip("!?.")], padding="longest", return_tensors="pt")
    state = bert(**found, output_hidden_states=True).hidden_states[-1]
    head = bert.cls_projection_head
    hidden = head["LayerNorm"](gelu(head["dense_to_hidden"](state[:, 0])))
    return head["dense_to_output"](hidden)


@torch.no_grad()
def test_the_image_is_that_of_the_pieces(model, name, pieces, photograph, film):
    for path in (photograph, film):
        ours = normalize(model.encode_image(model.preprocess(read_image(path))[None]))
        theirs = normalize(_image(_pixels(path, CROPS[name]), name, pieces))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@torch.no_grad()
def test_other_pixels_would_be_noticed(files, pieces, film):
    model = load("biovil", weights_dir=files)
    ours = normalize(model.encode_image(model.preprocess(read_image(film))[None]))
    for change in ({"stretch": False}, {"bicubic": True}, {"mean": 0.05}, {"crop": 512}):
        other = normalize(_image(_pixels(film, **{"crop": 480, **change}), "biovil", pieces))
        assert (ours - other).abs().max() > 1e-4, change


@torch.no_grad()
def test_the_text_is_that_of_the_pieces_alone_and_in_a_batch(model, root, bert, no_network):
    theirs = torch.cat([normalize(_text(text, root, bert)) for text in TEXTS])
    together = normalize(model.encode_text(TEXTS))
    alone = torch.cat([normalize(model.encode_text([text])) for text in TEXTS])
    torch.testing.assert_close(together, theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(alone, theirs, rtol=0, atol=1e-5)
    assert model.logit_scale.exp().item() == 1.0  # plain cosines
    assert no_network == []


def test_final_marks_are_stripped_and_others_are_not(model):
    ends, inside = model.tokenize(["heart!?."]), model.tokenize(["heart . normal"])
    assert torch.equal(ends, model.tokenize(["heart"]))
    assert inside.shape[1] == ends.shape[1] + 2


@torch.no_grad()
def test_the_mean_of_the_patches_is_the_embedding(model, name):
    side = {"biovil": 15, "biovil_t": 14}[name]
    pixels_BCHW = torch.rand(1, 3, CROPS[name], CROPS[name])
    patches_BDhw = model.patch_features(pixels_BCHW)
    assert patches_BDhw.shape == (1, 128, side, side)
    assert torch.equal(patches_BDhw.mean((2, 3)), model.encode_image(pixels_BCHW))


def test_it_is_saved_and_read_back(model, tmp_path):
    again = load(str(model.save(tmp_path / "weights")))
    assert again.identity() == model.identity()


@pytest.mark.parametrize("missing", ["image", "pytorch_model.bin", "vocab.txt"])
def test_each_missing_file_is_named(files, root, name, tmp_path, missing):
    missing = IMAGE_FILES[name] if missing == "image" else missing
    shutil.copytree(root / name, tmp_path / name, copy_function=os.symlink)
    (tmp_path / name / missing).unlink()
    with pytest.raises(ModelError) as caught:
        load(name, weights_dir=str(tmp_path))
    assert missing in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "projector.model.1.running_mean",
        "encoder.encoder.layer4.2.conv3.weight",
        "cls_projection_head.LayerNorm.weight",
    ],
)
def test_a_missing_key_is_named(files, root, name, tmp_path, key):
    shutil.copytree(root / name, tmp_path / name, copy_function=os.symlink)
    file = "pytorch_model.bin" if key.startswith("cls") else IMAGE_FILES[name]
    tensors = torch.load(root / name / file, weights_only=True)
    del tensors[key]
    (tmp_path / name / file).unlink()
    torch.save(tensors, tmp_path / name / file)
    with pytest.raises(ModelError, match=f"1 missing: {key}") as caught:
        load(name, weights_dir=str(tmp_path))
    assert file in str(caught.value)


def test_one_models_image_file_is_not_the_others(files, root, tmp_path):
    shutil.copytree(root / "biovil", tmp_path / "biovil", copy_function=os.symlink)
    (tmp_path / "biovil" / IMAGE_FILES["biovil"]).unlink()
    other = root / "biovil_t" / IMAGE_FILES["biovil_t"]
    (tmp_path / "biovil" / IMAGE_FILES["biovil"]).symlink_to(other)
    with pytest.raises(ModelError, match=r"not of this model: encoder\.backbone_to_vit\.weight"):
        load("biovil", weights_dir=str(tmp_path))


def test_nothing_comes_after_the_colon(files):
    with pytest.raises(ModelError, match="takes nothing after a colon"):
        load("biovil:t", weights_dir=files)
    with pytest.raises(ModelError, match="image_size=224 cannot be had"):
        load("biovil", weights_dir=files, image_size=224)
