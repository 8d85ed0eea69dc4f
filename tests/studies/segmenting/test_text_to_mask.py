"""Masks from words stand between floors and a ceiling, and are kept at the images' own size."""

import json

import numpy as np
import pytest
from PIL import Image

from vesalius import data
from vesalius.core import VesaliusError
from vesalius.studies import load_recipe, recipe_of, run_study
from vesalius.studies.segmenting.segmenters import Segmenter
from vesalius.studies.segmenting.text_to_mask import with_masks

SMALL = {
    "study": "small",
    "question": "How far?",
    "replicates": 100,
    "data": {"reader": "phantom", "n": 40, "image_size": 48},
    "split": {"by": "patient", "test": 0.5, "validation": 0.2},
    "model": {"name": "tiny", "image_size": 32},
}


@pytest.fixture(scope="session")
def segmented(tmp_path_factory):
    """Return the Run of a very small text_to_mask."""
    stage = {"text_to_mask": {"targets": ["Heart", "Left Lung"], "most": 3, "pictures": 2}}
    return run_study(
        recipe_of({**SMALL, "segment": [stage]}), tmp_path_factory.mktemp("run"), progress=False
    )


def test_every_way_stands_beside_floors_and_the_ceiling(segmented):
    scores = json.loads(segmented.file("scores.json").read_text())
    macro = {
        name.removeprefix("masks: "): next(s for s in own if s["name"] == "macro_dsc")
        for name, own in scores.items()
    }
    assert set(macro) == {
        "kmeans", "kmeans, random walker", "otsu", "otsu, random walker", "nonsense text, kmeans",
        "a disc at the centre", "the whole image", "ceiling: the true box",
        "the true box, filled",
    }  # fmt: skip
    best = max(score["value"] for name, score in macro.items() if name != "the true box, filled")
    assert macro["ceiling: the true box"]["value"] == best
    assert macro["the true box, filled"]["value"] > macro["the whole image"]["value"]
    assert "DSC more than a disc at the centre" in segmented.file("page.html").read_text()


def test_masks_are_kept_in_the_size_of_their_images(segmented):
    files = list(segmented.file("masks").glob("*.png"))
    assert len(files) == 6
    pixels = np.asarray(Image.open(files[0]))
    assert pixels.shape == (48, 48)
    assert set(np.unique(pixels)) <= {0, 255}


def test_a_target_that_no_case_has_is_said_so(tmp_path):
    stage = {"text_to_mask": {"targets": ["Spleen"]}}
    run = run_study(recipe_of({**SMALL, "segment": [stage]}), tmp_path / "run", progress=False)
    assert "no case has a mask" in run.file("page.html").read_text()


def test_a_segmenter_that_is_not_there_is_told(tmp_path):
    stage = {"text_to_mask": {"segmenter": str(tmp_path / "sam")}}
    with pytest.raises(VesaliusError, match="sam"):
        run_study(recipe_of({**SMALL, "segment": [stage]}), tmp_path / "run", progress=False)


def test_only_masks_that_are_not_empty_count():
    cases = data.read("phantom", n=10, image_size=48)
    found = with_masks(cases, ("Heart",), 4)
    assert list(found) == ["Heart"]
    assert len(found["Heart"]) == 4
    assert with_masks(cases, (), 2).keys() > {"Heart", "Left Lung"}


def test_of_many_cases_some_are_taken_from_everywhere():
    cases = data.read("phantom", n=30, image_size=48)
    rows = with_masks(cases, ("Heart",), 30)["Heart"]
    assert with_masks(cases, ("Heart",), 3)["Heart"] == [rows[i * len(rows) // 3] for i in range(3)]


def test_an_empty_mask_stays_empty_and_boxes_go_on():
    image = np.zeros((20, 20), np.uint8)
    image[5:12, 5:12] = 200
    segment = Segmenter.of("random_walker", "cpu")
    assert not segment.from_boxes(image, np.zeros((20, 20), bool)).any()
    rough = np.zeros((20, 20), bool)
    rough[4:13, 4:13] = True
    found = segment.from_boxes(image, rough)
    assert (found == (image > 0)).mean() > 0.95


def test_the_catalogue_study_is_well_formed():
    recipe = load_recipe("medclip_sam")
    assert recipe.segment[0].settings["refiners"] == ["kmeans", "otsu", "dense_crf"]
