"""The SAM family against transformers' own processors and models, on random weights."""

import numpy as np
import pytest

from vesalius.core import Box, DataError
from vesalius.segmentation import load_sam

IMAGE = np.random.default_rng(3).integers(0, 256, (50, 80, 3)).astype(np.uint8)
BOXES = [Box("mass", 10, 8, 30, 20), Box("mass", 2, 3, 70, 40), Box("mass", 40, 20, 8, 25)]
POINTS = [[15.0, 12.0], [60.0, 30.0], [44.0, 25.0]]
BY_PLACES = ("sam", "sam2", "sam2_video")


def peers(folder, kind):
    import transformers as t

    names = {"sam": "Sam", "sam3": "Sam3"}
    model = getattr(t, f"{names.get(kind, 'Sam2')}Model").from_pretrained(folder)
    return model.eval(), getattr(t, f"{names.get(kind, 'Sam2')}Processor").from_pretrained(folder)


def peer_mask(model, processor, image, box=None, point=None):
    """One prompt, the whole way, by transformers."""
    import torch

    prompts = {}
    if box is not None:
        corners = [box.x, box.y, box.x + box.width - 1, box.y + box.height - 1]
        prompts["input_boxes"] = [[corners]]
    if point is not None:
        prompts["input_points"] = [[[point]]]
        prompts["input_labels"] = [[[1]]]
    inputs = processor(images=image, return_tensors="pt", **prompts)
    sizes = [inputs.pop("original_sizes")]
    if "reshaped_input_sizes" in inputs:
        sizes.append(inputs.pop("reshaped_input_sizes"))
    for name in ("input_boxes", "input_points"):
        if name in inputs:
            inputs[name] = inputs[name].float()
    with torch.no_grad():
        said = model(**inputs, multimask_output=box is None)
    masks = processor.post_process_masks(said.pred_masks, *sizes)[0][0]
    return masks[int(said.iou_scores[0, 0].argmax())].numpy()


@pytest.mark.parametrize("kind", BY_PLACES)
@pytest.mark.parametrize("given", ["boxes", "points", "both"])
def test_masks_are_those_of_transformers_one_prompt_at_a_time(sams, kind, given):
    model, processor = peers(sams[kind], kind)
    boxes = BOXES if given != "points" else []
    points = POINTS if given != "boxes" else None
    ours = load_sam(sams[kind]).masks(IMAGE, boxes, points)
    for k in range(3):
        theirs = peer_mask(
            model, processor, IMAGE, boxes[k] if boxes else None, points and points[k]
        )
        assert ours[k].shape == IMAGE.shape[:2] == theirs.shape
        assert (ours[k] == theirs).mean() > 0.999
    assert 0 < ours.mean() < 1


@pytest.mark.parametrize("kind", BY_PLACES)
def test_different_prompts_have_different_masks(sams, kind):
    masks_KHW = load_sam(sams[kind]).masks(IMAGE, BOXES)
    assert (masks_KHW[0] != masks_KHW[1]).any()


@pytest.mark.parametrize("kind", BY_PLACES)
def test_an_image_goes_through_the_tower_once(sams, kind, monkeypatch):
    sam = load_sam(sams[kind])
    calls = []
    tower = sam.model.get_image_embeddings
    monkeypatch.setattr(
        sam.model, "get_image_embeddings", lambda pixels: calls.append(1) or tower(pixels)
    )
    first = sam.masks(IMAGE, BOXES)
    np.testing.assert_array_equal(sam.masks(IMAGE.copy(), BOXES), first)
    assert len(calls) == 1
    sam.masks(255 - IMAGE, BOXES)
    assert len(calls) == 2


def test_prompts_decoded_in_parts_are_those_decoded_together(sams, monkeypatch):
    together = load_sam(sams["sam"]).masks(IMAGE, BOXES, POINTS)
    monkeypatch.setattr("vesalius.segmentation.prompted.sam.PROMPTS", 2)
    np.testing.assert_array_equal(load_sam(sams["sam"]).masks(IMAGE, BOXES, POINTS), together)


def test_a_grey_image_is_three_equal_channels(sams):
    sam, grey = load_sam(sams["sam"]), IMAGE[..., 0]
    np.testing.assert_array_equal(
        sam.masks(grey, BOXES), sam.masks(np.repeat(grey[..., None], 3, axis=2), BOXES)
    )


@pytest.mark.parametrize("kind", ["sam", "sam2"])
def test_no_prompt_no_mask(sams, kind):
    sam = load_sam(sams[kind])
    assert sam.masks(IMAGE).shape == (0, 50, 80)
    assert sam.masks(IMAGE, [], np.zeros((0, 2))).shape == (0, 50, 80)


@pytest.mark.parametrize(
    ("boxes", "points", "says"),
    [
        ([Box("mass", 90, 2, 5, 5)], None, "no pixel on an image of 50 × 80"),
        ([Box("mass", 9, 2, 0, 5)], None, "no pixel"),
        ([], [[3.0, 50.0]], "x 3, y 50 is not on an image"),
        ([], [3.0, 5.0], "K × 2"),
        (BOXES, POINTS[:1], "3 boxes have 1 points"),
        (BOXES, np.zeros((0, 2)), "3 boxes have 0 points"),
    ],
)
def test_prompts_that_do_not_fit_are_told(sams, boxes, points, says):
    with pytest.raises(DataError, match=says):
        load_sam(sams["sam"]).masks(IMAGE, boxes, points)


def test_an_image_of_16_bits_is_told(sams):
    with pytest.raises(DataError, match="uint16"):
        load_sam(sams["sam"]).masks(IMAGE.astype(np.uint16), BOXES)


def test_sam3s_masks_of_words_are_those_of_transformers(sams):
    import torch

    sam3, (model, processor) = load_sam(sams["sam3"]), peers(sams["sam3"], "sam3")
    texts = ["abc", "lie"]
    with torch.no_grad():
        expected = []
        for text in texts:
            said = model(**processor(images=IMAGE, text=text, return_tensors="pt"))
            found = processor.post_process_instance_segmentation(
                said, threshold=0.2, target_sizes=[(50, 80)]
            )[0]["masks"]
            expected.append(found.bool().any(0).numpy())
    ours_KHW = sam3.masks(IMAGE, texts, threshold=0.2)
    assert (ours_KHW == np.stack(expected)).mean() > 0.999
    assert 0 < ours_KHW.mean() < 1


def test_a_text_that_sam3_finds_nowhere_has_an_empty_mask(sams):
    assert not load_sam(sams["sam3"]).masks(IMAGE, ["abc"], threshold=1.0).any()


def test_a_text_longer_than_sam3_reads_is_told(sams):
    with pytest.raises(DataError, match=r"tokens; sam3 reads 32"):
        load_sam(sams["sam3"]).masks(IMAGE, ["abc " * 20])
