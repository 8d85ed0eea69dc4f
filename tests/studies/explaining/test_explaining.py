"""Maps in a study: made for words, kept raw, scored beside controls."""

import json

import numpy as np
import pytest

from vesalius import data, encoders
from vesalius.core import DataError, VesaliusError
from vesalius.studies import load_recipe, recipe_of, run_study
from vesalius.studies.explaining.faithful import _make_random
from vesalius.studies.explaining.targets import findings_with_regions, layer_at

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
