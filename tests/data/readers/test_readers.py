"""Every reader keeps the same contract; a newcomer is covered by its line in READERS."""

import inspect
import pickle
import typing

import numpy as np
import pytest

from vesalius.core import CaseSet, ChoiceError, DataError
from vesalius.data import READERS, read, reader_function, settings_of

WITH_FOLDER = sorted(set(READERS) - {"phantom"})
FEW = {"phantom": {"n": 6, "image_size": 64}}


@pytest.fixture(params=sorted(READERS))
def cases_of_reader(request, layout):
    return read(request.param, layout(request.param), **FEW.get(request.param, {}))


@pytest.mark.parametrize("reader", sorted(READERS))
def test_a_reader_says_what_it_reads_and_its_settings_are_keywords_with_defaults(reader):
    function = reader_function(reader)
    assert len(inspect.getdoc(function) or "") > 100
    parameters = list(inspect.signature(function).parameters.values())
    data = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    assert [p.name for p in data] in (["root"], [])
    assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)
    hints = typing.get_type_hints(function)
    assert {p.name for p in parameters} <= hints.keys()
    assert hints["return"] is CaseSet


@pytest.mark.parametrize("reader", WITH_FOLDER)
def test_every_setting_is_explained_in_the_docstring(reader):
    text = inspect.getdoc(reader_function(reader)) or ""
    assert all(f"{name}:" in text for name in settings_of(reader))


def test_a_reader_gives_cases_that_open(cases_of_reader):
    cases = cases_of_reader
    assert len(cases) > 0
    assert cases.source
    assert set(np.unique(cases.labels_NC[~np.isnan(cases.labels_NC)])) <= {0.0, 1.0}
    if cases.splits is not None:
        assert set(cases.splits.tolist()) <= {"train", "validation", "test"}
    for case in cases:
        pixels = case.image.read()
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2 or pixels.shape[2:] == (3,)
        assert pixels.flags.writeable
        assert case.text is None or case.text.strip()


def test_images_keep_their_place_through_take_and_pickle(cases_of_reader):
    images = cases_of_reader.images
    last = len(images) - 1
    taken = images.take(np.array([last, 0]))
    copied = pickle.loads(pickle.dumps(taken))
    assert len(copied) == 2
    for place, index in enumerate((last, 0)):
        assert copied.name(place) == images.name(index)
        assert copied.content_hash(place) == images.content_hash(index)
        np.testing.assert_array_equal(copied[place], images[index])


def test_regions_and_questions_keep_their_place_through_take_and_pickle(cases_of_reader):
    cases = cases_of_reader
    last = len(cases) - 1
    taken = pickle.loads(pickle.dumps(cases.select([last, 0])))
    for place, index in enumerate((last, 0)):
        assert taken[place].questions == cases[index].questions
        assert tuple(taken[place].boxes) == tuple(cases[index].boxes)
        assert list(taken[place].masks) == list(cases[index].masks)


def test_boxes_and_masks_lie_on_their_image(cases_of_reader):
    for case in cases_of_reader:
        height, width = case.image.read().shape[:2]
        for target, mask in case.masks.items():
            assert mask.target == target
            assert mask.values_HW.dtype == bool
            assert mask.values_HW.shape == (height, width)
        for box in case.boxes:
            assert 0 <= box.x <= box.x + box.width <= width
            assert 0 <= box.y <= box.y + box.height <= height


def test_questions_are_open_or_closed_and_answered(cases_of_reader):
    for case in cases_of_reader:
        for question in case.questions:
            assert question.kind in ("open", "closed")
            assert question.question.strip() == question.question != ""
            assert question.answer.strip() == question.answer != ""


@pytest.mark.parametrize("reader", WITH_FOLDER)
def test_a_folder_that_is_not_there_is_named(reader, tmp_path):
    with pytest.raises(DataError, match="no folder .*elsewhere"):
        read(reader, tmp_path / "elsewhere")


@pytest.mark.parametrize("reader", WITH_FOLDER)
def test_a_folder_is_needed(reader):
    with pytest.raises(DataError, match="needs the folder"):
        read(reader)


@pytest.mark.parametrize("reader", WITH_FOLDER)
def test_an_empty_folder_says_what_is_missing(reader, tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        read(reader, tmp_path)


@pytest.mark.parametrize("reader", WITH_FOLDER)
def test_a_file_instead_of_a_folder_is_an_error_of_ours(reader, tmp_path):
    (tmp_path / "notes.txt").write_text("hello\nworld")
    with pytest.raises(DataError, match="notes.txt"):
        read(reader, tmp_path / "notes.txt")


def test_an_unknown_reader_gets_the_nearest_right_name():
    with pytest.raises(
        ChoiceError, match="did you mean 'iu_xray'.*choose one of .*folder, .*iu_xray"
    ):
        read("iu-xray", ".")


def test_an_unknown_setting_gets_the_nearest_right_name(tmp_path):
    with pytest.raises(ChoiceError, match="'patient'; did you mean 'patient_id'"):
        read("manifest", tmp_path, patient="id")


def test_the_phantom_takes_no_folder(tmp_path):
    with pytest.raises(DataError, match="takes no folder"):
        read("phantom", tmp_path)
