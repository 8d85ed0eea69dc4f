import numpy as np
import pytest

from vesalius.core import Box, DataError
from vesalius.data import read
from vesalius.data.readers.tuberculosis_cxr import reading


@pytest.mark.parametrize(("reader", "prefix"), [("montgomery", "MCUCXR"), ("shenzhen", "CHNCXR")])
def test_the_last_digit_is_the_label_and_the_number_the_patient(layout, reader, prefix):
    cases = read(reader, layout(reader))
    assert cases.label_names == ("Tuberculosis",)
    assert cases.labels_NC[:, 0].tolist() == [0, 1, 1]
    assert cases.case_ids.tolist() == [f"{prefix}_0001_0", f"{prefix}_0023_1", f"{prefix}_0104_1"]
    assert cases.patient_ids.tolist() == [f"{prefix}_{n}" for n in ("0001", "0023", "0104")]


def test_left_and_right_lungs_are_merged(layout):
    case = read("montgomery", layout("montgomery"))[0]
    assert case.masks["Lungs"].values_HW.sum() == 2 * 4 + 2 * 3
    assert tuple(case.boxes) == (Box("Lungs", 1, 1, 6, 4),)


def test_one_lung_alone_is_no_mask_and_is_listed(layout):
    root = layout("montgomery")
    (root / "ManualMask" / "rightMask" / "MCUCXR_0023_1.png").unlink()
    cases = read("montgomery", root)
    assert [len(case.masks) for case in cases] == [1, 0, 1]
    assert cases.skipped[0].name == "ManualMask/rightMask/MCUCXR_0023_1.png"
    assert cases.skipped[0].reason == "mask left out: no such file"


@pytest.mark.parametrize("folder", ["masks", "mask"])
@pytest.mark.parametrize("ending", [".png", "_mask.png"])
def test_merged_masks_in_one_folder_are_read(layout, mask, folder, ending):
    root = layout("montgomery")
    (root / "ManualMask").rename(root / "unused")
    mask(root / folder / f"MCUCXR_0104_1{ending}", (0, 0, 1, 1))
    cases = read("montgomery", root)
    assert [len(case.masks) for case in cases] == [0, 0, 1]


def test_films_of_shenzhen_without_a_mask_are_kept_without_one(layout):
    cases = read("shenzhen", layout("shenzhen"))
    assert [list(case.masks) for case in cases] == [["Lungs"], [], ["Lungs"]]
    assert cases.skipped == ()


@pytest.mark.parametrize(("reader", "age", "sex"), [("montgomery", 27, "F"), ("shenzhen", 45, "M")])
def test_the_clinical_reading_gives_age_sex_and_text(layout, reader, age, sex):
    cases = read(reader, layout(reader))
    assert cases.texts.tolist() == ["normal", "cavity in the right\nupper lobe", "effusion"]
    assert cases.attributes["age"].tolist() == [age] * 3
    assert cases.attributes["sex"].tolist() == [sex] * 3


@pytest.mark.parametrize(
    ("words", "sex", "age", "text"),
    [
        ("Patient's Sex: M\nPatient's Age: 003M\nnormal\n", "M", 0.25, "normal"),
        ("female 24 yrs \r\n\r\nbilateral PTB\r\n", "F", 24, "bilateral PTB"),
        ("Female, 27yrs,\nnormal", "F", 27, "normal"),
        ("male 5 months\nnormal", "M", 5 / 12, "normal"),
        ("male\nnormal", "", np.nan, "male\nnormal"),
        ("Patient's Sex: F\n", "F", np.nan, None),
        ("", "", np.nan, None),
        ("normal\nfemale 24yrs", "", np.nan, "normal\nfemale 24yrs"),
    ],
)
def test_readings_as_they_are_written(words, sex, age, text):
    found = reading(words)
    assert (found.sex, found.text) == (sex, text)
    np.testing.assert_allclose(found.age, age)


def test_films_without_readings_have_no_text(layout):
    root = layout("shenzhen")
    (root / "ClinicalReadings" / "CHNCXR_0001_0.txt").unlink()
    cases = read("shenzhen", root)
    assert cases.texts.tolist()[0] is None
    assert np.isnan(cases.attributes["age"][0])


def test_films_may_lie_in_images_or_in_the_root(layout):
    root = layout("montgomery")
    (root / "CXR_png").rename(root / "images")
    assert read("montgomery", root).images.name(0) == "images/MCUCXR_0001_0.png"
    for film in (root / "images").iterdir():
        film.rename(root / film.name)
    cases = read("montgomery", root)
    assert cases.images.name(0) == "MCUCXR_0001_0.png"
    assert len(cases[0].masks) == 1


def test_a_mixed_folder_is_parted_by_name_and_the_rest_listed(layout, png):
    root = layout("montgomery")
    png(root / "CXR_png" / "CHNCXR_0001_0.png")
    (root / "CXR_png" / "Thumbs.db").write_bytes(b"x")
    cases = read("montgomery", root)
    assert len(cases) == 3
    assert [s.name for s in cases.skipped] == ["CXR_png/CHNCXR_0001_0.png", "CXR_png/Thumbs.db"]
    assert cases.skipped[0].reason == "not named like MCUCXR_0001_0.png"


def test_the_other_set_is_an_error_that_says_what_names_are_looked_for(layout):
    with pytest.raises(DataError, match=r"no films named like CHNCXR_0001_0\.png"):
        read("shenzhen", layout("montgomery"))


def test_a_film_that_is_there_twice_is_an_error(layout, png):
    root = layout("montgomery")
    png(root / "CXR_png" / "MCUCXR_0001_0.bmp")
    with pytest.raises(DataError, match="'MCUCXR_0001_0' occurs twice"):
        read("montgomery", root)


def test_the_real_films_have_their_known_counts(real_data):
    cases = read("montgomery", real_data("montgomery"))
    assert len(cases) == 138
    assert cases.labels_NC.sum() == 58
    assert cases.skipped == ()
    for i in range(0, 138, 10):
        share = cases[i].masks["Lungs"].values_HW.mean()
        assert 0.1 < share < 0.5
