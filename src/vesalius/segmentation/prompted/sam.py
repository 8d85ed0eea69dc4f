"""SAM, MedSAM, SAM 2: boxes and points on an image to masks.

Legend of shapes: K objects, M masks offered for each, h w the model's own pixels, H W the image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from vesalius.segmentation.checked import checked_image
from vesalius.segmentation.prompted.cache import LastImages
from vesalius.segmentation.prompted.prompts import paired

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8
    from torch import Tensor

    from vesalius.core import Box

HELD = 8  # images
PROMPTS = 64  # decoded at a time


class Embedded(NamedTuple):
    """An image as the decoder wants it, its size, and its size without the padding."""

    features: Any
    original: tuple[int, int]
    resized: tuple[int, int]


class Sam:
    """A model of transformers' SAM or SAM 2, and its processor.

    An image goes through the image tower once: its embedding is kept for the prompts that follow
    (of the last 8 images). Prompts are decoded together.
    """

    def __init__(self, model: Any, processor: Any, *, name: str) -> None:
        self.model, self.processor, self.name = model, processor, name
        self._held = LastImages(HELD)

    @torch.inference_mode()
    def masks(
        self,
        image: UInt8[np.ndarray, "H W ..."],
        boxes: Sequence[Box] = (),
        points_K2: Any = None,
    ) -> Bool[np.ndarray, "K H W"]:
        """Return a mask, in the original image's pixels, for each box, point, or pair of both.

        A box says what is meant: one mask is asked for, as MedSAM does. A point alone may mean a
        part or the whole: of three masks that with the greatest predicted IoU is taken.

        Raises:
            DataError: an image of another kind, a prompt outside it, not one point a box.
        """
        height, width = checked_image(image).shape[:2]
        corners_K4, places_K2 = paired(boxes, points_K2, height, width)
        given = corners_K4 if corners_K4 is not None else places_K2
        if given is None:
            return np.zeros((0, height, width), bool)
        embedded: Embedded = self._held.of(image, lambda: self._embed(image))
        parts = []
        for start in range(0, len(given), PROMPTS):
            some = slice(start, start + PROMPTS)
            parts.append(
                self._decode(
                    embedded,
                    None if corners_K4 is None else corners_K4[some],
                    None if places_K2 is None else places_K2[some],
                )
            )
        return np.concatenate(parts)

    def _embed(self, image: UInt8[np.ndarray, "H W ..."]) -> Embedded:
        inputs = self.processor(images=colour(image), return_tensors="pt")
        pixels = inputs["pixel_values"].to(self.model.device)
        resized = inputs.get("reshaped_input_sizes")  # SAM pads what SAM 2 stretches
        size = pixels.shape[-2:] if resized is None else resized[0].tolist()
        features = self.model.get_image_embeddings(pixels)
        return Embedded(features, (image.shape[0], image.shape[1]), (int(size[0]), int(size[1])))

    def _decode(
        self,
        embedded: Embedded,
        corners_K4: Float[np.ndarray, "K 4"] | None,
        places_K2: Float[np.ndarray, "K 2"] | None,
    ) -> Bool[np.ndarray, "K H W"]:
        inputs: dict[str, Tensor] = {}
        if corners_K4 is not None:
            inputs["input_boxes"] = self._scaled(corners_K4, embedded)[None]
        if places_K2 is not None:
            inputs["input_points"] = self._scaled(places_K2, embedded)[None, :, None]
        said = self.model(
            image_embeddings=embedded.features, multimask_output=corners_K4 is None, **inputs
        )
        low_KMhw, iou_KM = said.pred_masks[0], said.iou_scores[0]
        best_K = iou_KM.argmax(1)
        low_K1hw = low_KMhw[torch.arange(len(best_K)), best_K][:, None]
        sizes = {"original_sizes": [embedded.original]}
        if hasattr(self.processor.image_processor, "pad_size"):
            sizes["reshaped_input_sizes"] = [embedded.resized]
        masks_K1HW = self.processor.post_process_masks([low_K1hw], **sizes)[0]
        return np.asarray(masks_K1HW[:, 0].cpu().numpy(), dtype=bool)

    def _scaled(self, places: np.ndarray, embedded: Embedded) -> Tensor:
        """Return (x, y), (x, y) … of the original image in the pixels that the model sees."""
        (height, width), (rows, columns) = embedded.original, embedded.resized
        scale = np.tile([columns / width, rows / height], places.shape[1] // 2)
        return torch.from_numpy(places * scale).to(self.model.device, torch.float32)


def colour(image: UInt8[np.ndarray, "H W ..."]) -> UInt8[np.ndarray, "H W 3"]:
    """Return an image of three channels; a grey is three equal ones."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
