"""Weight files never run code, and never half fit."""

import pickle
from pathlib import Path

import pytest
import torch

from vesalius.core import ModelError
from vesalius.encoders.checkpoint import Inert, fill, prefixed, read_content, read_tensors


class Payload:
    """Pickles into a call that leaves a mark on the disk."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "weights.pth", "epoch_1.pt"])
@pytest.mark.parametrize("how", ["torch", "plain pickle", "old torch"])
def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, name, how):
    mark, file = tmp_path / "executed", tmp_path / name
    content = {"state_dict": {"weight": torch.zeros(1)}, "extra": Payload(mark)}
    if how == "plain pickle":
        file.write_bytes(pickle.dumps({"extra": Payload(mark)}))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(ModelError, match=name):
        read_tensors(file)
    assert not mark.exists()


def test_lists_of_omegaconf_come_as_inert_objects_and_open_no_door(tmp_path, omegaconf):
    mark, scale = tmp_path / "executed", omegaconf.made("ListConfig", [0.8, 1.1])
    torch.save({"model": torch.ones(1), "scale": scale}, tmp_path / "good.pt")
    torch.save({"scale": scale, "extra": Payload(mark)}, tmp_path / "bad.pt")
    omegaconf.forget()
    found = read_content(tmp_path / "good.pt")
    assert found["model"] == 1
    assert type(found["scale"]) is Inert
    assert not vars(found["scale"])
    with pytest.raises(ModelError, match=r"bad\.pt holds more than weights"):
        read_content(tmp_path / "bad.pt")
    assert not mark.exists()
    with pytest.raises(ModelError, match="no tensors: scale"):
        read_tensors(tmp_path / "good.pt")


def test_broken_and_missing_files_are_named(tmp_path):
    for name in ("a.safetensors", "b.pt"):
        with pytest.raises(ModelError, match=f"{name} is missing"):
            read_tensors(tmp_path / name)
        (tmp_path / name).write_bytes(b"not weights")
        with pytest.raises(ModelError, match=name):
            read_tensors(tmp_path / name)


def test_entries_that_are_no_tensors_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1), "lr": 0.1}, tmp_path / "a.pt")
    with pytest.raises(ModelError, match="no tensors: lr"):
        read_tensors(tmp_path / "a.pt")
    torch.save([1, 2], tmp_path / "b.pt")
    with pytest.raises(ModelError, match="holds a list"):
        read_tensors(tmp_path / "b.pt")


def test_every_name_and_shape_must_fit():
    layer, file = torch.nn.Linear(2, 3), Path("w.pt")
    good = {name: value + 1 for name, value in layer.state_dict().items()}
    with pytest.raises(ModelError, match=r"1 missing: bias"):
        fill(layer, {"weight": good["weight"]}, file)
    with pytest.raises(ModelError, match=r"weight \(3, 3\) instead of \(3, 2\)"):
        fill(layer, {**good, "weight": torch.zeros(3, 3)}, file)
    with pytest.raises(ModelError, match=r"not of this model: position_ids"):
        fill(layer, {**good, "position_ids": torch.zeros(1)}, file)
    fill(layer, {**good, "position_ids": torch.zeros(1)}, file, ignore=("position_ids",))
    assert torch.equal(layer.bias, good["bias"])


def test_a_files_own_names_and_parts_are_put_together_and_named_in_errors():
    layer, file = torch.nn.Linear(2, 4), Path("w.pt")
    names = prefixed({"weight": "old.head.weight"})
    parts = {"weight": ("upper", "lower"), "bias": ("bias",)}
    upper, lower, bias = torch.ones(2, 2), torch.zeros(2, 2), torch.ones(4)
    fill(layer, {"old.head.weight": 2 * torch.ones(4, 2), "bias": bias}, file, names=names)
    assert (layer.weight == 2).all()
    fill(layer, {"upper": upper, "lower": lower, "bias": bias}, file, names=parts.get)
    assert torch.equal(layer.weight, torch.cat([upper, lower]))
    with pytest.raises(ModelError, match=r"1 missing: old\.head\.weight"):
        fill(layer, {"bias": bias}, file, names=names)
    with pytest.raises(ModelError, match=r"lower \(3, 2\) instead of \(2, 2\)"):
        fill(
            layer, {"upper": upper, "lower": torch.ones(3, 2), "bias": bias}, file, names=parts.get
        )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello world\n", "is not a readable checkpoint"),
        (b"\x80", "is not a readable checkpoint"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_no_checkpoint_is_called_what_it_is(tmp_path, content, said, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    said = said.replace("checkpoint", "safetensors file") if suffix == ".safetensors" else said
    with pytest.raises(ModelError, match=said):
        read_tensors(path)
