"""Maps in a study: made for words, kept raw, scored beside controls."""

import json

import numpy as np
import pytest

from vesalius import data, encoders
from vesalius.core import DataError, VesaliusError
from vesalius.studies import load_recipe, recipe_of, run_study
from vesalius.studies.explaining.agreement import _nothing
from vesalius.studies.explaining.faithful import _make_random
from vesalius.studies.explaining.located import located, without_map
from vesalius.studies.explaining.targets import Explained, findings_with_regions, layer_at

SMALL = {
    "study": "small",
    "question": "Where?",
    "replicates": 100,
    "data": {"reader": "phantom", "n": 60, "image_size": 48},
    "split": {"by": "patient", "test": 0.5, "validation": 0.2},
    "model": {"name": "tiny", "image_size": 32},
}


@pytest.fixture(scope="session")
def scored(tmp_path_factory):
    """Return the Run of a very small agreement."""
    stage = {"agreement": {"most": 3, "faithfulness": 2, "cascade": 2, "pictures": 2}}
    return run_study(
        recipe_of({**SMALL, "explain": [stage]}), tmp_path_factory.mktemp("run"), progress=False
    )


def test_maps_stand_beside_every_control(scored):
    scores = json.loads(scored.file("scores.json").read_text())
    names = {name.removeprefix("maps: ") for name in scores}
    assert names == {"zero-shot", "linear probe", "nonsense prompt", "centre Gaussian",
                     "random map", "area of the region alone"}  # fmt: skip
    for own in scores.values():
        macro = next(s for s in own if s["name"] == "macro_mass_in_box")
        assert 0 <= macro["value"] <= 1
        assert macro["n"] > 0


def test_the_page_shows_faithfulness_and_the_cascade(scored):
    page = scored.file("page.html").read_text()
    for words in ("More than the centre Gaussian", "nsertion − deletion", "made random",
                  "Pointing game", "Share of a map"):  # fmt: skip
        assert words in page


def test_every_setting_stands_beside_a_random_map_under_its_own_score(scored):
    page = scored.file("page.html").read_text()
    for setting in ("zero-shot", "linear probe", "nonsense prompt"):
        assert f"{setting}, random map" in page


def test_controls_are_cut_at_thresholds_of_validation_as_the_maps_are(scored):
    scores = json.loads(scored.file("scores.json").read_text())
    for name, own in scores.items():
        assert "macro_iou" in {score["name"] for score in own}, name


def test_an_organ_that_is_no_label_is_scored_when_it_is_named(tmp_path):
    asked = {"findings": ["Heart"], "prompts": "generic", "settings": ["zero-shot"], "most": 2,
             "faithfulness": 0, "cascade": 0, "pictures": 0}  # fmt: skip
    recipe = recipe_of({**SMALL, "explain": [{"agreement": asked}]})
    run = run_study(recipe, tmp_path / "run", progress=False)
    scores = json.loads(run.file("scores.json").read_text())
    assert any(score["label"] == "Heart" for score in scores["maps: zero-shot"])
    asked["settings"] = ["linear probe"]
    with pytest.raises(DataError, match="no label that anything learnt from"):
        run_study(recipe_of({**SMALL, "explain": [{"agreement": asked}]}), tmp_path / "b",
                  progress=False)  # fmt: skip


def test_a_set_whose_outlines_are_no_labels_says_what_they_are_called(tmp_path):
    said = _nothing(data.read("phantom", n=4, image_size=48)).answer
    assert "agreement.findings=[" in said
    assert "Heart" in said


def test_maps_of_many_cases_are_made_a_few_at_a_time(monkeypatch):
    asked = []

    def method(model, images, targets, *, device):
        asked.append(len(images))
        return [[np.ones((48, 48), np.float32)] for _ in images]

    monkeypatch.setattr("vesalius.studies.explaining.located.explainer", lambda name: method)
    cases = data.read("phantom", n=40, image_size=48)
    target = Explained("zero-shot", None, {"Heart": None})
    rows = located(target, cases, {"Heart": range(40)}, ("gradcam", "auto"), device="cpu")
    assert asked == []
    next(rows)
    assert asked == [16]
    assert without_map(next(rows)).heatmap.strides == (0, 0)
    assert len(list(rows)) == 38


