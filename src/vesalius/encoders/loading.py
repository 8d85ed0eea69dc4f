"""One door to every model: ``load(name)``. It never reaches for the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vesalius.core import ModelError, unknown
from vesalius.encoders.cards import card_of, catalogue

if TYPE_CHECKING:
    from vesalius.encoders.cards import ModelCard
    from vesalius.encoders.dual_encoder import DualEncoder

ENCODERS = {
    "tiny": "vesalius.encoders.tiny:load",
    "dual": "vesalius.encoders.composed:load",
    "open_clip": "vesalius.encoders.openclip:load_named",
    "local-dir": "vesalius.encoders.openclip:load_local_dir",
    "hf": "vesalius.encoders.transformers_folder:load",
    "resnet18-28": "vesalius.encoders.resnet_cifar:load",
    "timm": "vesalius.encoders.timm_images:load",
    "torchxrayvision": "vesalius.encoders.torchxrayvision:load",
    "biovil": "vesalius.encoders.biovil:load",
    "biovil_t": "vesalius.encoders.biovil:load_t",
    "chexficient": "vesalius.encoders.chexficient:load",
    "cxr_clip": "vesalius.encoders.cxr_clip:load",
    "flair": "vesalius.encoders.flair:load",
    "keep": "vesalius.encoders.keep:load",
    "medclip": "vesalius.encoders.medclip:load",
    "pmc_clip": "vesalius.encoders.pmc_clip:load",
}
"""Name, or prefix before the colon -> "module:function". A path is a folder of own weights."""

ADAPTERS = {
    "open_clip": "vesalius.encoders.openclip",
    "transformers": "vesalius.encoders.transformers_folder",
}
"""Who builds the models that a card describes completely: a card's adapter -> module.

It has ``load_card(card, folder, *, image_size)`` and ``pixels_in(card, folder)``.
"""


def weights_folder(given: str | Path | None = None) -> Path:
    """Return where weights are looked for: given, or $VESALIUS_WEIGHTS, or the user's cache."""
    if given is None:
        given = os.environ.get("VESALIUS_WEIGHTS") or "~/.cache/vesalius/weights"
    return Path(given).expanduser()


def load(
    name: str,
    *,
    device: str = "cpu",
    weights_dir: str | None = None,
    texts: Sequence[str] | None = None,
    image_size: int | None = None,
    seed: int = 0,
) -> DualEncoder:
    """Return a model by name, or by the path of a Run or of a folder of own weights.

    ``weights_dir`` is where weight files are looked for (:func:`weights_folder`). ``texts`` train
    the tokenizer of ``tiny`` and are otherwise not used; ``seed`` draws random weights where a
    name asks for them. The model comes in evaluation mode. Raises ChoiceError for an unknown name
    and ModelError naming each file that is missing and the place where it belongs.
    """
    import torch

    if image_size is not None and image_size < 16:
        raise ModelError(f"image_size {image_size} is too small; at least 16 pixels are needed")
    prefix, _, argument = name.partition(":")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        card = card_of(name)
        model: DualEncoder
        if card is not None:
            folder = card.folder(weights_folder(weights_dir))
            model = adapter(card).load_card(card, folder, image_size=image_size)
        elif prefix in ENCODERS:
            model = _function(ENCODERS[prefix])(
                argument,
                weights_dir=weights_folder(weights_dir),
                texts=texts,
                image_size=image_size,
                seed=seed,
            )
        else:
            model = _load_path(name, image_size=image_size)
    try:
        return model.to(device).eval()
    except RuntimeError as error:
        said = str(error).partition("\n")[0][:120]
        raise ModelError(
            f"cannot put {name} on device {device!r} (cpu, cuda, cuda:1, mps …): {said}"
        ) from error


def adapter(card: ModelCard) -> Any:
    """Return the module that builds the model of a card."""
    if card.adapter not in ADAPTERS:
        raise unknown(f"adapter of {card.name}", card.adapter, ADAPTERS)
    return import_module(ADAPTERS[card.adapter])


def _function(place: str) -> Callable[..., DualEncoder]:
    module, function = place.split(":")
    found: Callable[..., DualEncoder] = getattr(import_module(module), function)
    return found


def _load_path(name: str, *, image_size: int | None) -> DualEncoder:
    from vesalius.encoders.own_weights import load as load_folder

    path = Path(name).expanduser()
    if path.is_dir():
        return load_folder(path, image_size=image_size)
    if path.name != name or path.exists():
        raise ModelError(f"{path} is not a folder of weights")
    named = [card.name for card in catalogue() if card.adapter]
    raise unknown("model", name, [*ENCODERS, *named, "a folder's path"])
