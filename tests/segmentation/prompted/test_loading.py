"""What is missing in a folder of a SAM is named, and where it belongs."""

import json
import shutil

import pytest

from vesalius.core import ChoiceError, ModelError
from vesalius.segmentation import load_sam


@pytest.fixture
def copy(sams, tmp_path):
    def copied(kind):
        return shutil.copytree(sams[kind], tmp_path / "owner" / kind)

    return copied


def test_a_name_is_a_folder_among_the_weights(copy, monkeypatch):
    root = copy("sam").parent
    assert load_sam("sam", weights_dir=root).name == "sam"
    assert load_sam("wanglab/sam", weights_dir=root).name == "sam"
    monkeypatch.setenv("VESALIUS_WEIGHTS", str(root.parent))
    assert load_sam("owner/sam").name == "sam"


def test_every_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"medsam-vit-base: config.json; model.safetensors or"):
        load_sam("wanglab/medsam-vit-base", weights_dir=tmp_path)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "processor_config.json"])
def test_one_file_that_is_missing_is_named(copy, file):
    folder = copy("sam")
    (folder / file).unlink()
    with pytest.raises(ModelError, match=file):
        load_sam(folder)


def test_the_words_of_sam3_are_missed(copy):
    folder = copy("sam3")
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (folder / file).unlink()
    with pytest.raises(ModelError, match=r"missing in .*: tokenizer.json or vocab.json"):
        load_sam(folder)


def test_a_model_that_is_no_sam_is_answered_with_the_choices(copy):
    folder = copy("sam")
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(ChoiceError, match=r"choose one of sam, sam2, sam2_video, sam3"):
        load_sam(folder)


def test_weights_that_lack_a_tensor_are_refused(copy):
    from safetensors.numpy import load_file, save_file

    folder = copy("sam")
    tensors = load_file(folder / "model.safetensors")
    dropped = "mask_decoder.iou_token.weight"
    tensors.pop(dropped)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"missing.*{dropped}"):
        load_sam(folder)


def test_broken_weights_are_told(copy):
    folder = copy("sam")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="cannot be read"):
        load_sam(folder)


def test_a_device_that_is_not_there_is_told(sams):
    with pytest.raises((ModelError, ChoiceError), match="on device 'nowhere'"):
        load_sam(sams["sam"], device="nowhere")
