"""An exported model is read back by others, and is the same model."""

import pytest
import torch
import yaml

from vesalius.core import ChoiceError, ModelError, Score, VesaliusError
from vesalius.encoders import Origin, export, load

TEXTS = ["no effusion", "A chest film, with pneumothorax"]
VISION = {"image_size": 64, "width": 16, "head_width": 32}
WORDS = {"context_length": 20, "width": 32, "heads": 2, "layers": 2}
SMALL = {
    "vit": {
        "embed_dim": 32,
        "vision_cfg": {**VISION, "layers": 2, "width": 64, "patch_size": 16},
        "text_cfg": WORDS,
    },
    "resnet": {
        "embed_dim": 32,
        "vision_cfg": {**VISION, "layers": [1, 1, 1, 1]},
        "text_cfg": WORDS,
        "quick_gelu": True,
    },
}


@pytest.fixture(params=["vit", "resnet"])
def small(request, tmp_path, write_open_clip):
    folder = tmp_path / "source"
    folder.mkdir()
    write_open_clip(folder, SMALL[request.param])
    return load(f"local-dir:{folder}")


def embeddings(model, image):
    with torch.no_grad():
        return model.encode_image(model.preprocess(image)[None]), model.encode_text(TEXTS)


def front_matter(folder):
    return yaml.safe_load((folder / "README.md").read_text().split("---")[1])


def test_open_clip_reads_what_was_exported(small, tmp_path, image, no_network):
    import open_clip
    from PIL import Image

    folder = export(small, tmp_path / "out", to="open_clip")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    image_BD, text_BD = embeddings(small, image)
    with torch.no_grad():
        theirs_BD = model.eval().encode_image(preprocess(Image.fromarray(image))[None])
        torch.testing.assert_close(theirs_BD, image_BD, rtol=0, atol=1e-5)
        theirs_BD = model.encode_text(tokenizer(TEXTS))
        torch.testing.assert_close(theirs_BD, text_BD, rtol=0, atol=1e-5)
    assert torch.equal(model.logit_scale, small.logit_scale)
    again = load(f"local-dir:{folder}")
    assert all(map(torch.equal, embeddings(again, image), (image_BD, text_BD)))
    assert again.preprocess == small.preprocess
    assert not no_network


def test_a_bias_of_sigmoids_goes_along(small, tmp_path):
    import open_clip

    small.logit_bias = torch.nn.Parameter(torch.tensor(-7.5))
    folder = export(small, tmp_path / "out", to="open_clip")
    model = open_clip.create_model(f"local-dir:{folder}")
    assert float(model.logit_bias.detach()) == -7.5
    assert load(f"local-dir:{folder}").scores == "sigmoid"


def test_a_text_tower_of_hugging_face_goes_along(biomedclip_folder, tmp_path, image, no_network):
    model = load(f"local-dir:{biomedclip_folder}")
    folder = export(model, tmp_path / "out", to="open_clip")
    again = load(f"local-dir:{folder}")
    assert all(map(torch.equal, embeddings(again, image), embeddings(model, image)))
    assert torch.equal(again.tokenize(TEXTS), model.tokenize(TEXTS))
    assert not no_network


def test_a_hub_folder_is_the_same_model_bit_for_bit(tmp_path, image):
    model = load("tiny", texts=TEXTS, image_size=32)
    folder = export(model, tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json",
    }  # fmt: skip
    again = load(str(folder))
    assert again.identity() == model.identity()
    assert all(map(torch.equal, embeddings(again, image), embeddings(model, image)))


def test_the_card_says_use_licence_training_and_scores_with_intervals(tmp_path):
    model = load("tiny", texts=TEXTS, image_size=32)
    origin = Origin(
        question="What is learnt?",
        data="the phantom",
        recipe="seed: 0\n",
        scores=[("zero-shot", Score("macro_auroc", 0.81, 0.78, 0.84, n=300))],
    )
    folder = export(model, tmp_path / "out", origin=origin)
    said = (folder / "README.md").read_text()
    for words in (
        "Research use only", "What is learnt?", "the phantom", "seed: 0", "encoders.load(",
        "| zero-shot | macro_auroc 0.810 [0.780, 0.840] (n=300) |",
        model.identity()["weights_hash"],
    ):  # fmt: skip
        assert words in said
    front = front_matter(folder)
    assert front["license"] == "other"
    assert "training data" in front["license_name"]
    assert front["library_name"] == "vesalius"
    assert "medical-imaging" in front["tags"]
    assert front["pipeline_tag"] == "zero-shot-image-classification"


def test_a_tower_without_words_is_said_to_be_one(tmp_path):
    folder = export(load("timm:test_vit"), tmp_path / "out")
    assert front_matter(folder)["pipeline_tag"] == "image-feature-extraction"
    assert "no text tower" in (folder / "README.md").read_text()


def test_what_open_clip_cannot_express_says_what_can_be_had(small, tmp_path):
    model = load("tiny", texts=TEXTS, image_size=32)
    with pytest.raises(ModelError, match="family 'tiny'.*can be exported to: hub"):
        export(model, tmp_path / "out", to="open_clip")
    small.preprocess = model.preprocess.from_dict(
        {"size": 64, "operations": [{"do": "resize", "to": 80}, {"do": "crop"}, {"do": "floats"}]}
    )
    with pytest.raises(ModelError, match="cannot express its pixels.*exported to: hub"):
        export(small, tmp_path / "out", to="open_clip")
    assert not [path for path in tmp_path.iterdir() if path.name != "source"]


def test_a_wrong_layout_or_place_is_refused(tmp_path):
    model = load("tiny", texts=TEXTS, image_size=32)
    with pytest.raises(ChoiceError, match="unknown layout 'openclip'; did you mean 'open_clip'"):
        export(model, tmp_path / "out", to="openclip")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ModelError, match="is not empty"):
        export(model, tmp_path / "full")
    (tmp_path / "empty").mkdir()
    assert export(model, tmp_path / "empty").name == "empty"


def test_an_error_half_way_leaves_nothing(tmp_path, monkeypatch):
    from vesalius.encoders.exporting import LAYOUTS

    def breaks(model, folder):
        model.save(folder)
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(LAYOUTS, "hub", breaks)
    with pytest.raises(VesaliusError, match="No space left"):
        export(load("tiny", texts=TEXTS, image_size=32), tmp_path / "out")
    assert not list(tmp_path.iterdir())
