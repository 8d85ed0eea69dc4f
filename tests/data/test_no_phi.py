"""Names, ids and dates that are planted in DICOM headers come out nowhere."""

import json
import logging
import traceback
import warnings
from dataclasses import asdict

import numpy as np
import pytest

from vesalius.core import DataError
from vesalius.data import inspect, read, read_image
from vesalius.studies import inspect_data

pydicom = pytest.importorskip("pydicom")
CANARY = "Zebulon"
PLANTED = {
    "PN": f"{CANARY}^Quux", "LO": f"{CANARY} LO", "SH": CANARY, "LT": f"{CANARY} LT",
    "ST": f"{CANARY} ST", "UT": f"{CANARY} UT", "UC": f"{CANARY} UC", "AE": CANARY,
    "UR": f"http:{CANARY}", "DA": "19470815", "DT": "19470815074747", "TM": "074747.4747",
    "UI": "1.2.474747", "IS": "474747", "AS": "047Y",
}  # fmt: skip
SECRETS = (CANARY, "19470815", "474747", "47-08-15", "07:47")
TOLD = {"Manufacturer", "PatientAge", "NumberOfFrames", "TransferSyntaxUID"}  # read on purpose
UNFIT = {"SpecificCharacterSet", "SOPClassUID", "FileSetID"}


def planted(elements):
    """Put a canary into every element of the dictionary whose kind can hold one."""
    from pydicom.datadict import DicomDictionary, repeater_has_tag

    count = 0
    for tag, (kind, _, _, retired, keyword) in DicomDictionary.items():
        group = tag >> 16
        if kind not in PLANTED or group in (0, 2, 4) or tag & 0xFFFF == 0 or not keyword or retired:
            continue
        if keyword in TOLD | UNFIT or repeater_has_tag(tag) or group in (0x28, 0xFFFE, 0x7FE0):
            continue
        elements.add_new(tag, kind, PLANTED[kind])
        count += 1
    assert count > 1000
    inner = pydicom.Dataset()
    inner.PatientName, inner.PatientBirthDate = f"{CANARY}^Inner", "19470815"
    for keyword in ("OtherPatientIDsSequence", "RequestAttributesSequence"):
        setattr(elements, keyword, [pydicom.Dataset(inner)])
    block = elements.private_block(0x0009, "VENDOR", create=True)
    block.add_new(0x01, "LO", f"{CANARY} private")
    block.add_new(0x02, "SQ", [pydicom.Dataset(inner)])
    return elements


@pytest.fixture
def root(tmp_path, dcm):
    folder = tmp_path / "films"
    for name in ("a.dcm", "b.dcm"):
        planted(pydicom.dcmread(dcm(folder / name))).save_as(folder / name)
    assert CANARY.encode() in (folder / "a.dcm").read_bytes()
    return folder


@pytest.fixture
def nothing_said(caplog, capfd):
    """Check after the test that no log, warning or output held a secret."""
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    output = capfd.readouterr()
    said = [caplog.text, output.out, output.err, *(str(w.message) for w in caught)]
    clean("\n".join(said))


def clean(text):
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.usefixtures("nothing_said")
def test_nothing_planted_is_in_a_case_set_or_its_inspection(root):
    cases = read("dicom", root, frames="all")
    assert len(cases) == 2
    assert cases.patient_ids is not None
    columns = [
        cases.case_ids,
        cases.patient_ids,
        cases.texts,
        cases.splits,
        *cases.attributes.items(),
    ]
    clean("\n".join(repr(column) for column in columns))
    for case in cases:
        clean(repr(case))
    clean(json.dumps(asdict(inspect(cases)), default=str))


@pytest.mark.usefixtures("nothing_said")
def test_nothing_planted_is_on_the_page(root, tmp_path):
    _, page = inspect_data("dicom", str(root), [], tmp_path / "out")
    text = page.read_text()
    assert "How files became pixels" in text
    clean(text)


@pytest.mark.usefixtures("nothing_said")
def test_a_broken_file_tells_nothing_of_its_header(root):
    whole = (root / "a.dcm").read_bytes()
    own = pydicom.dcmread(root / "a.dcm")
    rng = np.random.default_rng(0)
    told = 0
    for trial in range(100):
        if trial < 50:
            broken = whole[: int(len(whole) * trial / 50)]
        else:
            damaged = np.frombuffer(whole, np.uint8).copy()
            damaged[rng.integers(0, len(damaged), 40)] = rng.integers(0, 256, 40)
            broken = damaged.tobytes()
        (root / "a.dcm").write_bytes(broken)
        try:
            read_image(root / "a.dcm")
        except DataError as error:
            told += 1
            clean(str(error))
            clean("".join(traceback.format_exception(error)))
        cases = read("dicom", root)
        clean(repr(cases.skipped))
    assert told > 40
    assert own.PatientName == PLANTED["PN"]


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize(
    "keyword",
    ["Rows", "NumberOfFrames", "BitsStored", "WindowCenter", "WindowWidth", "RescaleSlope",
     "PhotometricInterpretation", "SpecificCharacterSet", "PatientAge", "ViewPosition"],
)  # fmt: skip
def test_a_name_in_the_wrong_element_is_not_told(root, keyword):
    from pydicom.datadict import tag_for_keyword

    with warnings.catch_warnings(action="ignore"):  # of this very planting
        for name in ("a.dcm", "b.dcm"):
            own = pydicom.dcmread(root / name)
            own.add_new(tag_for_keyword(keyword), "LO", f"{CANARY} {keyword}")
            own.save_as(root / name)
    try:
        cases = read("dicom", root)
        clean(repr([cases.skipped, dict(cases.attributes), cases[0]]))
        clean(repr(inspect(cases)))
    except DataError as error:
        clean("".join(traceback.format_exception(error)))


def test_what_is_asked_for_is_told(root):
    cases = read("dicom", root, phi=["StudyDate", "PatientName"])
    assert cases.attributes["StudyDate"].tolist() == ["19470815"] * 2
    assert cases.attributes["PatientName"].tolist() == [f"{CANARY}^Quux"] * 2
    assert "PatientBirthDate" not in cases.attributes
