"""Export: a model as a folder that others can read, or that is ready for a model hub.

The folder appears whole or not at all: it is written beside its place and moved there.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import torch

from vesalius.core import ModelError, VesaliusError, unknown
from vesalius.core.files import write_atomic, write_json
from vesalius.encoders.model_card import Origin, readme
from vesalius.encoders.operations import Crop, Normalise, Resize
from vesalius.encoders.preprocessing import RESIZES, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

    from vesalius.encoders.dual_encoder import DualEncoder

README = "README.md"
NOTHING = Origin()


def to_hub(model: DualEncoder, folder: Path) -> str:
    """Write the own layout (model.safetensors, config.json, tokenizer.json)."""
    model.save(folder)
    return 'from vesalius import encoders\n\nmodel = encoders.load("path/of/this/folder")'


def to_open_clip(model: DualEncoder, folder: Path) -> str:
    """Write open_clip's ``local-dir`` layout; ModelError where open_clip has no such model."""
    from safetensors.torch import save as to_bytes

    if model.family != "open_clip":
        raise ModelError(
            f"{model.name} is of the family {model.family!r}, which open_clip cannot build; it can "
            "be exported to: hub"
        )
    described = {"model_cfg": _model_cfg(model), "preprocess_cfg": _preprocess_cfg(model)}
    write_json(folder / "open_clip_config.json", described)
    write_atomic(folder / "open_clip_model.safetensors", to_bytes(_tensors(model)))
    if model.tokenizer.json is not None:
        _write_words(model, folder)
    if model.config.get("text_config") is not None:
        write_json(folder / "text_config.json", model.config["text_config"])
    return (
        "import open_clip\n\nmodel, _, preprocess = "
        'open_clip.create_model_and_transforms("local-dir:path/of/this/folder")\n'
        'tokenizer = open_clip.get_tokenizer("local-dir:path/of/this/folder")'
    )


LAYOUTS: dict[str, Callable[[DualEncoder, Path], str]] = {"hub": to_hub, "open_clip": to_open_clip}
"""Name -> what writes the files and returns the Python that loads them."""


def export(
    model: DualEncoder, folder: str | Path, *, to: str = "hub", origin: Origin = NOTHING
) -> Path:
    """Write a model and its card (README.md) into a new folder.

    Raises:
        ChoiceError: there is no such layout.
        ModelError: the layout cannot express the model, or something lies in the folder.
        VesaliusError: the folder cannot be written.
    """
    if to not in LAYOUTS:
        raise unknown("layout", to, LAYOUTS)
    place = Path(folder).expanduser()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ModelError(f"{place} is not empty; choose a new folder")
    aside = place.absolute().with_name(f".{place.name}.{token_hex(8)}")
    try:
        how = LAYOUTS[to](model, aside)
        write_atomic(aside / README, readme(model, origin, how=how))
        aside.replace(place)
    except OSError as error:
        raise VesaliusError(f"cannot write {place}: {error.strerror or error}") from error
    finally:
        rmtree(aside, ignore_errors=True)
    return place


def _model_cfg(model: DualEncoder) -> dict[str, Any]:
    """Return open_clip's config; towers are named apart, and a bias stands where there is one."""
    cfg: dict[str, Any] = deepcopy(model.config["model_cfg"])
    cfg.pop("init_logit_bias", None)
    if model.logit_bias is not None:
        cfg["init_logit_bias"] = float(model.logit_bias.detach())
    return {**cfg, "custom_text": True}


def _tensors(model: DualEncoder) -> dict[str, Tensor]:
    """Return the weights by open_clip's names: its towers lie one level further in here."""
    found = {}
    one = bool(model.config["model_cfg"].get("nonscalar_logit_scale"))
    for name, value in model.state_dict().items():
        tower, _, inner = name.partition(".")
        tensor = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        found[inner or tower] = tensor.reshape(1) if one and not inner else tensor
    return found


def _preprocess_cfg(model: DualEncoder) -> dict[str, Any]:
    """Return open_clip's description of the pixels; ModelError where it has none for them."""
    pixels = model.preprocess
    norms = [step for step in pixels.operations if isinstance(step, Normalise)]
    mean, std = (norms[0].mean, norms[0].std) if norms else ((0.0,) * 3, (1.0,) * 3)
    filters = {step.filter for step in pixels.operations if isinstance(step, Resize)}
    fills = {step.fill for step in pixels.operations if isinstance(step, Crop)} or {0}
    for resize in RESIZES:
        for filter in filters & {"bicubic", "bilinear"}:
            for fill in fills:
                settings: dict[str, Any] = {"mean": mean, "std": std, "interpolation": filter}
                made = Preprocessing.usual(pixels.size, resize=resize, fill=fill, **settings)
                if made == pixels:
                    return {"size": pixels.size, "mode": "RGB", **settings, "resize_mode": resize,
                            "fill_color": fill}  # fmt: skip
    raise ModelError(
        f"{model.name}: open_clip's transform cannot express its pixels ({pixels.describe()}); the "
        "model can be exported to: hub"
    )


def _write_words(model: DualEncoder, folder: Path) -> None:
    """Write the tokenizer's files as transformers does."""
    from transformers import PreTrainedTokenizerFast

    settings = model.tokenizer.settings()
    write_atomic(folder / "tokenizer.json", str(model.tokenizer.json))
    words = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    words.pad_token = words.convert_ids_to_tokens(settings["pad_id"])
    words.save_pretrained(folder)
