import numpy as np
import pytest

from vesalius.core import ArrayImages, Box, CaseSet, ImageError, Mask, Regions
from vesalius.studies.outlines import outlines


def mask(name, *, empty=False):
    return Mask(np.full((4, 4), not empty), name)


def case(masks, boxes=()):
    return CaseSet(
        case_ids=np.array(["a"]),
        images=ArrayImages(np.zeros((1, 4, 4), np.uint8), ["a"]),
        labels_NC=np.zeros((1, 2)),
        label_names=("Nodule", "Edema"),
        regions=Regions([boxes], [{own.target: own for own in masks}]),
    )[0]


def drawn(masks, boxes=()):
    shown, framed = outlines(case(masks, boxes))
    return [own.target for own in shown], [box.label for box in framed]


def test_masks_of_findings_are_drawn_without_the_anatomy():
    assert drawn([mask("Heart"), mask("Nodule")])[0] == ["Nodule"]


def test_anatomy_is_drawn_where_there_is_nothing_else():
    assert drawn([mask("Heart"), mask("Lungs")])[0] == ["Heart", "Lungs"]


def test_an_empty_mask_is_not_drawn():
    assert drawn([mask("Heart"), mask("Nodule", empty=True)])[0] == ["Heart"]


def test_a_box_is_drawn_where_no_mask_says_it_better():
    boxes = (Box("Nodule", 0, 0, 4, 4), Box("Edema", 1, 1, 2, 2))
    assert drawn([mask("Nodule")], boxes) == (["Nodule"], ["Edema"])
    assert drawn([], boxes) == ([], ["Nodule", "Edema"])


@pytest.mark.parametrize("broken", ["masks", "boxes"])
def test_what_cannot_be_read_is_not_drawn(broken):
    class Broken(list):
        def __getitem__(self, index):
            raise ImageError("m.png is broken")

        def __iter__(self):
            raise ImageError("m.png is broken")

        def keys(self):
            return ["Nodule"]

    from dataclasses import replace

    assert outlines(replace(case([mask("Nodule")]), **{broken: Broken([1])})) == ((), ())
