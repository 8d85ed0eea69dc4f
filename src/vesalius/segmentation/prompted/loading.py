"""Read a model of the SAM family from a folder; nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vesalius.core.errors import ModelError, unknown

if TYPE_CHECKING:
    from vesalius.segmentation.prompted.sam import Sam
    from vesalius.segmentation.prompted.sam3 import Sam3


@dataclass(frozen=True, slots=True)
class Kind:
    """What transformers calls a kind of model and its processor; ``texts``: prompted by words."""

    model: str
    processor: str
    texts: bool = False


KINDS = {
    "sam": Kind("SamModel", "SamProcessor"),
    "sam2": Kind("Sam2Model", "Sam2Processor"),
    "sam2_video": Kind("Sam2Model", "Sam2Processor"),
    "sam3": Kind("Sam3Model", "Sam3Processor", texts=True),
    "sam3_video": Kind("Sam3Model", "Sam3Processor", texts=True),
}
"""``model_type`` of config.json -> classes. MedSAM is a ``sam``; SAM 2 and 3 are published as video
models, of which the part for single images is read."""

PIXELS = ("preprocessor_config.json", "processor_config.json")
WORDS = ("tokenizer.json", "vocab.json")


def load_sam(
    name: str | Path, *, weights_dir: str | Path | None = None, device: str = "cpu"
) -> Sam | Sam3:
    """Return a SAM, MedSAM, SAM 2 (:class:`Sam`) or SAM 3 (:class:`Sam3`) from a local folder.

    Args:
        name: a folder, or a name as ``wanglab/medsam-vit-base``: a folder of that name, or of its
            last part, in ``weights_dir``.
        weights_dir: where folders are looked for; see :func:`vesalius.encoders.weights_folder`.
        device: ``cpu``, ``cuda``, ``cuda:1`` …

    Raises:
        ModelError: a file is missing (it is named, and where it belongs), cannot be read, or does
            not fit.
        ChoiceError: config.json is not of a SAM.
    """
    from vesalius.encoders.loading import weights_folder
    from vesalius.encoders.transformers_build import read_model
    from vesalius.encoders.transformers_folder import CONFIG, WEIGHTS, read_config

    path, root = Path(name).expanduser(), weights_folder(weights_dir)
    choices = (path, root / path, root / path.name)
    folder = next((choice for choice in choices if choice.is_dir()), choices[-1])
    _check_files(name, folder, (CONFIG,), WEIGHTS, PIXELS)
    config = read_config(folder)
    if config["model_type"] not in KINDS:
        raise unknown(f"model_type in {folder / CONFIG}", config["model_type"], KINDS)
    kind = KINDS[config["model_type"]]
    if kind.texts:
        _check_files(name, folder, WORDS)
    weights = next(folder / file for file in WEIGHTS if (folder / file).is_file())
    model = read_model(kind.model, folder, weights)
    return _ready(model, kind, folder, device)


def _check_files(name: str | Path, folder: Path, *wanted: tuple[str, ...]) -> None:
    """Raise ModelError naming all files that are missing; one of each tuple is enough."""
    missing = [files for files in wanted if not any((folder / file).is_file() for file in files)]
    if missing:
        named = "; ".join(" or ".join(files) for files in missing)
        raise ModelError(
            f"{name}: missing in {folder}: {named}. Put the files there as they are published in "
            "transformers' layout; nothing is downloaded by itself"
        )


def _ready(model: object, kind: Kind, folder: Path, device: str) -> Sam | Sam3:
    import transformers

    from vesalius.encoders.offline import offline, quiet
    from vesalius.segmentation.prompted.sam import Sam
    from vesalius.segmentation.prompted.sam3 import Sam3

    try:
        with offline(), quiet():
            found = getattr(transformers, kind.processor)
            processor = found.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # broken files raise what the library below them raises
        raise ModelError(
            f"the processor files in {folder} ({' or '.join(PIXELS)}) cannot be read: {error}"
        ) from error
    try:
        moved = model.to(device).eval()  # type: ignore[attr-defined]
    except RuntimeError as error:
        raise ModelError(f"cannot put {folder.name} on device {device!r}: {error}") from error
    return (Sam3 if kind.texts else Sam)(moved, processor, name=folder.name)
