"""``vesalius train``: image–text training of an encoder on one's own cases."""

from __future__ import annotations

from vesalius.cli.options import (
    Device,
    Folder,
    Model,
    NoPatientId,
    Reader,
    RootAndSettings,
    Submit,
    Workers,
    root_and_settings,
)


def train(
    reader: Reader,
    root: RootAndSettings = None,
    model: Model = "tiny",
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
    submit: Submit = None,
) -> None:
    """Train a model on images and their texts (CLIP).

    Its retrieval is measured. The trained model lies in the Run's folder: its path is a model name
    everywhere else. The same command goes on where a stopped one was.

    Example: vesalius train manifest /data/set text=caption pretrain.epochs=20
    """
    from vesalius.cli.study import run_recipe
    from vesalius.studies import recipe_of

    folder, settings = root_and_settings(root, reader)
    plain = {
        "study": "train",
        "question": f"What does {model} learn from these images and their texts?",
        "data": {"reader": reader, "root": folder},
        "split": {"no_patient_id": no_patient_id},
        "model": {"name": model},
        "pretrain": {},
        "evaluate": ["retrieval"],
    }
    run_recipe(recipe_of(plain, settings), out, device, workers, submit)
