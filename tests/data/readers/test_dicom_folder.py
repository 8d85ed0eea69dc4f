import pickle
from hashlib import sha256
from hmac import digest

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import inspect, read

pydicom = pytest.importorskip("pydicom")


def test_files_come_series_by_series_in_the_order_of_their_position(layout):
    cases = read("dicom", layout("dicom"))
    assert cases.case_ids.tolist() == ["cine.dcm", "ct/IM1", "ct/IM2", "ct/IM3", "film.dcm"]
    assert len(set(cases.attributes["series"][1:4])) == 1
    assert cases.skipped[0].name == "notes.txt"
    assert "not a DICOM file" in cases.skipped[0].reason


def test_without_positions_the_instance_number_gives_the_order(tmp_path, dcm):
    for name, number in (("a", 10), ("b", 9), ("c", 11)):
        dcm(tmp_path / name, InstanceNumber=number, SeriesInstanceUID="1.2")
    assert read("dicom", tmp_path).case_ids.tolist() == ["b", "a", "c"]


def test_positions_count_along_the_normal_of_an_oblique_plane(tmp_path, dcm):
    s = 0.5**0.5
    for name, along in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        dcm(tmp_path / name, SeriesInstanceUID="1.2", InstanceNumber=1,
            ImageOrientationPatient=[s, s, 0, 0, 0, 1],
            ImagePositionPatient=[s * along + 7 * s, 7 * s - s * along, 5])  # fmt: skip
    assert read("dicom", tmp_path).case_ids.tolist() == ["b", "c", "a"]


def test_attributes_name_nobody(layout):
    cases = read("dicom", layout("dicom"))
    film = dict(cases[4].attributes)
    assert film.pop("series") == film.pop("study") == ""
    assert film == {
        "modality": "DX", "view": "PA", "laterality": "", "body_part": "", "sex": "F", "age": 45.0,
        "manufacturer": "", "rows": 6, "columns": 8,
    }  # fmt: skip
    assert np.isnan(cases[0].attributes["age"])


def test_patients_are_keyed_hashes_of_their_ids(layout, tmp_path):
    root = layout("dicom")
    plain = read("dicom", root).patient_ids
    assert len(set(plain)) == 3
    assert plain[1] == plain[2] == f"patient-{digest(b'', b'patient P1', 'sha256').hex()[:16]}"
    (tmp_path / "salt").write_text("secret\n")
    salted = read("dicom", root, salt_file=str(tmp_path / "salt")).patient_ids
    assert salted[1] == f"patient-{digest(b'secret', b'patient P1', 'sha256').hex()[:16]}"
    assert not {*plain} & {*salted}
    assert sha256(b"P1").hexdigest()[:16] not in "".join(plain)


@pytest.mark.parametrize(("content", "why"), [(None, "cannot be read"), (b" \n", "is empty")])
def test_a_salt_that_is_not_there_is_an_error(layout, tmp_path, content, why):
    if content is not None:
        (tmp_path / "salt").write_bytes(content)
    with pytest.raises(DataError, match=f"salt_file .*{why}"):
        read("dicom", layout("dicom"), salt_file=str(tmp_path / "salt"))


def test_a_set_without_patient_ids_knows_no_patients(tmp_path, dcm):
    dcm(tmp_path / "a.dcm")
    assert read("dicom", tmp_path).patient_ids is None


def test_frames_become_cases(layout):
    root = layout("dicom")
    every = read("dicom", root, frames="all")
    assert every.case_ids.tolist()[:3] == [f"cine.dcm#frame={n}" for n in (1, 2, 3)]
    assert len(every) == 7
    np.testing.assert_array_equal(every[2].image.read(), np.arange(96, 144).reshape(6, 8))
    middle = read("dicom", root, frames="middle")
    assert middle.case_ids[0] == "cine.dcm#frame=2"
    assert len({every.images.content_hash(i) for i in range(7)}) == 7


def test_the_middle_of_each_series_can_be_had(layout):
    cases = read("dicom", layout("dicom"), series="middle")
    assert cases.case_ids.tolist() == ["cine.dcm", "ct/IM2", "film.dcm"]


def test_one_window_serves_all_files(layout):
    cases = read("dicom", layout("dicom"), window="-300,800")
    copied = pickle.loads(pickle.dumps(cases.images))
    assert copied.name(1) == "ct/IM1#window=-300,800"
    assert cases.case_ids[1] == "ct/IM1"
    own = read("dicom", layout("dicom"))
    assert not np.array_equal(copied[1], own.images[1])


def test_the_root_may_be_one_file(layout):
    cases = read("dicom", layout("dicom") / "cine.dcm", frames="all")
    assert len(cases) == 3
    assert cases[1].image.read()[0, 0] == 48


@pytest.mark.parametrize("setting", [{"frames": "last"}, {"series": "first"}, {"phi": ["Nmae"]}])
def test_a_wrong_setting_is_answered_with_the_choices(layout, setting):
    with pytest.raises(ChoiceError, match="choose one of"):
        read("dicom", layout("dicom"), **setting)


@pytest.mark.parametrize("window", ["0", "-1", "wide", "40,0"])
def test_a_wrong_window_is_an_error_at_once(layout, window):
    with pytest.raises(DataError, match="dicom: window="):
        read("dicom", layout("dicom"), window=window)


def test_a_folder_without_images_says_why(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"x" * 200)
    with pytest.raises(
        DataError, match=r"no DICOM image; the first, a.dcm: is not a readable DICO"
    ):
        read("dicom", tmp_path)


