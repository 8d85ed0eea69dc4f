"""A folder in the layout of BiomedCLIP's port gives the numbers of transformers' ViT and BERT."""

import json
import shutil

import pytest
import torch
from PIL import Image
from torch import nn

from vesalius.core import ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load

TEXTS = ["no pleural effusion", "left lungs clear .", "Left heart " * 300]
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}  # fmt: skip
VIT = {
    "embeddings.cls_token": "embeddings.class_embedding",
    "embeddings.position_embeddings": "embeddings.position_embedding.weight",
    "embeddings.patch_embeddings.projection": "embeddings.patch_embedding",
    "layernorm_before": "layer_norm1",
    "layernorm_after": "layer_norm2",
    "layernorm.": "post_layernorm.",
    "layers.": "encoder.layers.",
    "attention.o_proj": "self_attn.out_proj",
    "attention.": "self_attn.",
}
BERT = {
    "word_embeddings": "token_embedding",
    "position_embeddings": "position_embedding",
    "token_type_embeddings": "token_type_embedding",
    "embeddings.LayerNorm": "embeddings.layer_norm",
    "encoder.layer.": "encoder.layers.",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "layer_norm1",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "output.LayerNorm": "layer_norm2",
}


def _as_the_port(prefix, module, names):
    tensors = {}
    for name, value in module.state_dict().items():
        for theirs, port in names.items():
            name = name.replace(theirs, port)
        one = name.endswith(("class_embedding", "position_embedding.weight"))
        tensors[prefix + name] = value.reshape(value.shape[-1]) if value.numel() == 32 and one \
            else value.reshape(value.shape[-2:]) if one else value  # fmt: skip
    return tensors


