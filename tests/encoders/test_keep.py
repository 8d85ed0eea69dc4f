"""KEEP from a folder of the authors' layout gives the numbers of their recipe, written anew."""

import json

import pytest
import timm
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from vesalius.core import ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["no pleural effusion", "left lungs clear ."]


@pytest.fixture(scope="module")
def keep(tmp_path_factory, write_bert, noisy, under):
    """The folder ``keep`` with a small ViT, and the modules that its weights came from."""
    folder = tmp_path_factory.mktemp("weights") / "keep"
    bert = write_bert(folder, layers=2, add_pooling_layer=True)
    (folder / "text_config.json").rename(folder / "bert.json")
    config = json.loads((folder / "bert.json").read_text())
    described = {"model_type": "keep", "projection_dim": 32, "text_config": config}
    (folder / "config.json").write_text(json.dumps(described))
    vit = timm.create_model("test_vit", img_size=224, init_values=1e-5, num_classes=0)
    vit, head = noisy(vit), noisy(nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 32)), 1)
    tensors = {
        **under("visual.", vit),
        **under("visual_head.", head),
        **under("text.", bert),
        "logit_scale": torch.tensor(3.3),
    }
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder, vit, head, bert


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("vesalius.encoders.keep.TRUNK", "test_vit")


def test_images_and_texts_equal_the_authors_recipe(keep, small, photograph, no_network):
    from transformers import BertTokenizer

    folder, vit, head, bert = keep
    model = load("keep", weights_dir=str(folder.parent))
    transform = transforms.Compose(
        [
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    pixels_BCHW = transform(Image.open(photograph).convert("RGB"))[None]
    found_BCHW = model.preprocess(read_image(photograph))[None]
    torch.testing.assert_close(found_BCHW, pixels_BCHW, rtol=0, atol=1e-5)
    tokens = BertTokenizer.from_pretrained(folder)(
        TEXTS, max_length=256, padding="max_length", truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        image_BD, text_BD = head(vit(pixels_BCHW)), bert(**tokens).pooler_output
        torch.testing.assert_close(model.encode_image(found_BCHW), image_BD, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.encode_text(TEXTS), text_BD, rtol=0, atol=1e-5)
        assert model.patch_features(found_BCHW).shape == (1, 32, 14, 14)
    assert model.logit_scale.item() == pytest.approx(3.3)
    assert no_network == []


@pytest.mark.parametrize("name", ["visual.norm.weight", "visual_head.2.bias",
                                  "text.pooler.dense.weight", "logit_scale"])  # fmt: skip
def test_a_missing_tensor_is_named(name, keep, small, tmp_path):
    folder = tmp_path / "keep"
    folder.mkdir()
    for file in ("config.json", "vocab.txt"):
        (folder / file).write_bytes((keep[0] / file).read_bytes())
    tensors = torch.load(keep[0] / "pytorch_model.bin")
    del tensors[name]
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=f"1 missing: {name}"):
        load("keep", weights_dir=str(tmp_path))


def test_missing_files_and_a_strange_config_are_said(keep, small, tmp_path):
    with pytest.raises(ModelError, match=r"config\.json, model\.safetensors"):
        load("keep", weights_dir=str(tmp_path))
    (tmp_path / "keep").mkdir()
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, vocab\.txt"):
        load("keep", weights_dir=str(tmp_path))
    for file in ("pytorch_model.bin", "vocab.txt"):
        (tmp_path / "keep" / file).write_bytes((keep[0] / file).read_bytes())
    for content, match in (({}, "text_config"), ({"text_config": {}, "projection_dim": 9}, "9")):
        (tmp_path / "keep" / "config.json").write_text(json.dumps(content))
        with pytest.raises(ModelError, match=match):
            load("keep", weights_dir=str(tmp_path))


def test_the_real_size_has_the_published_names():
    """The full architecture on the meta device: no memory, all names and shapes."""
    from vesalius.encoders.keep import SIZE, TRUNK, head
    from vesalius.encoders.timm_images import HeadedTower, TimmTower

    with torch.device("meta"):
        vit = timm.create_model(TRUNK, img_size=SIZE, init_values=1e-5, num_classes=0)
        tower = HeadedTower(TimmTower(vit, name="keep"), head(vit.num_features, 768))
    shapes = {name: tuple(value.shape) for name, value in tower.state_dict().items()}
    assert shapes["vit.model.blocks.23.ls1.gamma"] == (1024,)
    assert shapes["vit.model.pos_embed"] == (1, 197, 1024)
    assert shapes["head.0.weight"] == (768, 1024)
