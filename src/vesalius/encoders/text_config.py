"""Where the shape of a Hugging Face text tower comes from, without asking the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vesalius.core import ModelError, VesaliusError
from vesalius.core.files import read_json

BERT_BASE = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
"""Devlin et al. 2019, the base size; BiomedBERT (Gu et al. 2021) has the same shape."""

KNOWN: dict[str, dict[str, Any]] = {
    "bert-base-uncased": BERT_BASE,
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": BERT_BASE,
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext": BERT_BASE,
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract": BERT_BASE,
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext": BERT_BASE,
    "emilyalsentzer/Bio_ClinicalBERT": {**BERT_BASE, "vocab_size": 28996},
}

FILES = ("text_config.json", "config.json")


def read_table(file: Path) -> dict[str, Any]:
    """Return the table in a JSON file; raises ModelError where there is none."""
    try:
        found = read_json(file)
    except VesaliusError as error:
        raise ModelError(str(error)) from error
    if not isinstance(found, dict):
        raise ModelError(f"{file} holds a {type(found).__name__}, not a table")
    return found


def text_config(hf_model_name: str, folder: Path | None) -> dict[str, Any]:
    """Return the config of a text tower: from the folder, else from the few that are known.

    Raises ModelError naming the file that would help.
    """
    for name in FILES if folder is not None else ():
        if folder is not None and (folder / name).is_file():
            found = read_json(folder / name)
            if isinstance(found, dict) and "model_type" in found:
                return found
    if hf_model_name in KNOWN:
        return dict(KNOWN[hf_model_name])
    place = "a folder of its own (local-dir:PATH)" if folder is None else str(folder)
    raise ModelError(
        f"the text tower {hf_model_name!r} is not one of those built in; put its config.json "
        f"into {place} under the name {FILES[0]}"
    )
