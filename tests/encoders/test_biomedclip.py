"""BiomedCLIP's layout, loaded without a network, gives open_clip's own numbers."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from vesalius.core import ModelError
from vesalius.encoders import load

TEXTS = ["No pleural effusion.", "Left pneumothorax, the heart is normal", "lungs " * 40, ""]


@pytest.fixture(scope="module")
def peer(biomedclip_folder, biomedclip_cfg, tmp_path_factory):
    """open_clip's own model, preprocessing and tokenizer of the same folder."""
    import open_clip

    folder = tmp_path_factory.mktemp("peer") / "clip"
    shutil.copytree(biomedclip_folder, folder)
    cfg = json.loads(json.dumps(biomedclip_cfg))
    cfg["text_cfg"]["hf_model_name"] = str(folder)
    described = json.loads((folder / "open_clip_config.json").read_text())
    described["model_cfg"] = cfg
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{folder}")


def test_embeddings_equal_open_clips_own(biomedclip_folder, peer, image, no_network):
    model, preprocess, tokenizer = peer
    ours = load("biomedclip", weights_dir=str(biomedclip_folder.parent))
    grey = np.ascontiguousarray(image[..., 0])
    theirs_BCHW = torch.stack([preprocess(Image.fromarray(x)) for x in (image, grey)])
    pixels_BCHW = torch.stack([ours.preprocess(x) for x in (image, grey)])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=1e-6)
    assert torch.equal(ours.tokenize(TEXTS), tokenizer(TEXTS))
    with torch.no_grad():
        image_BD, text_BD = ours.encode_image(pixels_BCHW), ours.encode_text(TEXTS)
        torch.testing.assert_close(image_BD, model.encode_image(theirs_BCHW), rtol=0, atol=1e-5)
        torch.testing.assert_close(text_BD, model.encode_text(tokenizer(TEXTS)), rtol=0, atol=1e-5)
    assert ours.logit_scale.item() == pytest.approx(model.logit_scale.item())
    assert no_network == []


def test_truncated_texts_are_counted(biomedclip_folder, caplog):
    ours = load("biomedclip", weights_dir=str(biomedclip_folder.parent))
    with caplog.at_level("WARNING", logger="vesalius"):
        ours.tokenize(TEXTS)
    assert ours.tokenizer.truncated == 1
    assert "1 of 4 texts cut at 24 tokens" in caplog.text


def test_patch_features_have_the_joint_width(biomedclip_folder):
    ours = load("biomedclip", weights_dir=str(biomedclip_folder.parent))
    with torch.no_grad():
        assert ours.patch_features(torch.zeros(2, 3, 224, 224)).shape == (2, 48, 14, 14)


def test_a_missing_folder_names_the_files_and_the_place(tmp_path):
    with pytest.raises(ModelError, match="open_clip_pytorch_model.bin") as caught:
        load("biomedclip", weights_dir=str(tmp_path))
    assert str(tmp_path / "biomedclip") in str(caught.value)


@pytest.mark.parametrize("missing", ["open_clip_config.json", "open_clip_pytorch_model.bin"])
def test_each_missing_file_is_named(biomedclip_folder, tmp_path, missing):
    shutil.copytree(biomedclip_folder, tmp_path / "biomedclip")
    (tmp_path / "biomedclip" / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        load("biomedclip", weights_dir=str(tmp_path))


def test_missing_tokenizer_files_are_named(biomedclip_folder, tmp_path):
    shutil.copytree(biomedclip_folder, tmp_path / "biomedclip")
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / "biomedclip" / name).unlink()
    with pytest.raises(ModelError, match="vocab.txt"):
        load("biomedclip", weights_dir=str(tmp_path))


def test_a_vocabulary_alone_is_enough(biomedclip_folder, tmp_path):
    shutil.copytree(biomedclip_folder, tmp_path / "biomedclip")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "biomedclip" / name).unlink()
    alone = load("biomedclip", weights_dir=str(tmp_path))
    whole = load("biomedclip", weights_dir=str(biomedclip_folder.parent))
    assert torch.equal(alone.tokenize(TEXTS), whole.tokenize(TEXTS))


def test_the_real_size_has_the_published_names():
    """The full architecture on the meta device: no memory, all names and shapes."""
    from vesalius.encoders.openclip_build import build_towers
    from vesalius.encoders.text_config import text_config

    bert = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
    cfg = {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "vit_base_patch16_224",
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": bert,
            "hf_tokenizer_name": bert,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    }
    with torch.device("meta"):
        model = build_towers(cfg, text_config(bert, None))
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["text.transformer.embeddings.word_embeddings.weight"] == (30522, 768)
    assert shapes["text.transformer.encoder.layer.11.output.dense.weight"] == (768, 3072)
    assert shapes["text.proj.0.weight"] == (640, 768)
    assert shapes["text.proj.2.weight"] == (512, 640)
    assert shapes["visual.trunk.blocks.11.mlp.fc2.weight"] == (768, 3072)
    assert shapes["visual.head.proj.weight"] == (512, 768)
    assert not any("pooler" in name for name in shapes)
    assert sum(value.numel() for value in model.parameters()) == pytest.approx(195.9e6, rel=1e-3)
