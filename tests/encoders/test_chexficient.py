"""CheXficient from a folder of the authors' layout gives the numbers of their recipe."""

import json

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision import transforms

from vesalius.core import ModelError
from vesalius.data.images import read_image
from vesalius.encoders import chexficient, load

TEXTS = ["no pleural effusion", "Left lungs clear .", "left heart " * 300]
MODULE = "vesalius.encoders.chexficient"


@pytest.fixture(scope="module")
def published(tmp_path_factory, write_bert, noisy, under):
    """``weights/chexficient`` with a small ViT, and the modules that its weights came from."""
    folder = tmp_path_factory.mktemp("weights") / "chexficient"
    bert = write_bert(folder, layers=2, add_pooling_layer=True)
    vit = timm.create_model("test_vit", img_size=378, patch_size=14, init_values=1.0, num_classes=0)
    vit = noisy(vit)
    heads = noisy(nn.Linear(64, 24), 1), noisy(nn.Linear(32, 24), 2)
    tensors = {
        **under("image_encoder.model.", vit),
        **under("text_encoder.model.", bert),
        **under("image_projection.projection.", heads[0]),
        **under("text_projection.projection.", heads[1]),
        "image_encoder.model.mask_token": torch.zeros(1, 64),
        "logit_scale": torch.tensor(4.6),
        "prototypes": torch.ones(32, 48),
        "prototype_usage": torch.zeros(32),
        "step_count": torch.zeros(1, dtype=torch.long),
    }
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
    return folder, vit, bert, heads


@pytest.fixture(autouse=True)
def small(monkeypatch, published):
    bert = json.loads((published[0] / "text_config.json").read_text())
    for name, value in (("TRUNK", "test_vit"), ("WIDTH", 24), ("BERT", bert)):
        monkeypatch.setattr(f"{MODULE}.{name}", value)


def _pixels(photograph):
    recipe = transforms.Compose(
        [
            transforms.Resize(378, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(378),
            transforms.ToTensor(),
            transforms.Normalize(
                (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
            ),
        ]
    )
    return recipe(Image.open(photograph).convert("RGB"))[None]


def test_images_and_texts_equal_the_authors_recipe(published, photograph, no_network, tmp_path):
    from transformers import BertTokenizer

    folder, vit, bert, (image_head, text_head) = published
    model = load("chexficient", weights_dir=str(folder.parent))
    theirs_BCHW = _pixels(photograph)
    pixels_BCHW = model.preprocess(read_image(photograph))[None]
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=1e-5)
    tokens = BertTokenizer.from_pretrained(folder)(
        TEXTS, max_length=256, padding="longest", truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        states_BLW = bert(**tokens).last_hidden_state
        last_B = tokens["attention_mask"].sum(1) - 1
        text_BD = text_head(torch.stack([x[i] for x, i in zip(states_BLW, last_B, strict=True)]))
        image_BD = image_head(vit(theirs_BCHW))
        found_BD = model.encode_image(pixels_BCHW)
        torch.testing.assert_close(found_BD, image_BD, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.encode_text(TEXTS), text_BD, rtol=0, atol=1e-5)
        assert model.patch_features(pixels_BCHW).shape == (1, 24, 27, 27)
        again = load(str(model.save(tmp_path)))
        assert torch.equal(again.encode_image(pixels_BCHW), found_BD)
    assert model.tokenizer.truncated == 1
    assert model.logit_scale.item() == pytest.approx(4.6)
    assert no_network == []


def test_a_wrong_mean_would_be_seen(published, photograph, monkeypatch):
    monkeypatch.setattr(f"{MODULE}.MEAN", (0.485, 0.456, 0.406))
    model = load("chexficient", weights_dir=str(published[0].parent))
    found_BCHW = model.preprocess(read_image(photograph))[None]
    assert (found_BCHW - _pixels(photograph)).abs().max() > 5e-3


@pytest.mark.parametrize(
    "name",
    [
        "image_encoder.model.blocks.0.ls1.gamma",
        "image_projection.projection.bias",
        "text_encoder.model.embeddings.LayerNorm.weight",
        "text_projection.projection.weight",
        "logit_scale",
    ],
)
def test_a_missing_tensor_is_named(published, name, tmp_path):
    folder = tmp_path / "chexficient"
    folder.mkdir()
    (folder / "vocab.txt").write_bytes((published[0] / "vocab.txt").read_bytes())
    tensors = load_file(published[0] / "model.safetensors")
    del tensors[name]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=f"1 missing: {name}$"):
        load("chexficient", weights_dir=str(tmp_path))


def test_missing_files_and_another_size_are_said(published, tmp_path):
    with pytest.raises(ModelError, match=r"model\.safetensors, tokenizer\.json or vocab\.txt"):
        load("chexficient", weights_dir=str(tmp_path))
    with pytest.raises(ModelError, match="378"):
        load("chexficient", weights_dir=str(published[0].parent), image_size=224)
    with pytest.raises(ModelError, match="nothing after a colon"):
        load("chexficient:large", weights_dir=str(published[0].parent))


def test_the_real_size_has_the_published_names(monkeypatch):
    """The image tower on the meta device: no memory, all names and shapes."""
    monkeypatch.undo()
    with torch.device("meta"):
        vit = timm.create_model(chexficient.TRUNK, img_size=378, init_values=1.0, num_classes=0)
    shapes = {name: tuple(value.shape) for name, value in vit.state_dict().items()}
    assert shapes["blocks.11.ls2.gamma"] == (768,)
    assert shapes["pos_embed"] == (1, 730, 768)
    assert shapes["patch_embed.proj.weight"] == (768, 3, 14, 14)
