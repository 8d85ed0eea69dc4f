import pytest

from vesalius.core import Box, DataError
from vesalius.data import read
from vesalius.data.tables.vocabulary import NIH

TABLE = "Data_Entry_2017_v2020.csv"


def present(case):
    return [name for name, state in case.labels.items() if state]


def test_findings_patients_and_attributes_are_read_by_name(layout):
    cases = read("nih_cxr14", layout("nih_cxr14"))
    assert cases.label_names == NIH
    assert [present(case) for case in cases] == [["Cardiomegaly", "Effusion"], [], ["Infiltration"]]
    assert cases.patient_ids.tolist() == ["1", "1", "2"]
    assert cases.attributes["age"].tolist() == [58.0, 58.0, 81.0]
    assert cases.attributes["sex"].tolist() == ["M", "M", "F"]
    assert cases.attributes["view"].tolist() == ["PA", "PA", "AP"]
    assert cases.splits is None


def test_no_finding_is_a_label_when_asked_for(layout):
    cases = read("nih_cxr14", layout("nih_cxr14"), no_finding=True)
    assert cases.label_names == (*NIH, "No Finding")
    assert present(cases[1]) == ["No Finding"]


def test_boxes_come_in_pixels_of_the_image_at_hand(layout):
    cases = read("nih_cxr14", layout("nih_cxr14"))
    assert cases[0].boxes == (Box("Cardiomegaly", 128.0, 128.0, 64.0, 16.125),)
    assert cases[1].boxes == ()
    assert cases[2].boxes == (Box("Infiltration", 0.0, 0.0, 512.0, 256.0),)


def test_without_the_list_of_boxes_there_are_no_regions(layout):
    root = layout("nih_cxr14")
    (root / "BBox_List_2017.csv").unlink()
    assert read("nih_cxr14", root).regions is None


def test_a_box_on_a_broken_image_is_left_out_and_listed(layout):
    root = layout("nih_cxr14")
    (root / "images" / "00000002_000.png").write_bytes(b"broken")
    cases = read("nih_cxr14", root)
    assert len(cases) == 3
    assert cases[2].boxes == ()
    assert cases.skipped[0].name == "BBox_List_2017.csv: 00000002_000.png"
    assert "box left out" in cases.skipped[0].reason


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",256,512,128.0,64.5", ",256,512,wide,64.5", "line 2: a box is four numbers"),
        (",256,512,128.0,64.5", ",256,512,nan,64.5", "line 2: a box is four numbers"),
        ("Infiltrate", "Infiltrates", "line 3: unknown finding 'Infiltrates'"),
        ("Bbox [x", "x", r"no column 'Bbox \[x'"),
    ],
)
def test_a_broken_box_is_an_error_with_its_line(layout, old, new, message):
    root = layout("nih_cxr14")
    boxes = root / "BBox_List_2017.csv"
    boxes.write_text(boxes.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read("nih_cxr14", root)


def test_images_may_lie_in_the_folders_of_the_download(layout):
    root = layout("nih_cxr14")
    for number, image in enumerate(sorted((root / "images").iterdir()), 1):
        own = root / f"images_{number:03}" / "images"
        own.mkdir(parents=True)
        image.rename(own / image.name)
    (root / "images").rmdir()
    cases = read("nih_cxr14", root)
    assert len(cases) == 3
    assert cases.images.name(1) == "images_002/images/00000001_001.png"


def test_a_part_of_the_download_is_read_and_the_rest_listed(layout):
    root = layout("nih_cxr14")
    (root / "images" / "00000001_000.png").unlink()
    cases = read("nih_cxr14", root)
    assert len(cases) == 2
    assert [s.name for s in cases.skipped] == ["images/00000001_000.png"]
    assert cases[1].boxes[0].label == "Infiltration"


def test_the_first_release_is_read_too(layout):
    root = layout("nih_cxr14")
    lines = (root / TABLE).read_text().replace(",58,", ",058Y,").splitlines()
    (root / TABLE).unlink()
    (root / "Data_Entry_2017.csv").write_text("".join(f"{line},\n" for line in lines))
    assert read("nih_cxr14", root).attributes["age"].tolist() == [58.0, 58.0, 81.0]


def test_the_lists_give_the_splits(layout):
    root = layout("nih_cxr14")
    (root / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n")
    (root / "test_list.txt").write_text("00000002_000.png\r\n")
    assert read("nih_cxr14", root).splits.tolist() == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("00000001_000.png", None, "but no test_list.txt"),
        ("00000001_000.png", "00000002_000.png", "'00000001_001.png' is in neither"),
        ("00000001_000.png", "00000001_000.png", "is in both"),
    ],
)
def test_lists_that_do_not_fit_are_errors(layout, train, test, message):
    root = layout("nih_cxr14")
    (root / "train_val_list.txt").write_text(train)
    if test is not None:
        (root / "test_list.txt").write_text(test)
    with pytest.raises(DataError, match=message):
        read("nih_cxr14", root)


@pytest.mark.parametrize("column", ["Image Index", "Finding Labels", "Patient ID"])
def test_a_missing_column_is_named(layout, column):
    root = layout("nih_cxr14")
    (root / TABLE).write_text((root / TABLE).read_text().replace(column, "x"))
    with pytest.raises(DataError, match=f"{TABLE} has no column '{column}'"):
        read("nih_cxr14", root)


@pytest.mark.parametrize("finding", ["Effusions", "", "effusion"])
def test_an_unknown_finding_is_named_with_its_line(layout, finding):
    root = layout("nih_cxr14")
    (root / TABLE).write_text((root / TABLE).read_text().replace("|Effusion", f"|{finding}"))
    with pytest.raises(DataError, match=f"line 2: unknown finding '{finding}'; choose one of"):
        read("nih_cxr14", root)


def test_an_image_outside_the_root_is_refused(layout):
    root = layout("nih_cxr14")
    text = (root / TABLE).read_text().replace("00000002_000.png", "../../../secret.png")
    (root / TABLE).write_text(text)
    with pytest.raises(DataError, match="leads out of the folder"):
        read("nih_cxr14", root)


def test_an_image_named_twice_is_an_error(layout):
    root = layout("nih_cxr14")
    text = (root / TABLE).read_text().replace("00000001_001.png", "00000001_000.png")
    (root / TABLE).write_text(text)
    with pytest.raises(DataError, match="00000001_000.png.* occurs twice"):
        read("nih_cxr14", root)


def test_the_real_films_have_their_known_counts(real_data):
    cases = read("nih_cxr14", real_data("nih_cxr14"))
    assert len(cases) == 400
    assert len(set(cases.patient_ids)) == 274
    assert cases.skipped == ()
    positive = dict(zip(cases.label_names, cases.labels_NC.sum(0), strict=True))
    assert positive["Pneumonia"] == 194
    assert positive["Hernia"] == 0
    assert (cases.labels_NC.sum(1) == 0).sum() == 206
    boxes = [(case, box) for case in cases for box in case.boxes]
    assert len(boxes) == 27
    for case, box in boxes:
        height, width = case.image.read().shape[:2]
        assert min(box.x, box.y) >= 0
        assert box.x + box.width <= width + 0.5
        assert box.y + box.height <= height + 0.5
