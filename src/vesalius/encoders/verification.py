"""Whether files are what a model's card says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from vesalius.core import ModelError, unknown
from vesalius.encoders.cards import ModelCard, catalogue
from vesalius.encoders.loading import adapter, load
from vesalius.encoders.operations import Normalise

if TYPE_CHECKING:
    from vesalius.encoders.dual_encoder import DualEncoder
    from vesalius.encoders.preprocessing import Preprocessing

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".tar")

PATTERN = re.compile(r":[A-Z]+(/|$)")  # of a card that stands for many models: hf:OWNER/NAME
SUMS = "SHA256SUMS"
"""A file of digests beside the weights, as ``sha256sum * > SHA256SUMS`` writes it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, whether it is right, and what was seen."""

    what: str
    right: bool
    said: str


def verify(name: str, path: Path) -> Iterator[Check]:
    """Compare a folder (or one weight file in its folder) with the card of a name.

    Looked at, in this order: the files, their digests where they are known, the folder's own
    description of the pixels, names and shapes of all tensors, image size, tokens, width and
    scoring rule. Raises ChoiceError for a name without a card, ModelError where there is no path.
    """
    cards = {
        card.name: card for card in catalogue() if card.files and not PATTERN.search(card.name)
    }
    if name not in cards:
        raise unknown("model card", name, cards)
    if not path.exists():
        raise ModelError(f"there is no {path}")
    card = cards[name]
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        card = replace(card, files=_with(card, path.name))
    try:
        files = card.found(folder)
    except ModelError as error:
        yield Check("files", False, str(error))
        return
    yield Check("files", True, ", ".join(file.name for file in files))
    yield from _digests(card, files, folder)
    if card.adapter:
        yield from _pixels(card, folder)
    try:
        model = _loaded(card, folder)
    except ModelError as error:
        yield Check("tensors", False, str(error))
        return
    yield Check("tensors", True, "every name and shape fits")
    yield from _facts(card, model)


def _with(card: ModelCard, name: str) -> tuple[tuple[str, ...], ...]:
    """Return the card's files with another name for its weights, unless it is one of theirs."""
    if any(name in names for names in card.files):
        return card.files
    turn = next((i for i, names in enumerate(card.files) if names[0].endswith(SUFFIXES)), None)
    if turn is None:
        raise ModelError(f"{card.name} has no weight file that {name} could be")
    return (*card.files[:turn], (name,), *card.files[turn + 1 :])


def _loaded(card: ModelCard, folder: Path) -> DualEncoder:
    if card.adapter:
        model: DualEncoder = adapter(card).load_card(card, folder)
        return model
    if folder.resolve().name != card.place:
        raise ModelError(f"{card.name} is looked for in a folder named {card.place}, not {folder}")
    return load(card.name, weights_dir=str(folder.resolve().parent))


def _digests(card: ModelCard, files: list[Path], folder: Path) -> Iterator[Check]:
    known = {**_sums(folder), **card.sha256}
    for file in files:
        digest = digest_of(file)
        if file.name not in known:
            yield Check("sha256", True, f"{digest}  {file.name} (no digest is known to compare)")
        elif known[file.name] == digest:
            yield Check("sha256", True, f"{digest}  {file.name}")
        else:
            yield Check("sha256", False, f"{file.name} has {digest}, not {known[file.name]}")


def _sums(folder: Path) -> dict[str, str]:
    """Return the digests that lie beside the weights: file name -> hexadecimal."""
    if not (folder / SUMS).is_file():
        return {}
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
    if any(len(pair) != 2 or len(pair[0]) != 64 for pair in pairs):
        raise ModelError(f"{folder / SUMS} is not what sha256sum writes")
    return {name.removeprefix("*"): digest.lower() for digest, name in pairs}


def digest_of(file: Path) -> str:
    """Return the sha256 of a file."""
    digest = sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _pixels(card: ModelCard, folder: Path) -> Iterator[Check]:
    try:
        theirs: Preprocessing | None = adapter(card).pixels_in(card, folder)
    except ModelError as error:
        yield Check("pixels", False, str(error))
        return
    if theirs is None or card.image is None:
        return
    ours = card.image
    same = theirs == ours
    if card.own_pixels:
        same = _normalised(theirs) == _normalised(ours)
    said = theirs.describe() if same else f"{theirs.describe()}; the card: {ours.describe()}"
    yield Check("pixels", same, said)


def _normalised(pixels: Preprocessing) -> list[Normalise]:
    return [step for step in pixels.operations if isinstance(step, Normalise)]


def _facts(card: ModelCard, model: DualEncoder) -> Iterator[Check]:
    for what, wanted, has in (
        ("image size", card.image_size, model.image_size),
        ("tokens", card.context, model.context_length),
        ("width", card.width, model.width),
    ):
        if wanted:
            said = str(has) if wanted == has else f"{has}, the card says {wanted}"
            yield Check(what, wanted == has, said)
    if card.adapter and model.context_length:
        said = model.scores if model.scores == card.scores else f"{model.scores}, not {card.scores}"
        yield Check("scores", model.scores == card.scores, said)
