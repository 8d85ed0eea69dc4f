"""An image model without words goes through each stage that needs none, and stops at others."""

import json

import pytest

from vesalius.core import ModelError
from vesalius.studies import recipe_of, run_study
from vesalius.studies.embed import embed_data

PLAIN = {
    "study": "image_only",
    "question": "What do the features of an image model tell?",
    "data": {"reader": "phantom", "n": 60, "image_size": 48},
    "model": {"name": "timm:test_vit", "image_size": 32},
    "replicates": 100,
}


def recipe(**stages):
    return recipe_of({**PLAIN, "adapt": [], "evaluate": [], **stages}, [])


def test_probe_neighbours_fine_tuning_and_separability_run_to_the_page(tmp_path):
    run = run_study(
        recipe(
            adapt=[{"linear_probe": {}}, {"knn": {}}, {"fine_tune": {"epochs": 1}}],
            evaluate=["classification", "separability"],
        ),
        tmp_path / "run",
        progress=False,
    )
    scores = json.loads(run.file("scores.json").read_text())
    assert {"linear probe", "kNN", "fine-tune"} <= set(scores)
    assert run.file("page.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "stages",
    [
        {"adapt": [{"zero_shot": {}}]},
        {"evaluate": ["retrieval"]},
        {"pretrain": {"epochs": 1}},
        {"explain": [{"maps": {"texts": ["a nodule"]}}]},
        {"segment": [{"masks": {"texts": ["a nodule"]}}]},
    ],
)
def test_stages_of_words_stop_before_anything_is_encoded(stages, tmp_path, monkeypatch):
    def refuse(*args, **settings):
        raise AssertionError("work began")

    monkeypatch.setattr("vesalius.studies.inputs.encode", refuse)
    monkeypatch.setattr("vesalius.data.inspect", refuse)
    with pytest.raises(ModelError, match=r"timm:test_vit sees images only.*linear probe"):
        run_study(recipe(**stages), tmp_path / "run", progress=False)


def test_images_are_embedded_and_texts_are_refused(tmp_path):
    settings = ["data.n=8", "data.image_size=48", "model.image_size=32"]
    found = embed_data("phantom", None, settings, model="timm:test_vit", out=tmp_path / "images")
    assert found.width == 64
    with pytest.raises(ModelError, match="sees images only"):
        embed_data("phantom", None, settings, model="timm:test_vit", out=tmp_path / "texts",
                   modality="text")  # fmt: skip
