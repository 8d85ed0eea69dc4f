"""The phantom: one seed one cohort; text, labels, masks and answers tell the same story.

Legend of shapes: N cases, C findings, H W pixels.
"""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.data import read
from vesalius.data.phantom import NAMES
from vesalius.data.phantom.cohort import LASTING
from vesalius.data.phantom.findings import Lesion
from vesalius.data.phantom.render import render

COMMON = {"Cardiomegaly": (0.15, 0.25), "Pleural Effusion": (0.10, 0.22),
          "Consolidation": (0.10, 0.20), "Support Devices": (0.10, 0.20)}  # fmt: skip
RARE = ("Nodule", "Fracture", "Pneumothorax")
PRESENT = {
    "Cardiomegaly": r"cardiomegaly|enlarged|heart size is increased",
    "Pleural Effusion": r"effusion|pleural fluid",
    "Consolidation": r"consolidation",
    "Support Devices": r"pacemaker|central venous line|endotracheal tube|monitoring electrodes",
    "Atelectasis": r"atelectasis",
    "Edema": r"edema",
    "Nodule": r"nodul",
    "Fracture": r"fracture",
    "Pneumothorax": r"pneumothorax",
}


@pytest.fixture(scope="module")
def cohort():
    """Return a cohort whose labels and texts are looked at; hardly a film of it is drawn."""
    return read("phantom", n=1500, image_size=64)


@pytest.fixture(scope="module")
def studies(cohort):
    return cohort.images.studies


def first_with(studies, name, **where):
    """Return the first study that shows a finding, and the place of it."""
    for index, study in enumerate(studies):
        lesion = study.lesion(name)
        if lesion and all(getattr(lesion, key) == value for key, value in where.items()):
            return index, study
    raise AssertionError(f"no study with {name}, {where}")


def healthy(studies):
    return next(study for study in studies if not study.lesions)


def asserted(text):
    """Return the findings that a report asserts: those named in a sentence that denies nothing."""
    found = set()
    for sentence in re.split(r"(?<=\.) ", text):
        if re.match(r"(no|there is no|no evidence)\b", sentence.lower()):
            continue
        found |= {name for name in NAMES if re.search(PRESENT[name], sentence.lower())}
    return found


def test_a_seed_draws_the_same_cohort_in_another_process():
    words = (
        "from vesalius.data import read; from hashlib import sha256;"
        "c = read('phantom', n=3, seed=4, image_size=48);"
        "pixels = b''.join(c.images[i].tobytes() for i in range(3));"
        "print(sha256(pixels).hexdigest(), c.texts[2])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", words], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(seen) == 1
    assert len(seen.pop()) > 64


def test_a_case_is_the_same_in_a_cohort_of_any_size(cohort):
    few = read("phantom", n=7, image_size=64)
    assert few.case_ids.tolist() == cohort.case_ids[:7].tolist()
    assert few.texts.tolist() == cohort.texts[:7].tolist()
    assert np.array_equal(few.images[6], cohort.images[6])


def test_another_seed_draws_another_cohort(cohort):
    other = read("phantom", n=50, seed=1, image_size=64)
    assert not set(other.case_ids) & set(cohort.case_ids)
    assert (other.labels_NC != cohort.labels_NC[:50]).any()
    assert not np.array_equal(other.images[0], cohort.images[0])


@pytest.mark.parametrize("side", [48, 97, 224, 512])
def test_films_and_masks_have_the_size_that_was_asked_for(side):
    cases = read("phantom", n=2, image_size=side)
    assert cases.images[1].shape == (side, side)
    assert cases.images[1].dtype == np.uint8
    for mask in cases.regions.masks(1).values():
        assert mask.values_HW.shape == (side, side)
        assert mask.values_HW.dtype == bool


def test_the_anatomy_is_the_same_at_every_size():
    areas = [
        read("phantom", n=1, image_size=side).regions.masks(0)["Heart"].values_HW.mean()
        for side in (96, 224, 512)
    ]
    assert np.ptp(areas) < 0.06 * areas[0]


@pytest.mark.parametrize(
    "settings", [{"n": 0}, {"seed": -1}, {"image_size": 8}, {"image_size": 9000},
                 {"site_shift": 1.5}]
)  # fmt: skip
def test_a_setting_out_of_range_is_named(settings):
    with pytest.raises(DataError, match=next(iter(settings))):
        read("phantom", **settings)


def test_findings_are_long_tailed(cohort):
    shares = dict(zip(NAMES, cohort.labels_NC.mean(0), strict=True))
    for name, (low, high) in COMMON.items():
        assert low < shares[name] < high, name
    for name in RARE:
        assert 0.03 < shares[name] < 0.10, name
    normal = (cohort.labels_NC.sum(1) == 0).mean()
    assert 0.35 < normal < 0.60


def test_patients_have_one_to_three_studies_and_keep_what_lasts(studies):
    patients = {}
    for study in studies[:-3]:  # the last patient may be cut off
        patients.setdefault(study.patient, []).append(study)
    counts = np.array([len(own) for own in patients.values()])
    assert set(counts) == {1, 2, 3}
    for own in patients.values():
        assert len({(s.age, s.sex, s.site.name) for s in own}) == 1
        for name in LASTING:
            assert len({s.lesion(name) for s in own}) == 1


def test_reports_assert_what_is_shown_and_nothing_else(cohort):
    for text, labels_C in zip(cohort.texts, cohort.labels_NC, strict=True):
        shown = {name for name, label in zip(NAMES, labels_C, strict=True) if label == 1}
        assert asserted(text) == shown, text


