import gzip
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from vesalius.core import ChoiceError, DataError, ImageError
from vesalius.data import read, read_image
from vesalius.data.images import decode, image_size
from vesalius.data.images.greys import stretched

nibabel = pytest.importorskip("nibabel")
HEAD = 352  # bytes before the voxels of a NIfTI-1 file without extensions


def phantom():
    """Return a volume in right-anterior-superior order in which every voxel differs."""
    return np.random.default_rng(0).permutation(5 * 6 * 7).astype(np.int16).reshape(5, 6, 7)


AFFINE = np.array([[2.0, 0, 0, -5], [0, 3, 0, 4], [0, 0, 4, 1], [0, 0, 0, 1]])
ORIENTATIONS = [
    np.stack([axes, flips], axis=1)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
SLICES = {
    # rows from anterior or superior; columns from the patient's right, in sagittal from anterior
    "axial": lambda v, k: [[v[x, y, k] for x in range(4, -1, -1)] for y in range(5, -1, -1)],
    "coronal": lambda v, k: [[v[x, k, z] for x in range(4, -1, -1)] for z in range(6, -1, -1)],
    "sagittal": lambda v, k: [[v[k, y, z] for y in range(5, -1, -1)] for z in range(6, -1, -1)],
}


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_all_48_orientations_give_the_same_slices(tmp_path, suffix):
    canonical = nibabel.Nifti1Image(phantom(), AFFINE)
    assert len(ORIENTATIONS) == 48
    for orientation in ORIENTATIONS:
        path = tmp_path / f"a.{suffix}"
        nibabel.save(canonical.as_reoriented(orientation), path)
        for axis, by_hand in SLICES.items():
            decoded = decode(f"{path}#{axis}=2&window=full")
            expected = stretched(np.array(by_hand(phantom(), 2)))
            np.testing.assert_array_equal(decoded.pixels, expected)
            assert image_size(f"{path}#{axis}=2") == expected.shape[::-1]
    assert decoded.steps == ("NIfTI", "sagittal", "stretched from its minimum to its maximum")


def test_an_oblique_volume_is_taken_in_its_nearest_orientation(tmp_path, nii):
    turn = np.deg2rad(20)
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    nii(tmp_path / "a.nii", phantom(), oblique @ AFFINE)
    nii(tmp_path / "b.nii", phantom(), AFFINE)
    for axis in SLICES:
        own, straight = (read_image(f"{tmp_path}/{name}.nii#{axis}=3") for name in "ab")
        np.testing.assert_array_equal(own, straight)


def test_without_an_address_the_middle_axial_slice_is_read(tmp_path, nii):
    path = nii(tmp_path / "a.nii.gz", phantom(), AFFINE)
    np.testing.assert_array_equal(read_image(path), read_image(f"{path}#axial=3"))


def test_scaled_values_are_windowed_in_their_own_units(tmp_path):
    image = nibabel.Nifti1Image(phantom(), AFFINE)
    image.header.set_slope_inter(2.0, -1000.0)
    image.to_filename(tmp_path / "a.nii")
    raw = np.frombuffer((tmp_path / "a.nii").read_bytes()[HEAD:], "<i2").reshape(7, 6, 5)
    values = raw[3, ::-1, ::-1] * 2.0 - 1000
    decoded = decode(f"{tmp_path}/a.nii#window=-800,200")
    by_hand = ((values + 800.5) / 199 + 0.5).clip(0, 1) * 255
    np.testing.assert_array_equal(decoded.pixels, by_hand.round())
    assert decoded.steps[-1] == "window -800/200"


def test_a_few_bright_voxels_do_not_darken_a_slice(tmp_path, nii):
    values = np.tile(np.linspace(0, 100, 80, dtype=np.float32), (80, 1))[..., None]
    values[0, 0] = 1e6
    decoded = decode(nii(tmp_path / "a.nii", values))
    assert 120 < np.median(decoded.pixels) < 136
    assert decoded.steps[-1] == "stretched from percentile 0.5 to 99.5"


def test_one_volume_of_several_is_picked(tmp_path, nii):
    values = np.stack([phantom(), phantom()[::-1]], axis=-1)
    path = nii(tmp_path / "a.nii.gz", values, AFFINE)
    nii(tmp_path / "second.nii", phantom()[::-1].copy(), AFFINE)
    second = read_image(f"{path}#axial=1&volume=1")
    np.testing.assert_array_equal(second, read_image(f"{tmp_path}/second.nii#axial=1"))
    with pytest.raises(DataError, match="has no volume 2; it has 2, from 0"):
        read_image(f"{path}#volume=2")


def test_a_flat_image_and_colour_are_read(tmp_path, nii):
    nii(tmp_path / "flat.nii", np.arange(30, dtype=np.uint8).reshape(5, 6))
    assert read_image(tmp_path / "flat.nii").shape == (6, 5)
    colour = np.zeros((5, 6, 7), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colour["G"] = 200
    nii(tmp_path / "colour.nii", colour)
    assert read_image(tmp_path / "colour.nii").tolist() == [[[0, 200, 0]] * 5] * 6


BUNDLED = {"anatomical.nii": (41, 33), "functional.nii": (21, 17), "example4d.nii.gz": (96, 128),
           "example_nifti2.nii.gz": (20, 32), "reoriented_anat_moved.nii": (26, 21)}  # fmt: skip


@pytest.mark.parametrize("name", BUNDLED)
def test_nibabels_own_files_are_what_nibabel_loads_whole(name):
    from nibabel.testing import data_path

    path = Path(data_path) / name
    if not path.exists():
        pytest.skip(f"this nibabel comes without {name}")
    whole = nibabel.as_closest_canonical(nibabel.load(path)).get_fdata()
    whole = whole if whole.ndim == 3 else whole[..., 0]
    middle = whole[:, :, whole.shape[2] // 2][::-1, ::-1].T
    pixels = read_image(f"{path}#window=full")
    assert pixels.shape == BUNDLED[name]
    # nibabel scales a slice in the precision of its file, the whole in float64
    assert np.abs(pixels.astype(int) - stretched(middle)).max() <= 1


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("#axial=7", "no axial slice 7; it has 7, from 0"),
        ("#axial=1&coronal=1", "a slice is coronal or axial, not both"),
        ("#frame=1", "no 'frame' to pick"),
        ("#window=3", "is not centre,width"),
    ],
)
def test_an_address_that_picks_nothing_is_an_error(tmp_path, nii, address, why):
    path = nii(tmp_path / "a.nii", phantom(), AFFINE)
    with pytest.raises(DataError, match=why):
        read_image(f"{path}{address}")


def header_of(shape, dtype=np.int16, offset=HEAD):
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    header.set_data_offset(offset)
    header["magic"] = b"n+1"
    return header.binaryblock + b"\0\0\0\0"


BOMBS = {
    "long": header_of((9, 9, 30000)),
    "wide": header_of((30000, 30000, 1)),
    "deep": header_of((2, 2, 2, 30000)),
    "late": header_of((2, 2, 2), offset=2**30),
    "none": header_of((0, 2, 2)),
}


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_by_their_headers(tmp_path, bomb, suffix, monkeypatch):
    content = BOMBS[bomb]
    path = tmp_path / f"bomb.{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == "nii.gz" else content)
    monkeypatch.setattr("nibabel.arrayproxy.ArrayProxy", None)  # no voxel is read
    with pytest.raises(ImageError, match=r"bomb\.nii.* declares"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_a_volume_cut_off_anywhere_is_an_image_error(tmp_path, nii, suffix):
    whole = nii(tmp_path / f"a.{suffix}", phantom(), AFFINE).read_bytes()
    for share in (0.02, 0.3, 0.6, 0.97):
        (tmp_path / f"cut.{suffix}").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError, match="cut"):
            read_image(f"{tmp_path}/cut.{suffix}#axial=6")


BROKEN = {
    "text.nii": (b"not a volume at all" * 40, "not a NIfTI file"),
    "text.nii.gz": (b"not a volume at all", "cannot be read|broken"),
    "empty.nii": (b"", "empty"),
    "complex.nii": (None, "complex numbers"),
    "flat.nii": (None, "without three directions"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_volume_is_named_with_the_reason(tmp_path, nii, name):
    content, why = BROKEN[name]
    if name == "complex.nii":
        nii(tmp_path / name, phantom().astype(np.complex64))
    elif name == "flat.nii":
        whole = bytearray(nii(tmp_path / name, phantom()).read_bytes())
        whole[296:312] = bytes(16)  # srow_y
        (tmp_path / name).write_bytes(whole)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=f"{name}.*({why})"):
        read_image(tmp_path / name)


def test_a_missing_package_names_the_extra(tmp_path, nii, monkeypatch):
    nii(tmp_path / "a.nii", phantom())
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(DataError, match=r"pip install 'vesalius\[nifti\]'") as caught:
        read_image(tmp_path / "a.nii")
    assert not isinstance(caught.value, ImageError)


def test_the_reader_takes_the_middle_slice_of_each_volume(layout):
    cases = read("nifti", layout("nifti"))
    assert cases.case_ids.tolist() == [
        "alone.nii#axial=3", "p1/p1_t1.nii.gz#axial=3", "p2/p2_t1.nii.gz#axial=3",
    ]  # fmt: skip
    assert cases.patient_ids.tolist() == ["alone", "p1/p1", "p2/p2"]
    assert cases.attributes["slice"].tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({"slices": 2}, [1, 5]),
        ({"slices": "all"}, [*range(7)]),
        ({"slices": 99}, [*range(7)]),
        ({"axis": "sagittal"}, [2]),
        ({"axis": "coronal", "slices": 3}, [1, 3, 5]),
    ],
)
def test_slices_are_sampled_evenly(layout, settings, places):
    root = layout("nifti") / "alone.nii"
    assert read("nifti", root, **settings).attributes["slice"].tolist() == places


