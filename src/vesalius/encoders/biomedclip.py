"""``biomedclip``: BiomedCLIP from a folder (Zhang et al. 2023, arXiv 2303.00915)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vesalius.core import ModelError
from vesalius.encoders.openclip import load_folder

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder

REPOSITORY = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
FOLDERS = ("biomedclip", REPOSITORY.rpartition("/")[2])
FILES = (
    "open_clip_config.json",
    "open_clip_pytorch_model.bin",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def load(
    argument: str,
    *,
    weights_dir: Path,
    texts: Sequence[str] | None,
    image_size: int | None,
    seed: int,
) -> DualEncoder:
    """Return BiomedCLIP; raises ModelError naming the files that are missing and their place."""
    if argument:
        raise ModelError(f"'biomedclip' takes nothing after a colon, not {argument!r}")
    places = [weights_dir / folder for folder in FOLDERS]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise ModelError(
            f"biomedclip is not here: put {', '.join(FILES)} of {REPOSITORY} into {places[0]} "
            "(or set VESALIUS_WEIGHTS to the folder above); nothing is downloaded by itself"
        )
    return load_folder(folder, name="biomedclip", image_size=image_size)
