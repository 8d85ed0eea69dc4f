"""COCO JSON."""

import json

import pytest

from vesalius.core import Box, DataError
from vesalius.data import read


def test_categories_are_labels_and_boxes_come_in_pixels_of_the_image_at_hand(layout):
    cases = read("coco", layout("coco"))
    assert cases.label_names == ("Mass", "Nodule")
    assert cases.labels_NC.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert cases[0].boxes == (Box("Mass", 4, 2, 10, 5), Box("Nodule", 0, 0, 40, 20))
    assert cases[1].boxes == ()
    assert cases[2].boxes == (Box("Mass", 35, 15, 5, 5),)  # half a pixel beyond is cut off
    assert cases.patient_ids is None


def test_a_pattern_names_the_patients(layout):
    cases = read("coco", layout("coco"), patient_id="(p[0-9]+)_")
    assert cases.patient_ids.tolist() == ["p1", "p1", "p2"]


def test_the_file_is_found_or_named_and_images_lie_where_they_lie(layout):
    root = layout("coco")
    (root / "annotations" / "instances.json").rename(root / "boxes.json")
    for picture in (root / "images").iterdir():
        picture.rename(root / picture.name)
    assert len(read("coco", root)) == len(read("coco", root / "boxes.json")) == 3
    (root / "other.json").write_text("{}")
    with pytest.raises(DataError, match=r"boxes.json, other.json; say which .* file=…"):
        read("coco", root)
    assert len(read("coco", root, file="boxes.json", images=".")) == 3


def test_boxes_that_cannot_be_right_are_left_out_and_listed(layout):
    annotations = [
        {"image_id": 10, "category_id": 7, "bbox": [8, 4, 0, 10]},
        {"image_id": 10, "category_id": 7, "bbox": [70, 4, 20, 10]},
        {"image_id": 10, "category_id": 7, "bbox": [1, 1, 2, 2]},
    ]
    cases = read("coco", layout("coco", annotations=annotations))
    assert len(cases[0].boxes) == 1
    reasons = [row.reason for row in cases.skipped]
    assert "0 wide" in reasons[0]
    assert "leaves its image of 80×40 pixels" in reasons[1]
    assert cases.skipped[1].name == "instances.json, annotations entry 2"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"categories": None}, "needs the lists"),
        ({"images": []}, "names no images"),
        ({"images": [{"id": 1}]}, "images entry 1: it has no 'file_name'"),
        ({"annotations": [{"image_id": 99, "category_id": 7, "bbox": []}]}, "image_id 99"),
        ({"annotations": [{"image_id": 10, "category_id": 9, "bbox": []}]}, "category_id 9"),
        ({"annotations": [{"image_id": 10, "category_id": 7, "bbox": [1, 2]}]}, "four numbers"),
        ({"annotations": [{"image_id": 10, "category_id": 7}]}, "has no 'bbox'"),
    ],
)
def test_an_entry_that_is_wrong_is_named(layout, changed, message):
    with pytest.raises(DataError, match=message):
        read("coco", layout("coco", **changed))


def test_a_name_too_long_for_a_file_is_a_missing_image(layout):
    root = layout("coco")
    path = root / "annotations" / "instances.json"
    path.write_text(path.read_text().replace("p1_a.png", "a" * 5000))
    cases = read("coco", root)
    assert len(cases) == 2
    assert len(cases.skipped) == 1


def test_a_path_out_of_the_folder_is_refused(layout):
    root = layout("coco")
    path = root / "annotations" / "instances.json"
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "../../secret.png"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="secret"):
        read("coco", root)