def test_masks_beside_are_regions_of_their_slice(layout):
    root = layout("nifti")
    cases = read("nifti", root, slices="all")
    volume = nibabel.load(root / "p1" / "p1_t1.nii.gz").get_fdata()
    first = cases.case_ids.tolist().index("p1/p1_t1.nii.gz#axial=0")
    own = cases[first + 5]
    assert list(own.masks) == ["label 2"]
    np.testing.assert_array_equal(
        own.masks["label 2"].values_HW, (volume[:, :, 5] > 500)[::-1, ::-1].T
    )
    box = own.boxes[0]
    assert own.masks["label 2"].values_HW[int(box.y) : int(box.y + box.height)].any()
    assert cases[0].masks == {}
    taken = cases.select([first + 5])
    np.testing.assert_array_equal(
        taken[0].masks["label 2"].values_HW, own.masks["label 2"].values_HW
    )


def test_masks_fit_their_images_whatever_way_each_is_stored(tmp_path, nii):
    nii(tmp_path / "a.nii", phantom(), AFFINE)
    mask = nibabel.Nifti1Image((phantom() > 100).astype(np.uint8), AFFINE)
    nibabel.save(mask.as_reoriented(ORIENTATIONS[29]), tmp_path / "a_mask.nii")
    case = read("nifti", tmp_path)[0]
    expected = np.array(SLICES["axial"](phantom(), 3)) > 100
    np.testing.assert_array_equal(case.masks["label 1"].values_HW, expected)