def test_a_billion_frames_that_are_not_there_make_no_cases(tmp_path, dcm):
    dcm(tmp_path / "a.dcm")
    dcm(tmp_path / "b.dcm", NumberOfFrames=1_000_000_000)
    cases = read("dicom", tmp_path, frames="all")
    assert cases.case_ids.tolist() == ["a.dcm"]
    assert "truncated" in cases.skipped[0].reason


def test_a_link_that_leads_out_is_refused(layout, tmp_path, dcm):
    dcm(tmp_path / "outside.dcm")
    (layout("dicom") / "link.dcm").symlink_to(tmp_path / "outside.dcm")
    with pytest.raises(DataError, match="leads out of the folder"):
        read("dicom", tmp_path / "dicom")


@pytest.mark.parametrize(
    ("join", "names"),
    [
        ("image", ["ct/IM1", "film.dcm"]),
        ("file", ["IM1", "film"]),
        ("SOPInstanceUID", [None, None]),
    ],
)
def test_labels_join_by_path_name_or_uid(layout, table, join, names):
    root = layout("dicom")
    uids = [pydicom.dcmread(root / name).SOPInstanceUID for name in ("ct/IM1", "film.dcm")]
    said = [name or uid for name, uid in zip(names, uids, strict=True)]
    rows = [(said[0], 1, 0, "words"), (said[1], 0, 1, "words")]
    table(root / "labels.csv", (join, "Nodule", "Mass", "text"), *rows, ("gone", 1, 1, ""))
    cases = read("dicom", root, labels_file="labels.csv", join=join)
    assert cases.label_names == ("Nodule", "Mass")
    np.testing.assert_array_equal(cases.labels_NC[[1, 4]], [[1, 0], [0, 1]])
    assert np.isnan(cases.labels_NC[[0, 2, 3]]).all()
    assert cases[1].text == "words"
    assert cases[0].text is None
    assert "labels.csv: gone" in [s.name for s in cases.skipped]
    assert "labels.csv" not in [s.name for s in cases.skipped]


def test_one_column_of_words_gives_a_class_a_word(layout, table):
    root = layout("dicom")
    rows = [("ct/IM1", "normal"), ("film.dcm", "edema")]
    table(root / "labels.csv", ("image", "diagnosis"), *rows)
    cases = read("dicom", root, labels_file="labels.csv", labels="diagnosis")
    assert (cases.label_names, cases.task) == (("edema", "normal"), "multiclass")
    np.testing.assert_array_equal(cases.labels_NC[[1, 4]], [[0, 1], [1, 0]])
    assert np.isnan(cases.labels_NC[[0, 2, 3]]).all(), "a film without a row is unknown"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("x.dcm", 1)], "line 2: 'x.dcm' is several files"),
        ([("a/x.dcm", 1), ("a/x", 0), ("a/x.dcm", 1)], "line 4: 'a/x.dcm' has a row already"),
        ([("y", 1)], "not one of its 1 rows names a file at hand"),
    ],
)
def test_labels_that_do_not_fit_are_errors_with_their_line(tmp_path, dcm, table, rows, why):
    for folder in ("a", "b"):
        dcm(tmp_path / folder / "x.dcm")
    table(tmp_path / "labels.csv", ("image", "Nodule"), *rows)
    with pytest.raises(DataError, match=why):
        read("dicom", tmp_path, labels_file="labels.csv")


def test_pngs_dicoms_and_volumes_mix_in_a_manifest(tmp_path, png, dcm, nii, table):
    png(tmp_path / "a.png")
    dcm(tmp_path / "b.dcm", np.arange(96, dtype=np.uint8).reshape(2, 6, 8))
    nii(tmp_path / "c.nii.gz", np.arange(210, dtype=np.int16).reshape(5, 6, 7))
    rows = [("a.png", 1), ("b.dcm", 0), ("b.dcm#frame=2", 1), ("c.nii.gz#axial=3&window=100,50", 0)]
    table(tmp_path / "manifest.csv", ("image", "Nodule"), *rows)
    cases = read("manifest", tmp_path)
    assert [case.image.read().shape for case in cases] == [(6, 8), (6, 8), (6, 8), (6, 5)]
    assert cases[2].image.read()[0, 0] == 48
    found = inspect(cases)
    assert found.unreadable == ()
    assert found.steps == {
        "PNG": 1,
        "DICOM · uncompressed · 8 bit as stored": 2,
        "NIfTI · axial · window 100/50": 1,
    }


def test_pngs_and_dicoms_mix_in_class_folders(tmp_path, png, dcm, nii):
    png(tmp_path / "benign" / "a.png")
    dcm(tmp_path / "malignant" / "b.dcm")
    nii(tmp_path / "malignant" / "c.nii.gz", np.zeros((5, 6, 7), np.int16))
    cases = read("folder", tmp_path)
    assert cases.labels_NC.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert inspect(cases).unreadable == ()


def test_inspection_counts_the_way_of_each_file(layout):
    found = inspect(read("dicom", layout("dicom")))
    assert found.steps == {
        "DICOM · uncompressed · rescale 1/-1024 · window 40/400": 3,
        "DICOM · uncompressed · 8 bit as stored": 1,
        "DICOM · uncompressed · stretched from its minimum to its maximum · "
        "MONOCHROME1 inverted": 1,
    }
