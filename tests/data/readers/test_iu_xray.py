import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read
from vesalius.data.readers.iu_xray import coded_findings
from vesalius.data.tables.vocabulary import CHEXPERT, OPEN_I


def present(case):
    return [name for name, state in case.labels.items() if state]


def test_films_get_the_text_and_labels_of_their_report(layout):
    cases = read("iu_xray", layout("iu_xray"))
    assert cases.case_ids.tolist() == [
        "1_IM-0001-4001.dcm.png", "2_IM-0652-1001.dcm.png", "3_IM-1384-1001.dcm.png"
    ]  # fmt: skip
    assert cases.label_names == CHEXPERT
    assert cases.patient_ids.tolist() == ["1", "2", "3"]
    assert cases.texts.tolist() == ["Clear lungs. Normal chest.", "Big heart.", None]
    assert present(cases[0]) == ["No Finding"]
    assert present(cases[1]) == ["Cardiomegaly", "Pleural Other"]
    assert set(cases[2].labels.values()) == {None}
    assert cases.splits is None


def test_a_coded_report_does_not_have_what_it_does_not_name(layout):
    states = read("iu_xray", layout("iu_xray")).labels_NC
    assert not np.isnan(states[:2]).any()


@pytest.mark.parametrize(("projection", "n"), [("Frontal", 3), ("Lateral", 1), ("all", 4)])
def test_the_projection_is_chosen(layout, projection, n):
    cases = read("iu_xray", layout("iu_xray"), projection=projection)
    assert len(cases) == n
    assert len(set(cases.patient_ids)) == min(n, 3)


@pytest.mark.parametrize(("text", "first"), [("findings", "Clear lungs."),
                                             ("impression", "Normal chest.")])  # fmt: skip
def test_the_section_is_chosen(layout, text, first):
    assert read("iu_xray", layout("iu_xray"), text=text).texts[0] == first


@pytest.mark.parametrize("setting", [{"projection": "frontal"}, {"text": "finding"}])
def test_a_wrong_choice_gets_the_nearest(layout, setting):
    with pytest.raises(ChoiceError, match="did you mean '(Frontal|findings)'"):
        read("iu_xray", layout("iu_xray"), **setting)


@pytest.mark.parametrize(
    ("terms", "findings"),
    [
        (["normal"], ["No Finding"]),
        (["Mediastinum/shift"], []),
        (["Mediastinum/prominent/mild"], ["Enlarged Cardiomediastinum"]),
        (["Cardiac Shadow/obscured"], []),
        (["Cardiac Shadow/enlarged/mild"], ["Cardiomegaly"]),
        (["Markings/bronchovascular"], []),
        (["Markings/lung/interstitial"], ["Lung Opacity"]),
        (["Calcified Granuloma/lung/hilum/right"], []),
        (["Hydropneumothorax"], ["Pneumothorax", "Pleural Effusion"]),
        (["  tube,  Inserted "], ["Support Devices"]),
        (["Scoliosis"], []),
        (["No Indexing", "Edema"], []),
    ],
)
def test_coding_becomes_findings_by_name(terms, findings):
    states = dict(zip(CHEXPERT, coded_findings(terms), strict=True))
    assert [name for name, state in states.items() if state] == findings


@pytest.mark.parametrize("terms", [[""], ["No Indexing"], ["", "no indexing"],
                                   ["Technical Quality of Image Unsatisfactory "]])  # fmt: skip
def test_a_report_without_coding_is_unknown_in_all(terms):
    assert np.isnan(coded_findings(terms)).all()


def test_every_finding_has_words():
    assert tuple(OPEN_I) == CHEXPERT


def test_a_missing_image_is_listed(layout):
    root = layout("iu_xray")
    (root / "images" / "images_normalized" / "2_IM-0652-1001.dcm.png").unlink()
    cases = read("iu_xray", root)
    assert cases.patient_ids.tolist() == ["1", "3"]
    assert cases.skipped[0].name == "images/images_normalized/2_IM-0652-1001.dcm.png"


@pytest.mark.parametrize("name", ["indiana_reports.csv", "indiana_projections.csv"])
def test_a_missing_table_is_named(layout, name):
    root = layout("iu_xray")
    (root / name).unlink()
    with pytest.raises(DataError, match=f"has no {name}"):
        read("iu_xray", root)


@pytest.mark.parametrize("column", ["uid", "MeSH", "Problems", "findings", "impression"])
def test_a_missing_column_is_named(layout, column):
    root = layout("iu_xray")
    table = root / "indiana_reports.csv"
    table.write_text(table.read_text().replace(column, "x", 1))
    with pytest.raises(DataError, match=f"indiana_reports.csv has no column '{column}'"):
        read("iu_xray", root)


def test_a_film_without_report_is_an_error_with_its_line(layout, table):
    root = layout("iu_xray")
    table(root / "indiana_projections.csv", ("uid", "filename", "projection"),
          (1, "a.png", "Frontal"), (9, "b.png", "Frontal"))  # fmt: skip
    with pytest.raises(DataError, match="line 3: uid '9' has no report"):
        read("iu_xray", root)


def test_a_film_outside_the_root_is_refused(layout, table):
    root = layout("iu_xray")
    table(root / "indiana_projections.csv", ("uid", "filename", "projection"),
          (1, "../../../a.png", "Frontal"))  # fmt: skip
    with pytest.raises(DataError, match="leads out of the folder"):
        read("iu_xray", root)


def test_the_published_tables_without_images_say_so(real_data):
    with pytest.raises(DataError, match="not one of 3,818 images is there"):
        read("iu_xray", real_data("iu_xray"))


def test_the_published_tables_are_coded_as_counted_by_hand(real_data, tmp_path, monkeypatch):
    from vesalius.data.readers import iu_xray

    monkeypatch.setattr(iu_xray, "with_images", lambda cases: cases)
    cases = read("iu_xray", real_data("iu_xray"))
    assert len(cases) == 3818
    uncoded = np.isnan(cases.labels_NC).all(1)
    assert np.isnan(cases.labels_NC).any(1).sum() == uncoded.sum()
    per_report = dict(zip(cases.patient_ids, uncoded, strict=True))
    assert 0 < sum(per_report.values()) <= 92 + 84
    positive = dict(zip(CHEXPERT, np.nansum(cases.labels_NC, axis=0).astype(int), strict=True))
    assert all(positive.values())
    assert max(positive, key=positive.get) == "No Finding"
    assert sum(text is None for text in cases.texts) <= 25
