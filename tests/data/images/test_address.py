import pytest

from vesalius.core import ChoiceError, DataError
from vesalius.data import read_image
from vesalius.data.images.address import file_of, joined, number, parted


def test_an_address_comes_apart_as_it_was_joined():
    address = joined("a b/ct.nii.gz", axial=40, volume=None, window="-600,1500")
    assert address == "a b/ct.nii.gz#axial=40&window=-600,1500"
    assert file_of(address) == "a b/ct.nii.gz"
    assert parted(address) == ("a b/ct.nii.gz", {"axial": "40", "window": "-600,1500"})


@pytest.mark.parametrize(
    "name", ["film #2.png", "a#b=c.png", "#1/frame=3.png", "x.png#", "a#frame"]
)
def test_a_number_sign_without_a_key_belongs_to_the_name(name, tmp_path, png):
    assert parted(name) == (name, {})
    if name.endswith(".png"):
        assert read_image(png(tmp_path / name)).shape == (6, 8)


def test_a_wrong_part_gets_the_nearest_right_key():
    with pytest.raises(ChoiceError, match="'axal'; did you mean 'axial'"):
        parted("ct.nii#window=1,2&axal=3")


@pytest.mark.parametrize("bad", ["a.dcm#frame=", "a.dcm#frame=1&frame=2", "a.dcm#frame=1&window"])
def test_each_part_stands_once_with_a_value(bad):
    with pytest.raises(DataError, match="once, as"):
        parted(bad)


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "²", "9" * 40])
def test_a_number_is_a_whole_one(value):
    with pytest.raises(DataError, match="is not a whole number"):
        number({"frame": value}, "frame", "a.dcm", default=1)
