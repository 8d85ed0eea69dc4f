"""A classifier as a folder: the encoder's files, its head, and a card.

``encoders.load`` reads the same folder as the fine-tuned encoder alone. The head's header names the
encoder's weights, so that files of two trainings in one folder are noticed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from vesalius.core import TrainingError
from vesalius.core.files import write_atomic
from vesalius.training.classifier import Classifier

if TYPE_CHECKING:
    from vesalius.encoders import Origin

HEAD = "head.safetensors"
FORMAT = "vesalius-classifier/1"
HOW = """from vesalius import training

classifier = training.load_classifier("path/of/this/folder")"""


def save_classifier(
    classifier: Classifier, folder: str | Path, *, origin: Origin | None = None
) -> Path:
    """Write model.safetensors, config.json, tokenizer.json, head.safetensors and README.md.

    The head comes last: without it a folder that a kill left is no classifier.
    """
    from safetensors.torch import save as to_bytes

    from vesalius.encoders import Origin
    from vesalius.encoders.model_card import readme

    place, encoder = Path(folder), classifier.encoder
    (place / HEAD).unlink(missing_ok=True)
    encoder.save(place)
    write_atomic(place / "README.md", readme(encoder, origin or Origin(), how=HOW))
    header = {
        "format": FORMAT,
        "labels": list(classifier.label_names),
        "task": classifier.task,
        "encoder": encoder.identity()["weights_hash"],
    }
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in classifier.head.state_dict().items()
    }
    write_atomic(
        place / HEAD, to_bytes(tensors, metadata={"vesalius": json.dumps(header, sort_keys=True)})
    )
    return place


def load_classifier(folder: str | Path, *, device: str = "cpu") -> Classifier:
    """Return the classifier that lies in a folder, in evaluation mode.

    Raises:
        ModelError: the encoder's files are missing or broken.
        TrainingError: the folder holds no classifier, or its head belongs to another encoder.
    """
    from vesalius.encoders import load
    from vesalius.encoders.checkpoint import read_safetensors

    path = Path(folder).expanduser() / HEAD
    if not path.is_file():
        inside = ", ".join(
            str(head.parent) for head in sorted(path.parent.glob(f"classifiers/*/{HEAD}"))
        )
        hint = f"; its classifiers are {inside}" if inside else ""
        raise TrainingError(f"{path.parent} holds no classifier: {HEAD} is missing{hint}")
    tensors, found = read_safetensors(path)
    try:
        header = json.loads(found["vesalius"])
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {FORMAT!r}")
        labels, task = tuple(header["labels"]), header["task"]
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{path} is not the head of a classifier: {error}") from error
    encoder = load(str(path.parent.absolute()))
    if encoder.identity()["weights_hash"] != header["encoder"]:
        raise TrainingError(f"{path} belongs to another encoder than the one beside it")
    classifier = Classifier(encoder, labels, task=task)
    shapes = {name: tuple(value.shape) for name, value in classifier.head.state_dict().items()}
    if {name: tuple(value.shape) for name, value in tensors.items()} != shapes:
        raise TrainingError(f"{path} has other tensors than {len(labels)} labels need")
    classifier.head.load_state_dict(tensors)
    return classifier.to(device).eval()
