"""The audit shows what is in a set beside images and labels."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import ArrayImages, Box, Mask, Regions
from vesalius.data import inspect, read
from vesalius.reporting import Details, Figure, Notice, Table
from vesalius.studies.audit import audit_section, contact_sheet


@pytest.fixture
def cases():
    return read("phantom", n=4, image_size=64)


def tables(section):
    inner = [block for d in section.blocks if isinstance(d, Details) for block in d.blocks]
    return {
        str(getattr(block.columns[0], "name", block.columns[0])): [
            tuple(getattr(row, "cells", row)) for row in block.rows
        ]
        for block in [*section.blocks, *inner]
        if isinstance(block, Table)
    }


def test_masks_boxes_and_questions_have_tables(cases):
    found = inspect(cases)
    shown = tables(audit_section(cases, found))
    assert ("Heart", 4, 0) in shown["Mask of"]
    assert dict(shown["Box around"]) == found.boxes
    assert ("All", found.questions.total) in shown["Questions"]
    first = cases[0].questions[0]
    assert (cases.case_ids[0], first.question, first.answer, first.kind) in shown["Case"]


def test_a_set_without_them_has_none_of_the_tables(cases):
    bare = replace(cases, regions=None, questions=None)
    assert not {"Mask of", "Box around", "Questions"} & set(
        tables(audit_section(bare, inspect(bare)))
    )


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        (Regions([(Box("x", 8, 8, 30, 30),)] * 4), "Blue: the boxes."),
        (Regions([()] * 4, [{"x": Mask(np.eye(64, dtype=bool), "x")}] * 4), "Orange: the masks."),
    ],
)
def test_what_is_outlined_is_seen_and_said(cases, regions, words):
    bare = contact_sheet(replace(cases, regions=None))
    outlined = contact_sheet(replace(cases, regions=regions))
    assert isinstance(outlined, Figure)
    assert outlined.data != bare.data
    assert outlined.caption.endswith(words)
    assert bare.caption == "Every so many cases, one."


def test_a_broken_mask_does_not_stop_the_picture(tmp_path):
    from PIL import Image

    for name in ("a.png", "m.png"):
        Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(tmp_path / name)
    (tmp_path / "manifest.csv").write_text("image,mask\na.png,m.png\n")
    (tmp_path / "m.png").write_bytes(b"broken")
    broken = read("manifest", tmp_path)
    assert contact_sheet(broken).data == contact_sheet(replace(broken, regions=None)).data
    section = audit_section(broken, inspect(broken))
    [(name, reason)] = tables(section)["Image"]
    assert name == "a.png"
    assert "m.png is not a readable image" in reason


def notices(section):
    return " ".join(block.text for block in section.blocks if isinstance(block, Notice))


def test_copies_across_splits_are_warned_of(cases):
    pixels = np.repeat(np.arange(3, dtype=np.uint8), [2, 1, 1])[:, None, None] * np.ones((8, 8))
    images = ArrayImages(pixels.astype(np.uint8), list(cases.case_ids))
    leaky = replace(cases, images=images, regions=None)
    leaky = replace(leaky, splits=np.array(["train", "test", "train", "validation"]))
    assert "1 image occurs in more than one split" in notices(audit_section(leaky, inspect(leaky)))
    clean = replace(leaky, splits=np.array(["train", "train", "test", "validation"]))
    assert "occurs" not in notices(audit_section(clean, inspect(clean)))


def test_positives_are_counted_by_split_in_the_order_of_a_study(cases):
    parted = replace(cases, splits=np.array(["validation", "test", "train", "train"]))
    section = audit_section(parted, inspect(parted))
    [table] = [b for b in section.blocks if isinstance(b, Table) and b.columns[0] == "Label"]
    assert [c.name for c in table.columns[-3:]] == ["train", "validation", "test"]
    labels_NC = parted.labels_NC
    assert table.rows[0].cells[-3:] == (
        int((labels_NC[2:, 0] == 1).sum()),
        int(labels_NC[0, 0] == 1),
        int(labels_NC[1, 0] == 1),
    )


def test_cases_without_any_finding_are_counted(cases):
    bare = replace(cases, labels_NC=np.zeros_like(cases.labels_NC))
    shown = dict(tables(audit_section(bare, inspect(bare)))["What"])
    assert shown["Cases where every label is known to be absent"] == 4
