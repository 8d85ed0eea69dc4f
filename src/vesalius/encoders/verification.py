"""Whether files are what a card says, and what a file or a folder is."""

from __future__ import annotations

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
    scoring rule. Raises ChoiceError for a name without a card.
    """
    card = next((card for card in catalogue() if card.name == name), None)
    if card is None:
        raise unknown("model card", name, [card.name for card in catalogue()])
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        card = replace(card, files=((path.name,), *card.files[1:]))
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
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
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


def identify(path: Path) -> tuple[str, str]:
    """Return what a file or folder is, in words, and the name to load it by ("" for none).

    Raises ModelError where it is nothing that is known here.
    """
    from vesalius.encoders.own_weights import holds_weights
    from vesalius.encoders.text_config import read_table

    if path.is_dir():
        if (path / "open_clip_config.json").is_file():
            return "a folder in open_clip's layout", f"local-dir:{path}"
        if (path / "config.json").is_file() and "model_type" in read_table(path / "config.json"):
            return "a folder in transformers' layout", f"hf:{path}"
        if holds_weights(path) or holds_weights(path / "weights"):
            return "weights that this package saved", str(path)
        for card in catalogue():
            if card.files and card.adapter and _holds(card, path):
                return f"the files of {card.name}", card.name
        raise ModelError(f"{path} holds none of the layouts that are known here")
    from vesalius.encoders.checkpoint import read_tensors

    tensors = read_tensors(path)
    arches = _architectures({name: tuple(value.shape) for name, value in tensors.items()})
    if arches:
        return f"a checkpoint of CLIP ({' or '.join(arches)})", f"open_clip:{arches[0]}/{path}"
    return f"{len(tensors)} tensors of no architecture that is known here", ""


def _holds(card: ModelCard, folder: Path) -> bool:
    return all(any((folder / name).is_file() for name in names) for names in card.files)


def _architectures(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Return the names of OpenAI's architectures with the tensors that these shapes are of."""
    patches, resnet = shapes.get("visual.conv1.weight"), "visual.layer1.0.conv1.weight" in shapes
    if patches is None or "token_embedding.weight" not in shapes:
        return []
    if resnet:
        known = {64: "RN50-quickgelu", 80: "RN50x4-quickgelu", 96: "RN50x16-quickgelu"}
        found = known.get(shapes["visual.layer1.0.conv1.weight"][0])
        return [found] if found else []
    known_vits = {(768, 32): "ViT-B-32", (768, 16): "ViT-B-16", (1024, 14): "ViT-L-14"}
    vit = known_vits.get((patches[0], patches[-1]))
    return [f"{vit}-quickgelu", vit] if vit else []
