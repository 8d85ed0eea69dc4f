import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError, Skipped
from vesalius.data import read
from vesalius.data.readers.iu_xray import coded_findings
from vesalius.data.tables.table import read_table
from vesalius.data.tables.vocabulary import CHEXPERT


def present(case):
    return [name for name, state in case.labels.items() if state]


def test_films_get_the_text_coding_and_patient_of_their_report(layout):
    cases = read("iu_xray_xml", layout("iu_xray_xml"))
    assert cases.case_ids.tolist() == [
        "CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001", "CXR2_IM-0652-1001"
    ]  # fmt: skip
    assert cases.images.name(0) == "NLMCXR_png/CXR1_1_IM-0001-3001.png"
    assert cases.label_names == CHEXPERT
    assert [present(case) for case in cases] == [
        ["No Finding"], ["No Finding"], ["Cardiomegaly", "Pleural Other"]
    ]  # fmt: skip
    assert cases.patient_ids.tolist() == ["CXR1", "CXR1", "CXR2"]
    assert cases.texts.tolist() == ["Clear lungs. Normal chest."] * 2 + ["Big heart & pleura."]
    assert cases.attributes["automatic"].tolist() == ["heart"] * 3
    assert cases.splits is None


def test_a_report_without_a_film_is_listed(layout):
    cases = read("iu_xray_xml", layout("iu_xray_xml"))
    assert cases.skipped == (Skipped("10.xml", "names no image"),)


def test_the_first_film_and_one_section_may_be_chosen(layout):
    cases = read("iu_xray_xml", layout("iu_xray_xml"), films="first", text="findings")
    assert cases.texts.tolist() == ["Clear lungs.", None]


def test_a_report_without_coding_is_unknown_in_all(layout):
    root = layout("iu_xray_xml")
    report = root / "ecgen-radiology" / "1.xml"
    report.write_text(report.read_text().replace("<major>normal</major>", ""))
    assert np.isnan(read("iu_xray_xml", root).labels_NC[:2]).all()


def test_films_may_have_the_names_of_the_kaggle_set(layout):
    root = layout("iu_xray_xml")
    (root / "images").mkdir()
    for film in (root / "NLMCXR_png").iterdir():
        film.rename(root / "images" / f"{film.stem.removeprefix('CXR')}.dcm.png")
    (root / "NLMCXR_png").rmdir()
    cases = read("iu_xray_xml", root)
    assert cases.images.name(2) == "images/2_IM-0652-1001.dcm.png"


def test_the_root_may_be_the_folder_of_reports(layout):
    root = layout("iu_xray_xml")
    (root / "NLMCXR_png").rename(root / "ecgen-radiology" / "images")
    assert len(read("iu_xray_xml", root / "ecgen-radiology")) == 3


@pytest.mark.parametrize("setting", [{"films": "frist"}, {"text": "finding"}])
def test_a_wrong_choice_gets_the_nearest(layout, setting):
    with pytest.raises(ChoiceError, match="did you mean '(first|findings)'"):
        read("iu_xray_xml", layout("iu_xray_xml"), **setting)


@pytest.mark.parametrize("raw", [b"", b"<eCitation>", b"<!DOCTYPE x><eCitation/>"])
def test_a_broken_report_is_named(layout, raw):
    root = layout("iu_xray_xml")
    (root / "ecgen-radiology" / "2.xml").write_bytes(raw)
    with pytest.raises(DataError, match="2.xml"):
        read("iu_xray_xml", root)


def test_a_film_outside_the_root_is_refused(layout):
    root = layout("iu_xray_xml")
    report = root / "ecgen-radiology" / "1.xml"
    report.write_text(report.read_text().replace("CXR1_1_IM-0001-3001", "../../out"))
    with pytest.raises(DataError, match="leads out of the folder"):
        read("iu_xray_xml", root)


def test_a_film_that_is_not_there_is_listed(layout):
    root = layout("iu_xray_xml")
    (root / "NLMCXR_png" / "CXR2_IM-0652-1001.png").unlink()
    assert "NLMCXR_png/CXR2_IM-0652-1001.png" in [s.name for s in read("iu_xray_xml", root).skipped]


def test_the_coding_alone_says_of_the_published_reports_what_the_kaggle_tables_do(real_data):
    table = read_table(real_data("iu_xray") / "indiana_reports.csv")
    for mesh, problems in zip(table["MeSH"], table["Problems"], strict=True):
        both = coded_findings(f"{mesh};{problems}".split(";"))
        np.testing.assert_array_equal(coded_findings(mesh.split(";")), both)
