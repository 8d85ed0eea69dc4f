"""SAM 3: words on an image to masks, with no heatmap between.

Legend of shapes: K texts, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vesalius.core.errors import DataError
from vesalius.segmentation.checked import checked_image
from vesalius.segmentation.prompted.cache import LastImages
from vesalius.segmentation.prompted.sam import HELD, colour

if TYPE_CHECKING:
    from jaxtyping import Bool, UInt8


class Sam3:
    """A model of transformers' SAM 3, and its processor.

    An image goes through the image tower once: its embedding is kept for the texts that follow
    (of the last 8 images).
    """

    def __init__(self, model: Any, processor: Any, *, name: str) -> None:
        self.model, self.processor, self.name = model, processor, name
        self._held = LastImages(HELD)

    @torch.inference_mode()
    def masks(
        self, image: UInt8[np.ndarray, "H W ..."], texts: Sequence[str], *, threshold: float = 0.3
    ) -> Bool[np.ndarray, "K H W"]:
        """Return a mask, in the original image's pixels, for each text: all its instances together.

        An instance counts where its score, times that of the text being there at all, is above
        ``threshold``; where none is, the mask is empty.

        Raises:
            DataError: an image of another kind, or a text longer than the model reads.
        """
        size = checked_image(image).shape[:2]
        masks_KHW = np.zeros((len(texts), *size), bool)
        for mask_HW, text in zip(masks_KHW, texts, strict=True):
            words = self._words(text)
            vision = self._held.of(image, lambda: self._embed(image))
            said = self.model(vision_embeds=vision, **words)
            found = self.processor.post_process_instance_segmentation(
                said, threshold=threshold, target_sizes=[size]
            )[0]["masks"]
            if len(found):
                mask_HW[:] = found.bool().any(0).cpu().numpy()
        return masks_KHW

    def _embed(self, image: UInt8[np.ndarray, "H W ..."]) -> Any:
        inputs = self.processor(images=colour(image), return_tensors="pt")
        return self.model.get_vision_features(inputs["pixel_values"].to(self.model.device))

    def _words(self, text: str) -> dict[str, Any]:
        most = self.model.config.text_config.max_position_embeddings
        needed = len(self.processor.tokenizer(text)["input_ids"])
        if needed > most:
            raise DataError(f"{text[:40]!r} … has {needed} tokens; {self.name} reads {most}")
        words = self.processor.tokenizer(
            text, return_tensors="pt", padding="max_length", max_length=most
        )
        return {name: words[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
