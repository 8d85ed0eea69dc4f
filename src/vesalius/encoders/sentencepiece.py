"""SigLIP's spiece.model as a tokenizer of the ``tokenizers`` library, without sentencepiece.

The file is a protocol buffer: field 1 holds the pieces (their text, score and type), field 3 the
normalisation, of which field 2 is a compiled table, 3 and 4 say that a mark is put before the first
word and that extra spaces go (sentencepiece_model.proto). Texts are cleaned first, as transformers'
SiglipTokenizer does: lower case, no punctuation, one space. The one difference that was found: a
literal ``</s>`` within a text is read as its letters.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from string import punctuation

from vesalius.core import ModelError

UNKNOWN = 2  # the type of the piece for what is not known
MOST = 1_000_000


def siglip_json(path: Path) -> str:
    """Return tokenizer.json: lower case, no punctuation, one space, unigrams, an end token.

    Raises ModelError where the file is not a model of sentencepiece.
    """
    import tokenizers
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

    try:
        pieces, unknown, table = _read(path.read_bytes())
        tokenizer = tokenizers.Tokenizer(models.Unigram(pieces, unknown, False))
    except (OSError, ValueError, IndexError, KeyError, struct.error) as error:
        raise ModelError(f"{path} is not a readable sentencepiece model: {error}") from error
    steps = [
        normalizers.Lowercase(),
        normalizers.Replace(Regex("[" + "".join(f"\\{mark}" for mark in punctuation) + "]"), ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
    ]
    if table:
        steps.append(normalizers.Precompiled(table))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    end = "</s>"
    if tokenizer.token_to_id(end) is None:
        raise ModelError(f"{path} has no piece {end!r}")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
    )
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False)


def _read(content: bytes) -> tuple[list[tuple[str, float]], int, bytes]:
    """Return the pieces with their scores, the place of the unknown one, and the table."""
    pieces: list[tuple[str, float]] = []
    unknown, table = -1, b""
    for number, value in _fields(content):
        if number == 1 and isinstance(value, bytes):
            parts = dict(_fields(value))
            score, text = parts.get(2, b"\0\0\0\0"), parts[1]
            if not isinstance(text, bytes) or not isinstance(score, bytes):
                raise ValueError("a piece without text or score")
            if parts.get(3) == UNKNOWN:
                unknown = len(pieces)
            pieces.append((text.decode("utf-8"), struct.unpack("<f", score)[0]))
        elif number == 3 and isinstance(value, bytes):
            spec = dict(_fields(value))
            if spec.get(3, 1) != 1 or spec.get(4, 1) != 1:
                raise ValueError("its words begin without a mark, or keep extra spaces")
            found = spec.get(2, b"")
            table = found if isinstance(found, bytes) else b""
    if not 0 < len(pieces) < MOST or unknown < 0:
        raise ValueError(f"{len(pieces)} pieces, the unknown one at {unknown}")
    return pieces, unknown, table


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field: an integer, or bytes."""
    at = 0
    while at < len(content):
        key, at = _integer(content, at)
        kind = key & 7
        if kind == 0:
            value, at = _integer(content, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _integer(content, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of type {kind}")
        if at + size > len(content):
            raise ValueError("the file ends within a field")
        yield key >> 3, content[at : at + size]
        at += size


def _integer(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
