"""A U-Net from words stands beside U-Nets from drawn masks, on the same test cases."""

import json

import numpy as np
import pytest

from vesalius import data
from vesalius.core import DataError
from vesalius.studies import load_recipe, recipe_of, run_study
from vesalius.studies.segmenting.weak import _share

SMALL = {
    "study": "small",
    "question": "What does a mask cost?",
    "replicates": 100,
    "data": {"reader": "phantom", "n": 24, "image_size": 48},
    "split": {"by": "patient", "test": 0.3, "validation": 0.2},
    "model": {"name": "tiny", "image_size": 32},
}


def stage(**settings):
    few = {"layer": "50 %", "size": 32, "epochs": 2, "checkpoints": 2, "shares": [1.0]}
    return {"weak": {"target": "Heart", "least_agreement": 0.0, **few, **settings}}


def test_words_and_shares_of_drawn_masks_stand_side_by_side(tmp_path):
    recipe = recipe_of({**SMALL, "segment": [stage()]})
    run = run_study(recipe, tmp_path / "run", progress=False)
    scores = json.loads(run.file("scores.json").read_text())
    names = {name.removeprefix("segmenter: ") for name in scores}
    assert names == {"words alone", "words, then a U-Net",
                     "drawn masks, 100 %"}  # fmt: skip
    sizes = {next(s["n"] for s in own if s["name"] == "macro_dsc") for own in scores.values()}
    assert len(sizes) == 1
    page = run.file("page.html").read_text()
    assert "pseudo-masks were trusted" in page
    assert "unsure" in page


def test_a_target_without_masks_is_told(tmp_path):
    recipe = recipe_of({**SMALL, "segment": [stage(target="Spleen")]})
    with pytest.raises(DataError, match="no train case has a mask of 'Spleen'"):
        run_study(recipe, tmp_path / "run", progress=False)


def test_shares_are_nested_and_of_two_patients_at_least():
    cases = data.read("phantom", n=40, image_size=48)
    few, more = (_share(cases, share, 0) for share in (0.01, 0.5))
    assert len(np.unique(few.patient_ids)) == 2
    assert set(few.case_ids) < set(more.case_ids)


def test_the_catalogue_study_is_well_formed():
    assert load_recipe("segmentation_benchmark").segment[0].settings["target"] == "Pneumothorax"