def test_reports_are_varied_hedge_and_deny(cohort):
    assert len(set(cohort.texts)) > 0.95 * len(cohort)
    joined = " ".join(cohort.texts)
    for phrase in ("No pneumothorax", "possible", "subtle", "Impression:", "Compared with"):
        assert phrase in joined
    assert not re.search(r"[{}]|  | [.,]|\ba [aeio]|\b[Aa] monitoring", joined)


def test_answers_follow_from_the_labels(cohort):
    for i in range(300):
        shown = {name for name, label in cohort[i].labels.items() if label}
        for asked in cohort.questions[i]:
            if asked.question.startswith("Is there a"):
                named = {name for name in NAMES if re.search(PRESENT[name], asked.question.lower())}
                if "support device" in asked.question:
                    named = {"Support Devices"}
                assert (asked.answer == "yes") == bool(named & shown), asked
            elif asked.question == "Which abnormalities are seen?":
                assert (asked.answer == "none") == (not shown)


@pytest.mark.parametrize(
    "name", ["Pleural Effusion", "Consolidation", "Nodule", "Atelectasis", "Pneumothorax"]
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_finding_lies_in_the_lung_of_its_side(studies, name, side):
    _, study = first_with(studies, name, sides=(side,))
    _, masks = render(study, 160)
    lesion = masks[name].values_HW
    lung = masks[f"{side.capitalize()} Lung"].values_HW
    assert lesion.any()
    assert (lesion & lung).sum() > 0.9 * lesion.sum()
    middle = np.argwhere(lesion)[:, 1].mean() / 160
    assert middle < 0.5 if side == "right" else middle > 0.5, "right is the image's left"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "Cardiomegaly"])
def test_a_finding_is_seen_where_its_mask_is_and_hardly_elsewhere(studies, name):
    _, study = first_with(studies, name)
    with_it, masks = render(study, 128)
    rest = tuple(lesion for lesion in study.lesions if lesion.name != name)
    without, _ = render(replace(study, lesions=rest), 128)
    change_HW = np.abs(with_it.astype(float) - without)
    lesion = masks[name].values_HW
    assert change_HW[lesion].mean() > 6
    if name != "Edema":  # edema changes the vessels everywhere
        assert change_HW[~lesion].mean() < 0.25 * change_HW[lesion].mean()


def test_more_severe_is_larger_or_whiter(studies):
    study = healthy(studies)
    for name in ("Pleural Effusion", "Pneumothorax", "Nodule", "Consolidation"):
        areas = []
        for severity in (0.1, 0.5, 0.95):
            lesion = Lesion(name, severity, ("left",), 0.5)
            areas.append(render(replace(study, lesions=(lesion,)), 160)[1][name].values_HW.sum())
        assert areas[0] < areas[1] < areas[2], name


def test_a_large_heart_is_wider_than_half_the_thorax(studies):
    for index in range(60):
        masks = render(studies[index], 96)[1]
        lungs = masks["Right Lung"].values_HW | masks["Left Lung"].values_HW
        wide = np.ptp(np.flatnonzero(masks["Heart"].values_HW.any(0)))
        ratio = wide / np.ptp(np.flatnonzero((lungs | masks["Heart"].values_HW).any(0)))
        assert (ratio > 0.5) == (studies[index].lesion("Cardiomegaly") is not None)


def test_boxes_enclose_the_parts_of_the_masks(cohort):
    index = int(np.argmax(cohort.labels_NC.sum(1)))
    masks = cohort.regions.masks(index)
    boxes = cohort.regions.boxes(index)
    assert {box.label for box in boxes} == set(masks) & set(NAMES)
    for name in {box.label for box in boxes}:
        left = masks[name].values_HW.copy()
        for box in (box for box in boxes if box.label == name):
            x, y, width, height = (int(v) for v in (box.x, box.y, box.width, box.height))
            part = masks[name].values_HW[y : y + height, x : x + width]
            assert part.any(1)[[0, -1]].all()
            assert part.any(0)[[0, -1]].all()
            left[y : y + height, x : x + width] = False
        assert left.sum() <= 0.1 * masks[name].values_HW.sum(), "all but crumbs"


def test_each_side_of_an_effusion_has_its_own_box(studies, cohort):
    index, _ = first_with(studies, "Pleural Effusion", sides=("right", "left"))
    boxes = [b for b in cohort.regions.boxes(index) if b.label == "Pleural Effusion"]
    assert len(boxes) == 2
    assert len({box.x + box.width / 2 < 32 for box in boxes}) == 2, "one on each side of 64 pixels"


def test_a_site_can_shift():
    shifted, plain = (read("phantom", n=400, site_shift=s, image_size=64) for s in (1.0, 0.0))
    assert (plain.attributes["site"] == "A").mean() > 0.4
    assert not (shifted.attributes["site"] == "A").any()
    moved = np.flatnonzero(plain.attributes["site"] == "A")[:20]
    changes = [abs(float(plain.images[i].std()) - float(shifted.images[i].std())) for i in moved]
    assert np.mean(changes) > 3
    assert np.array_equal(plain.labels_NC, shifted.labels_NC)


def test_the_hash_of_a_film_changes_with_all_that_changes_it(cohort):
    hashes = {cohort.images.content_hash(i) for i in range(50)}
    hashes |= {read("phantom", n=1, image_size=65).images.content_hash(0)}
    hashes |= {read("phantom", n=1, seed=1, image_size=64).images.content_hash(0)}
    assert len(hashes) == 52


def test_selected_cases_keep_film_mask_and_answers(cohort):
    chosen = cohort.select([30, 4])
    assert np.array_equal(chosen.images[1], cohort.images[4])
    assert chosen.questions[0] == cohort.questions[30]
    assert chosen.regions.boxes(1) == cohort.regions.boxes(4)
