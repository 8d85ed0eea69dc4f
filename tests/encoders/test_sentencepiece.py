"""SigLIP's spiece.model is read without sentencepiece, and as transformers reads it."""

import shutil
import struct

import pytest
import torch
from tokenizers import Tokenizer

from vesalius.core import ModelError
from vesalius.encoders import load
from vesalius.encoders.identification import identify
from vesalius.encoders.sentencepiece import siglip_json

PIECES = [("<pad>", 0, 3), ("</s>", 0, 3), ("<unk>", 0, 2), ("▁", -3, 1), ("▁no", -2, 1),
          ("▁pleural", -2.5, 1), ("▁left", -2.6, 1), ("▁x", -4, 1), ("ray", -4, 1)]  # fmt: skip
PIECES += [(letter, -9, 1) for letter in "abcdefghijklmnopqrstuvwxyz"]


def field(number, value):
    """One field of a protocol buffer: bytes, or a small integer."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    size, head = len(value), bytes([number << 3 | 2])
    while size > 127:
        head += bytes([size & 127 | 128])
        size >>= 7
    return head + bytes([size]) + value


def model_of(pieces, spec=b""):
    content = b""
    for text, score, kind in pieces:
        piece = field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + field(3, kind)
        content += field(1, piece)
    return content + field(2, field(3, 1)) + (field(3, spec) if spec else b"")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "spiece.model"
    path.write_bytes(model_of(PIECES))
    return path


def tokens(path, text):
    return Tokenizer.from_str(siglip_json(path)).encode(text).tokens


def test_text_is_lowered_stripped_of_punctuation_and_ended(path):
    assert tokens(path, "  No PLEURAL, \n left! ") == ["▁no", "▁pleural", "▁left", "</s>"]
    assert tokens(path, "X-ray") == ["▁x", "ray", "</s>"]
    assert tokens(path, "...") == ["</s>"]
    assert tokens(path, "left 日")[-2:] == ["日", "</s>"]
    assert Tokenizer.from_str(siglip_json(path)).encode("日").ids[1] == 2


@pytest.fixture
def folder(tmp_path):
    """``weights/medsiglip-448``, small, without words."""
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
             "num_attention_heads": 2}  # fmt: skip
    config = SiglipConfig(
        text_config={**small, "vocab_size": len(PIECES), "projection_size": 32},
        vision_config={**small, "image_size": 448, "patch_size": 112},
    )
    folder = tmp_path / "weights" / "medsiglip-448"
    SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 448, "width": 448}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["hf", "medsiglip"])
def test_a_folder_with_spiece_model_alone_pads_to_64(name, path, folder, tmp_path):
    shutil.copy(path, folder)
    where = f"hf:{folder}" if name == "hf" else name
    model = load(where, weights_dir=str(folder.parent))
    tokens_BL = model.tokenize(["No pleural", "left " * 90])
    assert tokens_BL.shape == (2, 64)
    assert tokens_BL[0].tolist() == [4, 5] + [1] * 62
    assert tokens_BL[1].tolist() == [6] * 63 + [1]
    again = load(str(model.save(tmp_path / "own")))
    assert again.identity() == model.identity()
    assert identify(folder) == (identify(folder)[0], "medsiglip")


def test_tokenizer_json_goes_before_and_without_either_both_are_named(path, folder):
    with pytest.raises(ModelError, match=r"tokenizer\.json or spiece\.model is missing"):
        load(f"hf:{folder}")
    (folder / "tokenizer.json").write_text(siglip_json(path))
    (folder / "spiece.model").write_bytes(b"broken")
    assert load(f"hf:{folder}").tokenize(["no"])[0, :2].tolist() == [4, 1]
    (folder / "tokenizer.json").write_text("broken")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read"):
        load(f"hf:{folder}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a protocol buffer",
        model_of(PIECES)[:-5] + b"\x0a\xff\xff\xff\x7f",
        model_of(PIECES[3:]),
        model_of([p for p in PIECES if p[0] != "</s>"]),
        model_of(PIECES, spec=field(4, 0)),
        b"\x80" * 50,
    ],
    ids=["empty", "text", "cut", "no unknown", "no end", "spaces kept", "endless number"],
)
def test_what_is_no_model_of_siglip_is_said(content, path):
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"spiece\.model"):
        siglip_json(path)


def test_it_reads_as_transformers_does(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="the peer is not installed")
    from transformers import SiglipTokenizer

    words = [
        "no",
        "pleural",
        "effusion",
        "left",
        "right",
        "lungs",
        "heart",
        "normal",
        "opacity",
        "mild",
        "of",
        "in",
    ]
    corpus = tmp_path / "corpus.txt"
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(len(words), (800, 7), generator=generator)
    corpus.write_text("\n".join(" ".join(words[i] for i in row) for row in rows) + "\ncafé ﬁne ½\n")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(tmp_path / "spiece"), vocab_size=90, pad_id=0,
        eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    path = tmp_path / "spiece.model"
    peer, ours = SiglipTokenizer(str(path)), Tokenizer.from_str(siglip_json(path))
    for text in (
        "No pleural effusion.",
        "",
        " a  b\tc\n",
        "X-ray: LEFT!",
        "Café ﬁne ½",
        "日本",
        "...",
    ):
        assert ours.encode(text).ids == peer(text)["input_ids"]
