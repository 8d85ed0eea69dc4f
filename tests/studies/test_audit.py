"""The audit shows what is in a set beside images and labels."""

from dataclasses import replace

import numpy as np
import pytest

from vesalius.core import Box, Mask, Regions
from vesalius.data import inspect, read
from vesalius.reporting import Details, Figure, Table
from vesalius.studies.audit import audit_section, contact_sheet


@pytest.fixture
def cases():
    return read("phantom", n=4, image_size=64)


def tables(section):
    inner = [block for d in section.blocks if isinstance(d, Details) for block in d.blocks]
    return {
        str(getattr(block.columns[0], "name", block.columns[0])): [tuple(row) for row in block.rows]
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
