"""Two models make one: its images are those of the first, its words those of the second."""

import pytest
import torch

from vesalius.core import ModelError
from vesalius.encoders import load

TEXTS = ["no effusion", "the heart is large"]


@pytest.fixture
def composed():
    return load("dual:timm:test_vit+tiny", texts=TEXTS)


def embeddings(model, image):
    with torch.no_grad():
        return model.encode_image(model.preprocess(image)[None]), model.encode_text(TEXTS)


def test_the_image_side_is_the_first_model_and_the_words_are_the_seconds(composed, image):
    first, second = load("timm:test_vit"), load("tiny", texts=TEXTS)
    image_BD, text_BD = embeddings(composed, image)
    with torch.no_grad():
        pixels_BCHW = first.preprocess(image)[None]
        assert torch.equal(image_BD, first.encode_image(pixels_BCHW))
        text_BW = second.encode_text(TEXTS)
        expected_BD = text_BW @ composed.text.projection.weight.T + composed.text.projection.bias
    torch.testing.assert_close(text_BD, expected_BD)
    assert composed.tokenizer.identity() == second.tokenizer.identity()
    assert composed.preprocess == first.preprocess
    assert composed.patch_features(pixels_BCHW).shape[1] == composed.width


@pytest.mark.parametrize("name", ["dual:timm:test_vit+tiny", "dual:tiny+tiny"])
def test_saved_and_read_back_it_is_the_same(name, image, tmp_path):
    model = load(name, texts=TEXTS)
    again = load(str(model.save(tmp_path / "out")))
    assert again.identity() == model.identity()
    assert all(map(torch.equal, embeddings(again, image), embeddings(model, image)))


def test_the_first_models_weights_are_those_of_its_folder(tmp_path, image):
    tower = load("timm:test_vit", seed=5)
    model = load(f"dual:{tower.save(tmp_path / 'tower')}+tiny", texts=TEXTS)
    pixels_BCHW = tower.preprocess(image)[None]
    with torch.no_grad():
        assert torch.equal(model.encode_image(pixels_BCHW), tower.encode_image(pixels_BCHW))


def test_what_cannot_be_composed_is_said():
    with pytest.raises(ModelError, match=r"wants an image model and a text model.*not 'tiny'"):
        load("dual:tiny")
    with pytest.raises(ModelError, match="sees images only"):
        load("dual:tiny+timm:test_vit", texts=TEXTS)
