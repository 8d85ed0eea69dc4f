"""Towers without words: timm's numbers, and a clear answer to whoever asks for text."""

import numpy as np
import pytest
import torch
from PIL import Image

from vesalius.core import ChoiceError, ModelError
from vesalius.encoders import load

NAME = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A published file: the tower and its classifier."""
    import timm
    from safetensors.torch import save_file

    file = tmp_path_factory.mktemp("weights") / "model.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        model = timm.create_model(NAME, pretrained=False).eval()
    save_file(model.state_dict(), file)
    return file, model


def test_a_file_gives_timms_own_features(written, film, photograph, no_network):
    from timm.data import create_transform, resolve_model_data_config

    file, peer = written
    ours = load(f"timm:{NAME}/{file}")
    transform = create_transform(**resolve_model_data_config(peer), is_training=False)
    images = [Image.open(x).convert("RGB") for x in (film, photograph)]
    theirs_BCHW = torch.stack([transform(image) for image in images])
    pixels_BCHW = torch.stack([ours.preprocess(np.asarray(image)) for image in images])
    torch.testing.assert_close(pixels_BCHW, theirs_BCHW, rtol=0, atol=2e-6)
    with torch.no_grad():
        expected_BD = peer.forward_head(peer.forward_features(theirs_BCHW), pre_logits=True)
        torch.testing.assert_close(ours.encode_image(pixels_BCHW), expected_BD, rtol=0, atol=1e-5)
        assert ours.patch_features(pixels_BCHW).shape == (2, 192, 14, 14)
    assert not no_network


def test_it_says_what_it_cannot_do(written, tmp_path):
    ours = load(f"timm:{NAME}/{written[0].name}", weights_dir=str(written[0].parent))
    again = load(str(ours.save(tmp_path)))
    assert again.identity() == ours.identity()
    for model in (ours, again):
        with pytest.raises(ModelError, match="sees images only.*zero-shot.*linear probe"):
            model.encode_text(["no effusion"])


def test_a_missing_tensor_and_unknown_names_are_named(written, tmp_path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(written[0])
    del tensors["norm.bias"]
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(ModelError, match=r"1 missing: norm\.bias"):
        load(f"timm:{NAME}/{tmp_path}/broken.safetensors")
    with pytest.raises(ModelError, match="there is no file"):
        load(f"timm:{NAME}/gone.safetensors", weights_dir=str(tmp_path))
    with pytest.raises(ChoiceError, match="did you mean 'vit_tiny_patch16_224'"):
        load("timm:vit_tiny_patch16_22")


def test_without_a_file_the_weights_are_random_and_say_so():
    first, second = (load("timm:resnet10t", seed=seed, image_size=64) for seed in (0, 1))
    assert first.identity()["start"] == "random weights, seed 0"
    assert first.identity()["weights_hash"] != second.identity()["weights_hash"]
    with torch.no_grad():
        assert first.patch_features(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 2, 2)


def test_a_resnet_for_small_tiles_keeps_their_detail_and_loads_back(tmp_path, no_network):
    from vesalius.encoders.own_weights import save

    model = load("resnet18-28", seed=3)
    pixels_BCHW = torch.rand(2, 3, 28, 28)
    assert model.preprocess.size == 28
    assert model.encode_image(pixels_BCHW).shape == (2, 512)
    assert model.image.model.forward_features(pixels_BCHW).shape[-2:] == (4, 4)
    save(model, tmp_path)
    again = load(str(tmp_path))
    assert torch.equal(again.encode_image(pixels_BCHW), model.encode_image(pixels_BCHW))
    with pytest.raises(ModelError, match="nothing after a colon"):
        load("resnet18-28:x")
