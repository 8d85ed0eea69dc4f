import gzip

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read
from vesalius.data.tables.vocabulary import CHEXPERT

CHEXPERT_TABLE = "mimic-cxr-2.0.0-chexpert.csv.gz"


def present(case):
    return [name for name, state in case.labels.items() if state]


def edited(root, name, old, new):
    text = gzip.decompress((root / name).read_bytes()).decode()
    assert old in text
    (root / name).write_bytes(gzip.compress(text.replace(old, new).encode()))


def test_films_get_the_labels_texts_and_split_of_their_study(layout):
    cases = read("mimic_cxr_jpg", layout("mimic_cxr_jpg"))
    assert cases.case_ids.tolist() == ["02aa804e-bde0afdd", "2a2277a9-b0ded155",
                                       "abea5eb9-b7c32823"]  # fmt: skip
    assert cases.images.name(0) == "files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg"
    assert cases.label_names == CHEXPERT
    assert [present(case) for case in cases] == [["No Finding"], [], []]
    assert cases.patient_ids.tolist() == ["10000032", "10000764", "10000935"]
    assert cases.splits.tolist() == ["train", "validation", "test"]
    assert cases.texts.tolist() == ["Clear lungs. No acute process.", None, None]
    assert cases.attributes["view"].tolist() == ["PA", "AP", "AP"]


def test_what_is_uncertain_unsaid_or_of_no_labelled_study_is_unknown(layout):
    states = read("mimic_cxr_jpg", layout("mimic_cxr_jpg")).labels_NC
    assert np.nansum(states[1]) == 0
    assert np.isfinite(states[1]).sum() == 1
    assert np.isnan(states[2]).all()


def test_zeros_for_blanks_do_not_reach_a_study_without_labels(layout):
    states = read("mimic_cxr_jpg", layout("mimic_cxr_jpg"), blank="zeros", uncertain="ones")
    assert present(states[1]) == ["Consolidation"]
    assert set(states[1].labels.values()) == {True, False}
    assert set(states[2].labels.values()) == {None}


def test_the_other_labeler_may_be_chosen(layout):
    cases = read("mimic_cxr_jpg", layout("mimic_cxr_jpg"), labeler="negbio")
    assert present(cases[1]) == ["Consolidation"]


@pytest.mark.parametrize(
    ("views", "n"),
    [("frontal", 3), ("lateral", 2), ("all", 5), ("PA", 1), (["PA", "LL"], 2)],
)
def test_the_views_are_chosen(layout, views, n):
    assert len(read("mimic_cxr_jpg", layout("mimic_cxr_jpg"), views=views)) == n


def test_a_view_that_no_film_has_is_an_error_with_the_choices(layout):
    root = layout("mimic_cxr_jpg")
    for views in ("laterl", ["PA", "SWIMMERS"], []):
        with pytest.raises(ChoiceError, match="choose one of AP, LATERAL, LL, PA, all, frontal"):
            read("mimic_cxr_jpg", root, views=views)


def test_one_section_may_be_chosen(layout):
    cases = read("mimic_cxr_jpg", layout("mimic_cxr_jpg"), text="impression")
    assert cases.texts[0] == "No acute process."


def test_tables_may_be_unpacked_and_splits_and_texts_be_absent(layout):
    root = layout("mimic_cxr_jpg")
    for packed in root.glob("*.csv.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    (root / "mimic-cxr-2.0.0-split.csv").unlink()
    (root / "mimic_cxr_sectioned.csv").unlink()
    cases = read("mimic_cxr_jpg", root)
    assert len(cases) == 3
    assert cases.splits is None
    assert cases.texts is None


@pytest.mark.parametrize("kind", ["metadata", "chexpert"])
def test_a_missing_table_is_named(layout, kind):
    root = layout("mimic_cxr_jpg")
    (root / f"mimic-cxr-2.0.0-{kind}.csv.gz").unlink()
    with pytest.raises(DataError, match=f"has no mimic-cxr-2.0.0-{kind}.csv.gz or"):
        read("mimic_cxr_jpg", root)


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("metadata", "dicom_id", "dicom", "has no column 'dicom_id'"),
        ("metadata", "ViewPosition", "View", "has no column 'ViewPosition'"),
        ("metadata", "10000764", "/../../../../../..", "leads out of the folder"),
        ("chexpert", "Edema", "Oedema", "has no column 'Edema'"),
        ("chexpert", "-1.0", "-2.0", "line 3: label 'Consolidation' is '-2.0'"),
        ("chexpert", "57375967", "50414267", "a study_id twice"),
        ("split", "validate", "holdout", "unknown .*split 'holdout'"),
    ],
)
def test_a_wrong_table_is_named(layout, kind, old, new, message):
    root = layout("mimic_cxr_jpg")
    edited(root, f"mimic-cxr-2.0.0-{kind}.csv.gz", old, new)
    with pytest.raises((DataError, ChoiceError), match=message):
        read("mimic_cxr_jpg", root)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_table_that_is_cut_off_is_refused(layout, share):
    path = layout("mimic_cxr_jpg") / CHEXPERT_TABLE
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match="mimic-cxr-2.0.0-chexpert.csv.gz"):
        read("mimic_cxr_jpg", path.parent)


def test_a_part_of_the_download_is_read_and_the_rest_listed(layout):
    root = layout("mimic_cxr_jpg")
    (root / "files/p10/p10000764/s57375967/2a2277a9-b0ded155.jpg").unlink()
    cases = read("mimic_cxr_jpg", root)
    assert len(cases) == 2
    assert cases.skipped[0].name.endswith("2a2277a9-b0ded155.jpg")