@pytest.fixture(scope="module")
def port(tmp_path_factory, write_bert, noisy):
    """``weights/BiomedCLIP-vit-bert-hf``, small, and the modules that its weights came from."""
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("weights") / "BiomedCLIP-vit-bert-hf"
    bert = write_bert(folder, layers=2, add_pooling_layer=False)
    shape = json.loads((folder / "text_config.json").read_text())
    (folder / "text_config.json").unlink()
    vision = {**SMALL, "image_size": 224, "patch_size": 56, "num_channels": 3}
    vit = noisy(ViTModel(ViTConfig(**vision), add_pooling_layer=False), 2)
    image_head = noisy(nn.Linear(32, 24, bias=False), 3)
    text_head = noisy(
        nn.Sequential(nn.Linear(32, 28, bias=False), nn.GELU(), nn.Linear(28, 24, bias=False)), 4
    )
    config = {
        "architectures": ["BiomedCLIPModel"],
        "auto_map": {
            "AutoConfig": "configuration_biomed_clip.BiomedCLIPConfig",
            "AutoProcessor": "processing_biomed_clip.BiomedCLIPProcessor",
            "AutoModel": "modeling_biomed_clip.BiomedCLIPModel",
        },
        "logit_scale_init_value": 4.4454,
        "model_type": "clip",
        "projection_dim": 24,
        "text_config": {**shape, "hidden_act": "gelu", "layer_norm_eps": 1e-12},
        "text_projection_config": {
            "hidden_size": 32, "intermediate_size": 28, "projection_dim": 24, "hidden_act": "gelu",
        },
        "vision_config": {**vision, "model_type": "vit", "qkv_bias": True},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    pixels = {
        "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
        "image_processor_type": "CLIPImageProcessor", "tokenizer_type": "BertTokenizer",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    for name in ("configuration", "modeling", "processing"):
        (folder / f"{name}_biomed_clip.py").write_text("raise AssertionError('it was run')\n")
    tensors = {
        **_as_the_port("vision_model.", vit, VIT),
        **_as_the_port("text_model.", bert, BERT),
        "visual_projection.weight": image_head.weight.detach(),
        "text_projection.fc1.weight": text_head[0].weight.detach(),
        "text_projection.fc2.weight": text_head[2].weight.detach(),
        "logit_scale": torch.tensor(4.4),
    }
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder, vit, bert, image_head, text_head


@pytest.fixture
def copied(port, tmp_path):
    folder = tmp_path / port[0].name
    shutil.copytree(port[0], folder)
    return folder


def _pixels(photograph):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    theirs = CLIPImageProcessorPil(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
    )
    return theirs(Image.open(photograph).convert("RGB"), return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("name", ["hf", "biomedclip-hf"])
def test_images_and_texts_equal_transformers_vit_and_bert(port, photograph, no_network, name):
    from transformers import BertTokenizer

    folder, vit, bert, image_head, text_head = port
    ours = load(f"hf:{folder}" if name == "hf" else name, weights_dir=str(folder.parent))
    theirs_BCHW = _pixels(photograph)
    pixels_BCHW = ours.preprocess(read_image(photograph))[None]
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    tokens = BertTokenizer.from_pretrained(folder)(
        TEXTS, max_length=256, padding="max_length", truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        states_BNW = vit(theirs_BCHW).last_hidden_state
        image_BD = image_head(states_BNW[:, 0])
        text_BD = text_head(bert(**tokens).last_hidden_state[:, 0])
        torch.testing.assert_close(ours.encode_image(pixels_BCHW), image_BD, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.encode_text(TEXTS), text_BD, rtol=0, atol=1e-5)
        map_BDhw = image_head(states_BNW[:, 1:]).transpose(1, 2).reshape(1, 24, 4, 4)
        torch.testing.assert_close(ours.patch_features(pixels_BCHW), map_BDhw, rtol=0, atol=2e-5)
    assert ours.tokenizer.truncated == 1
    assert ours.logit_scale.item() == pytest.approx(4.4)
    assert no_network == []


def test_saved_and_read_back_it_is_the_same(port, photograph, tmp_path):
    ours = load(f"hf:{port[0]}")
    again = load(str(ours.save(tmp_path)))
    pixels_BCHW = ours.preprocess(read_image(photograph))[None]
    with torch.no_grad():
        assert torch.equal(again.encode_image(pixels_BCHW), ours.encode_image(pixels_BCHW))
        assert torch.equal(again.encode_text(TEXTS), ours.encode_text(TEXTS))


def test_a_wrong_mean_would_be_seen(copied, photograph):
    said = json.loads((copied / "preprocessor_config.json").read_text())
    said["image_mean"] = [0.485, 0.456, 0.406]
    (copied / "preprocessor_config.json").write_text(json.dumps(said))
    found_BCHW = load(f"hf:{copied}").preprocess(read_image(photograph))[None]
    assert (found_BCHW - _pixels(photograph)).abs().max() > 5e-3


@pytest.mark.parametrize(
    "name",
    [
        "vision_model.embeddings.class_embedding",
        "vision_model.encoder.layers.1.self_attn.k_proj.bias",
        "vision_model.post_layernorm.weight",
        "text_model.embeddings.token_type_embedding.weight",
        "text_model.encoder.layers.0.layer_norm1.bias",
        "text_projection.fc2.weight",
        "visual_projection.weight",
        "logit_scale",
    ],
)
def test_a_missing_tensor_is_named(copied, name):
    tensors = torch.load(copied / "pytorch_model.bin")
    del tensors[name]
    torch.save(tensors, copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match=f"1 missing: {name}$"):
        load(f"hf:{copied}")


def test_other_configs_are_refused(copied):
    good = json.loads((copied / "config.json").read_text())
    vision = {k: v for k, v in good["vision_config"].items() if k != "patch_size"}
    for change, said in (
        ({"text_projection_config": None}, "never run here"),
        ({"vision_config": {**good["vision_config"], "hidden_act": "quick_gelu"}}, "quick_gelu"),
        ({"vision_config": vision}, "patch_size"),
        ({"projection_dim": 20}, "of another shape"),
    ):
        (copied / "config.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(ModelError, match=said):
            load(f"hf:{copied}")
