"""TorchXRayVision's DenseNets from the authors' files, which hold whole pickled modules."""

import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vesalius.core import ChoiceError, ModelError
from vesalius.data.images import read_image
from vesalius.encoders import load
from vesalius.encoders.cards import catalogue
from vesalius.encoders.identification import identify
from vesalius.encoders.operations import Middle
from vesalius.encoders.torchxrayvision import NAMES

NAME = "densenet121-res224-all"


class _DenseLayer(nn.Sequential):
    def __init__(self, channels):
        super().__init__(
            OrderedDict(
                norm1=nn.BatchNorm2d(channels),
                relu1=nn.ReLU(inplace=True),
                conv1=nn.Conv2d(channels, 128, 1, bias=False),
                norm2=nn.BatchNorm2d(128),
                relu2=nn.ReLU(inplace=True),
                conv2=nn.Conv2d(128, 32, 3, padding=1, bias=False),
            )
        )
        self.drop_rate = 0

    def forward(self, x):
        return torch.cat([x, super().forward(x.clone())], 1)


class _DenseBlock(nn.Sequential):
    def __init__(self, layers, channels):
        names = [f"denselayer{i + 1}" for i in range(layers)]
        super().__init__(
            OrderedDict((n, _DenseLayer(channels + 32 * i)) for i, n in enumerate(names))
        )


class _Transition(nn.Sequential):
    def __init__(self, channels):
        super().__init__(
            OrderedDict(
                norm=nn.BatchNorm2d(channels),
                relu=nn.ReLU(inplace=True),
                conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
                pool=nn.AvgPool2d(2, 2),
            )
        )


class DenseNet(nn.Module):
    """The layout of the authors' class, written anew."""

    def __init__(self):
        super().__init__()
        layers = OrderedDict(
            conv0=nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(64),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = 64
        for i, depth in enumerate((6, 12, 24, 16), 1):
            layers[f"denseblock{i}"] = _DenseBlock(depth, channels)
            channels += 32 * depth
            if i < 4:
                layers[f"transition{i}"] = _Transition(channels)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, 18)
        self.op_threshs = np.array([0.5, np.nan])
        self.pathologies = ["Edema", np.str_("")]

    def features2(self, x):
        return torch.relu(self.features(x)).mean((2, 3))


KINDS = (DenseNet, _DenseBlock, _DenseLayer, _Transition)


@pytest.fixture(scope="module")
def peer(noisy):
    return noisy(DenseNet(), 3)


@pytest.fixture
def pickled(peer, tmp_path, monkeypatch):
    """A way to write the module as the authors did, with classes that nobody has installed here."""

    def write(file, **how):
        home = ModuleType("torchxrayvision.models")
        package = ModuleType("torchxrayvision")
        monkeypatch.setitem(sys.modules, "torchxrayvision", package)
        monkeypatch.setitem(sys.modules, home.__name__, home)
        for kind in KINDS:
            monkeypatch.setattr(kind, "__module__", home.__name__)
            setattr(home, kind.__name__, kind)
        path = tmp_path / "torchxrayvision" / file
        path.parent.mkdir(exist_ok=True)
        torch.save(peer, path, **how)
        monkeypatch.undo()
        return path

    return write


@pytest.mark.parametrize("new", [True, False])
def test_features_equal_the_authors_module(new, peer, pickled, film, tmp_path):
    pickled(NAMES[NAME], _use_new_zipfile_serialization=new)
    model = load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
    pixels_BCHW = model.preprocess(read_image(film))[None]
    assert pixels_BCHW.shape == (1, 3, 224, 224)
    with torch.no_grad():
        theirs_BD = peer.features2(pixels_BCHW[:, :1])
        torch.testing.assert_close(model.encode_image(pixels_BCHW), theirs_BD, rtol=1e-5, atol=1e-5)
        maps_BDhw = model.patch_features(pixels_BCHW)
    assert maps_BDhw.shape == (1, 1024, 7, 7)
    torch.testing.assert_close(maps_BDhw.mean((2, 3)), theirs_BD, rtol=1e-5, atol=1e-5)
    assert "torchxrayvision" not in sys.modules


