import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read


@pytest.fixture
def pubmedclip(tmp_path, png, table):
    """Write PubMedCLIP's tables in a given place of each split's folder."""

    def write(place):
        for short, side in (("train", "train"), ("val", "validation"), ("test", "test")):
            png(tmp_path / side / "radiology" / "images" / f"PMC{short}.png")
            rows = ((f"ROCO_{short}", f"PMC{short}.png", f" A {side} caption"),)
            name = place.format(side=side, short=short)
            table(tmp_path / name, ("id", "name", "caption"), *rows)
        return tmp_path

    return write


def test_captions_keywords_and_splits_are_read(layout):
    cases = read("roco", layout("roco"))
    assert cases.case_ids.tolist() == ["ROCO_00001", "ROCO_00002", "ROCO_00003"]
    assert cases.splits.tolist() == ["train", "validation", "test"]
    assert cases.texts[0] == "A film of train, with one line."
    assert cases.attributes["keywords"].tolist() == ["film|train", "film|validation", "film|test"]
    assert cases.patient_ids is None
    assert cases.label_names == ()


def test_the_data_folder_may_be_the_root(layout):
    assert len(read("roco", layout("roco") / "data")) == 3


@pytest.mark.parametrize(("subset", "n"), [("radiology", 3), ("non-radiology", 3), ("all", 6)])
def test_the_subset_is_chosen(layout, subset, n):
    assert len(read("roco", layout("roco"), subset=subset)) == n


def test_a_wrong_subset_gets_the_nearest(layout):
    with pytest.raises(ChoiceError, match="did you mean 'radiology'"):
        read("roco", layout("roco"), subset="radiolgy")


@pytest.mark.parametrize(
    "place",
    [
        "radiology{short}data.csv",
        "{side}/radiology{short}data.csv",
        "{side}/radiology/{short}data.csv",
    ],
)
def test_the_tables_of_pubmedclip_are_read(pubmedclip, place):
    cases = read("roco", pubmedclip(place))
    assert cases.case_ids.tolist() == ["ROCO_train", "ROCO_val", "ROCO_test"]
    assert cases.splits.tolist() == ["train", "validation", "test"]
    assert cases.texts[1] == "A validation caption"
    assert cases.images.name(2) == "test/radiology/images/PMCtest.png"


def test_an_image_may_be_called_by_its_id(pubmedclip):
    root = pubmedclip("radiology{short}data.csv")
    images = root / "train" / "radiology" / "images"
    (images / "PMCtrain.png").rename(images / "ROCO_train.jpg")
    assert read("roco", root).images.name(0) == "train/radiology/images/ROCO_train.jpg"


def test_a_missing_image_is_listed(layout):
    root = layout("roco")
    (root / "data" / "train" / "radiology" / "images" / "ROCO_00001.jpg").unlink()
    cases = read("roco", root)
    assert len(cases) == 2
    assert cases.skipped[0].name == "train/radiology/images/ROCO_00001.jpg"


def test_a_part_of_the_splits_is_enough(layout):
    import shutil

    root = layout("roco")
    shutil.rmtree(root / "data" / "train")
    assert read("roco", root).splits.tolist() == ["validation", "test"]


def test_a_caption_without_tab_is_an_error_with_its_line(layout):
    root = layout("roco")
    file = root / "data" / "train" / "radiology" / "captions.txt"
    file.write_text(file.read_text() + "\nROCO_00009 no tab\n")
    with pytest.raises(DataError, match=r"captions.txt, line 3: no tab"):
        read("roco", root)


def test_a_caption_may_hold_tabs_and_strange_line_ends(layout):
    root = layout("roco")
    file = root / "data" / "train" / "radiology" / "captions.txt"
    file.write_text("ROCO_00001\t one\ttwo\u2028three\x85\r\n", encoding="utf-8", newline="")
    assert read("roco", root).texts[0] == "one\ttwo\u2028three"


def test_captions_in_an_old_encoding_are_read(layout):
    root = layout("roco")
    file = root / "data" / "train" / "radiology" / "captions.txt"
    file.write_bytes("ROCO_00001\t œdème\n".encode("cp1252"))
    assert read("roco", root).texts[0] == "œdème"


def test_an_id_that_leads_out_of_the_root_is_refused(layout):
    root = layout("roco")
    (root / "data" / "train" / "radiology" / "captions.txt").write_text("../../../../../x\t x\n")
    with pytest.raises(DataError, match="leads out of the folder"):
        read("roco", root)


def test_an_id_that_occurs_twice_is_an_error(layout):
    root = layout("roco")
    file = root / "data" / "train" / "radiology" / "captions.txt"
    file.write_text(file.read_text() * 2)
    with pytest.raises(DataError, match="ROCO_00001.* occurs twice"):
        read("roco", root)


def test_a_table_without_caption_is_named(pubmedclip, table):
    root = pubmedclip("radiology{short}data.csv")
    table(root / "radiologytraindata.csv", ("id", "name"), ("a", "b"))
    with pytest.raises(DataError, match="radiologytraindata.csv has no column 'caption'"):
        read("roco", root)
