"""A file or a folder is called what it is, and by the name that loads it."""

import json

import pytest
import torch

from vesalius.core import ModelError
from vesalius.encoders.cards import card_of, catalogue
from vesalius.encoders.identification import identify

VIT = {
    "visual.conv1.weight": (768, 3, 32, 32),
    "token_embedding.weight": (49408, 1),
    "visual.positional_embedding": (50, 1),
}
LARGE = {"visual.conv1.weight": (1024, 3, 14, 14), "visual.positional_embedding": (577, 1)}
SMALL = {"visual.conv1.weight": (768, 3, 16, 16), "visual.positional_embedding": (197, 1)}
RESNET = {
    "visual.conv1.weight": (40, 3, 3, 3),
    "visual.layer1.0.conv1.weight": (80, 1, 1, 1),
    "token_embedding.weight": (49408, 1),
}
TEXT = {f"text_encoder.transformer.{i}": (1,) for i in range(9)}


def _written(path, shapes, **beside):
    """Write empty tensors of these shapes: one value, seen many times."""
    tensors = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    torch.save({"state_dict": tensors, **beside} if beside else tensors, path)
    return path


@pytest.mark.parametrize(
    ("shapes", "arch", "others"),
    [
        (VIT, "ViT-B-32-quickgelu", "chexzero, eyeclip, pubmedclip have it, too"),
        (RESNET, "RN50x4-quickgelu", "pubmedclip-rn50x4 have it, too"),
    ],
)
def test_a_clip_checkpoint_loads_by_its_architecture(tmp_path, shapes, arch, others):
    file = _written(tmp_path / "best.pt", shapes, epoch=3)
    what, name = identify(file)
    assert name == f"open_clip:{arch}/{file}"
    assert what.startswith("a training checkpoint (state_dict, epoch) of CLIP")
    assert others in what


@pytest.mark.parametrize(
    ("shapes", "card"),
    [
        ({**VIT, **dict.fromkeys(card_of("eyeclip").surplus, (1,))}, "eyeclip"),
        ({**SMALL, **TEXT}, "unimed-clip-vit-b16"),
        ({**LARGE, **TEXT}, "unimed-clip-vit-l14"),
        ({f"encoders.rgb.model.trunk.{i}": (1,) for i in range(9)}, "open-pmc"),
        (
            {"vision_model.model.embeddings.norm.bias": (1,), "text_model.projection_head.w": (1,)},
            "medclip:vit",
        ),
        (
            {"vision_model.model.layer1.0.w": (1,), "text_model.projection_head.w": (1,)},
            "medclip:resnet",
        ),
        (
            {
                "vision_model.model.layer1.0.w": (1,),
                "text_model.projection_head_text.projection.w": (1,),
            },
            "flair",
        ),
    ],
)
def test_a_file_under_a_strange_name_is_told_by_its_tensors(tmp_path, shapes, card):
    place = next(known.place for known in catalogue() if known.name == card)
    what, name = identify(_written(tmp_path / "downloaded.bin", shapes))
    assert f"of {card}: put it into a folder {place}, as " in what
    assert name == ""


def test_a_file_of_a_telling_name_says_what_is_missing_beside_it(tmp_path):
    file = _written(tmp_path / "biovil_image_resnet50_proj_size_128.pt", {"a": (1,)})
    what, name = identify(file)
    assert what.startswith("of the files of biovil (")
    assert "model.safetensors or pytorch_model.bin, vocab.txt or tokenizer.json missing" in what
    assert name == ""


def test_a_folder_is_known_by_its_name_or_by_a_telling_file(tmp_path):
    right, other = tmp_path / "chexzero", tmp_path / "other"
    for folder in (right, other):
        folder.mkdir()
        _written(folder / "chexzero.pt", {"a": (1,)})
    assert identify(right)[1] == identify(right / "chexzero.pt")[1] == "chexzero"
    what, name = identify(other)
    assert "looked for in a folder named chexzero" in what
    assert name == ""
    medclip = tmp_path / "medclip-vit"
    medclip.mkdir()
    (medclip / "vocab.txt").touch()
    with pytest.raises(ModelError, match=r"medclip:vit is not here: pytorch_model\.bin missing"):
        identify(medclip)
    (medclip / "pytorch_model.bin").touch()
    assert identify(medclip)[1] == "medclip:vit"


def test_a_folder_of_a_layout_is_told_from_a_run(tmp_path):
    for place, said, prefix in (
        ("hf", {"model_type": "clip"}, "hf:"),
        ("own", {"format": "vesalius-dual-encoder/1"}, ""),
    ):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(said))
        (folder / "model.safetensors").touch()
        assert identify(folder)[1] == f"{prefix}{folder}"
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text("{}")
    assert identify(folder) == ("a folder in open_clip's layout", f"local-dir:{folder}")
    _written(folder / "pytorch_model.bin", {"a": (1,)})
    assert identify(folder / "pytorch_model.bin")[1] == f"local-dir:{folder}"


def test_what_nobody_knows_is_said(tmp_path):
    what, name = identify(_written(tmp_path / "b.pt", {"head.weight": (1,)}))
    assert what == "a table of tensors, 1 tensors of no model that is known here (head.weight …)"
    assert name == ""
    with pytest.raises(ModelError, match="none of the layouts"):
        identify(tmp_path)
    with pytest.raises(ModelError, match=r"gone\.pt is missing"):
        identify(tmp_path / "gone.pt")
    (tmp_path / "empty.pt").touch()
    with pytest.raises(ModelError, match="is empty"):
        identify(tmp_path / "empty.pt")


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    import pickle

    class Bad:
        def __reduce__(self):
            return print, ("ran",)

    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Bad(), protocol=2))
    with pytest.raises(ModelError):
        identify(tmp_path / "bad.pt")
    assert "ran" not in capsys.readouterr().out