def test_texts_that_look_alike_keep_a_file_each(tmp_path):
    stage = {"maps": {"texts": ["edema", "edema!", "file", "edema"], "pictures": 1}}
    few = {**SMALL, "data": {**SMALL["data"], "n": 12}, "explain": [stage]}
    run = run_study(recipe_of(few), tmp_path / "run", progress=False)
    assert len(list(run.file("overlays").glob("*.png"))) == 36
    with np.load(next(run.file("maps").glob("*.npz"))) as values:
        assert set(values) == {"edema", "edema!", "file"}
    stage["maps"]["texts"] = ["edema", " "]
    with pytest.raises(DataError, match="empty"):
        run_study(recipe_of(few), tmp_path / "b", progress=False)


def test_a_classifier_that_nobody_kept_is_told(tmp_path):
    stage = {"agreement": {"settings": ["fine-tune"]}}
    with pytest.raises(DataError, match="add fine_tune"):
        run_study(recipe_of({**SMALL, "explain": [stage]}), tmp_path / "run", progress=False)


def test_an_unknown_method_is_told_with_the_choices(tmp_path):
    stage = {"maps": {"texts": ["a nodule"], "method": "gradcan"}}
    with pytest.raises(VesaliusError, match="did you mean 'gradcam'"):
        run_study(recipe_of({**SMALL, "explain": [stage]}), tmp_path / "run", progress=False)
    with pytest.raises(VesaliusError, match="texts is missing"):
        recipe_of({**SMALL, "explain": ["maps"]})


def test_maps_are_kept_raw_in_the_images_own_coordinates_and_not_made_twice(tmp_path):
    stage = {"maps": {"texts": ["a nodule", "edema"], "pictures": 2}}
    few = {**SMALL, "data": {**SMALL["data"], "n": 12}}
    recipe = recipe_of({**few, "explain": [stage]})
    run = run_study(recipe, tmp_path / "run", progress=False)
    files = sorted(run.file("maps").glob("*.npz"))
    assert len(files) == 12
    assert len(list(run.file("overlays").glob("*.png"))) == 24
    with np.load(files[0]) as values:
        assert set(values) == {"a nodule", "edema"}
        assert values["edema"].shape == (48, 48)
        assert values["edema"].min() >= 0
    times = [path.stat().st_mtime_ns for path in files]
    files[0].unlink()
    run_study(recipe, tmp_path / "run", progress=False)
    again = [path.stat().st_mtime_ns for path in files]
    assert again[1:] == times[1:]
    assert files[0].exists()


def test_only_cases_that_have_the_finding_and_its_outline_count():
    cases = data.read("phantom", n=40, image_size=48)
    found = findings_with_regions(cases)
    assert found
    for name, rows in found.items():
        for row in rows:
            assert cases[row].labels[name]


def test_random_weights_keep_mean_and_spread_of_their_tensor():
    import torch

    layer = torch.nn.Linear(64, 64)
    before = layer.weight.detach().clone()
    _make_random(layer, torch.Generator().manual_seed(0))
    assert not torch.equal(before, layer.weight)
    assert float(layer.weight.detach().std()) == pytest.approx(float(before.std()), rel=0.05)


def test_the_catalogue_study_is_well_formed():
    recipe = load_recipe("radiologist_agreement")
    assert recipe.explain[0].settings["settings"] == ["zero-shot", "linear probe", "fine-tune"]


def test_the_model_comes_back_as_it_was():
    from vesalius.explanation import explainer

    cases = data.read("phantom", n=2, image_size=48)
    model = encoders.load("tiny", image_size=32, texts=list(cases.texts))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explainer("gradcam")(model, cases.images, ["edema"])
    assert all((before[name] == value).all() for name, value in model.state_dict().items())


def test_a_layer_may_be_given_by_its_height():
    cases = data.read("phantom", n=2, image_size=48)
    model = encoders.load("tiny", image_size=32, texts=list(cases.texts))
    assert layer_at(model, "0 %") == "trunk.0"
    assert layer_at(model, "100 %") == "trunk.5"
    assert layer_at(model, "trunk.3") == "trunk.3"
    with pytest.raises(VesaliusError, match="no height"):
        layer_at(model, "120 %")