def test_a_plain_state_dict_serves_as_well(peer, tmp_path, pickled):
    pickled(NAMES[NAME])
    whole = load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
    (tmp_path / "torchxrayvision" / NAMES[NAME]).unlink()
    torch.save(peer.state_dict(), tmp_path / "torchxrayvision" / f"{NAME}.pt")
    plain = load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
    assert plain.identity()["weights_hash"] == whole.identity()["weights_hash"]


def test_pixels_lie_between_minus_and_plus_1024(tmp_path, pickled):
    pickled(NAMES[NAME])
    pixels = load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path)).preprocess
    grey = np.tile(np.array([0, 51, 255], np.uint8).repeat(100), (300, 1))
    values_CHW = pixels(grey)
    expected = (2 * np.array([0, 51, 255]) / 255 - 1) * 1024  # the authors' rule
    found = [float(values_CHW[0, 112, x]) for x in (20, 112, 200)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_odd_pixel_of_the_middle_square_goes_as_in_the_authors_code():
    image = Image.fromarray(np.tile(np.arange(8, dtype=np.uint8), (5, 1)))
    assert np.asarray(Middle()(image, 0))[0].tolist() == [2, 3, 4, 5, 6]


def test_saved_and_read_back_it_is_the_same_and_still_has_no_words(tmp_path, pickled):
    pickled(NAMES[NAME])
    model = load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
    again = load(str(model.save(tmp_path / "own")))
    assert again.identity() == model.identity()
    for one in (model, again):
        with pytest.raises(ModelError, match=f"{NAME} sees images only"):
            one.require_text()
    with pytest.raises(ModelError, match="224 pixels"):
        load(str(tmp_path / "own"), image_size=448)


def test_the_published_file_and_its_folder_are_called_by_their_name(tmp_path, pickled):
    path = pickled(NAMES[NAME])
    assert identify(path)[1] == identify(path.parent)[1] == f"torchxrayvision:{NAME}"


def test_every_name_has_a_card_with_its_file():
    cards = {card.name: card.files[0] for card in catalogue() if card.place == "torchxrayvision"}
    assert cards == {
        f"torchxrayvision:{name}": (f"{name}.safetensors", file, f"{name}.pt")
        for name, file in NAMES.items()
    }


class Evil:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("new", [True, False])
def test_a_file_that_names_anything_else_is_not_opened_and_runs_nothing(new, tmp_path):
    path = tmp_path / "torchxrayvision" / NAMES[NAME]
    path.parent.mkdir()
    trap = tmp_path / "trap"
    torch.save({"evil": Evil(trap)}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match="could run code"):
        load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
    assert not trap.exists()
    torch.load(path, weights_only=False)  # the trap is a real one
    assert trap.exists()


def test_a_cut_an_empty_and_a_foreign_file_are_said(pickled, tmp_path):
    path = pickled(NAMES[NAME], _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:40], b"", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="best.pt"):
            load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))


def test_a_file_that_announces_more_than_it_holds_gets_no_memory(tmp_path):
    path = tmp_path / "torchxrayvision" / NAMES[NAME]
    path.parent.mkdir()
    torch.save({"x": torch.zeros(1000)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert content.count(b"M\xe8\x03") == 2  # 1,000, of the storage and of the tensor
    path.write_bytes(content.replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f"))
    with pytest.raises(ModelError, match="more numbers than it holds"):
        load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))


def test_a_missing_file_a_missing_tensor_and_an_unknown_name_are_said(tmp_path, peer):
    with pytest.raises(ModelError, match=NAMES[NAME]):
        load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
    with pytest.raises(ChoiceError, match="densenet121-res224-nih"):
        load("torchxrayvision:densenet121-res224-nhi", weights_dir=str(tmp_path))
    tensors = peer.state_dict()
    del tensors["features.norm5.weight"]
    (tmp_path / "torchxrayvision").mkdir()
    torch.save(tensors, tmp_path / "torchxrayvision" / f"{NAME}.pt")
    with pytest.raises(ModelError, match=r"1 missing: features\.norm5\.weight"):
        load(f"torchxrayvision:{NAME}", weights_dir=str(tmp_path))