def test_nnunets_folders_give_splits_channels_masks_and_names(tmp_path, nii):
    for part, names in (("Tr", ("liver_001", "liver_002")), ("Ts", ("liver_003",))):
        for name in names:
            for channel in ("0000", "0001"):
                nii(tmp_path / f"images{part}" / f"{name}_{channel}.nii.gz", phantom(), AFFINE)
    nii(tmp_path / "labelsTr" / "liver_001.nii.gz", (phantom() > 100).astype(np.uint8), AFFINE)
    nii(tmp_path / "labelsTr" / "liver_009.nii.gz", (phantom() > 100).astype(np.uint8), AFFINE)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "liver": 1}}')
    cases = read("nifti", tmp_path)
    assert cases.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert len(set(cases.patient_ids)) == 3
    assert [list(case.masks) for case in cases] == [["liver"]] * 2 + [[]] * 4
    assert [(s.name, s.reason) for s in cases.skipped] == [
        ("labelsTr/liver_009.nii.gz", "a mask without its image")
    ]
    (tmp_path / "dataset.json").write_text('{"labels": {"0": "background", "1": "organ"}}')
    assert list(read("nifti", tmp_path)[0].masks) == ["organ"]
    (tmp_path / "dataset.json").write_text('{"labels": 3}')
    with pytest.raises(DataError, match=r"dataset.json: .labels. is not names"):
        read("nifti", tmp_path)


def test_bids_subjects_and_patterns_name_patients(tmp_path, nii):
    for name in ("sub-01_T1w", "sub-01_T2w"):
        nii(tmp_path / "sub-01" / "anat" / f"{name}.nii.gz", phantom())
    assert set(read("nifti", tmp_path).patient_ids) == {"sub-01"}
    found = read("nifti", tmp_path, patient_id="sub-([0-9]+)_").patient_ids
    assert set(found) == {"01"}


def test_a_mask_of_another_shape_and_a_broken_volume_are_listed(tmp_path, nii):
    nii(tmp_path / "a.nii", phantom())
    nii(tmp_path / "a_seg.nii", phantom()[:4])
    nii(tmp_path / "b.nii", phantom())
    (tmp_path / "c.nii").write_bytes(b"x" * 1000)
    cases = read("nifti", tmp_path)
    assert len(cases) == 2
    reasons = {s.name: s.reason for s in cases.skipped}
    assert "mask left out: its shape is (4, 6, 7), its image's (5, 6, 7)" in reasons["a_seg.nii"]
    assert "not a NIfTI file" in reasons["c.nii"]
    assert cases[0].masks == {}


@pytest.mark.parametrize(
    ("setting", "error", "why"),
    [
        ({"axis": "axal"}, ChoiceError, "did you mean 'axial'"),
        ({"slices": 0}, DataError, "slices=0 is not middle"),
        ({"slices": "some"}, DataError, "slices='some' is not middle"),
        ({"window": "3"}, DataError, "is not centre,width"),
        ({"volume": 4}, DataError, "has no volume 4"),
    ],
)
def test_wrong_settings_are_answered_at_once(layout, setting, error, why):
    with pytest.raises(error, match=why):
        read("nifti", layout("nifti"), **setting)
