"""Masks as volumes: every voxel where its image's is, whatever way the image is stored."""

import itertools

import numpy as np
import pytest

from vesalius.core import DataError, ImageError
from vesalius.data.images.nifti import opened_volume, slice_of
from vesalius.segmentation.writing import nifti_mask

nibabel = pytest.importorskip("nibabel")
AFFINE = np.array([[2.0, 0, 0, -5], [0, 3, 0, 4], [0, 0, 4, 1], [0, 0, 0, 1]])
ORIENTATIONS = [
    np.stack([axes, flips], axis=1)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def looked_at(path, axis, place):
    with opened_volume(path) as volume:
        return np.asarray(slice_of(volume, {axis: str(place)})[1])


def written(path, content):
    path.write_bytes(content)
    return nibabel.load(path)


def test_all_48_orientations_take_a_mask_where_their_bright_voxels_are(tmp_path):
    values = np.random.default_rng(0).permutation(5 * 6 * 7).astype(np.int16).reshape(5, 6, 7)
    canonical = nibabel.Nifti1Image(values, AFFINE)
    source = tmp_path / "a.nii"
    for orientation in ORIENTATIONS:
        nibabel.save(canonical.as_reoriented(orientation), source)
        stored = nibabel.load(source)
        for axis, depth in (("sagittal", 5), ("coronal", 6), ("axial", 7)):
            own = [looked_at(source, axis, k) > 100 for k in range(depth)]
            mask = written(
                tmp_path / "m.nii.gz",
                nifti_mask(source, [{axis: str(k)} for k in range(depth)], own),
            )
            np.testing.assert_array_equal(np.asarray(mask.dataobj), stored.get_fdata() > 100)
            np.testing.assert_array_equal(mask.affine, stored.affine)
            assert mask.get_data_dtype() == np.uint8


def test_slices_that_nobody_asked_for_are_empty_and_the_shape_stays(tmp_path):
    source = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.float32), AFFINE), source)
    mask = written(
        tmp_path / "m.nii.gz", nifti_mask(source, [{"axial": "2"}], [np.ones((5, 4), bool)])
    )
    assert mask.shape == (4, 5, 6)
    assert np.asarray(mask.dataobj).sum((0, 1)).tolist() == [0, 0, 20, 0, 0, 0]


def test_an_oblique_quaternion_stays_as_it_is(tmp_path):
    turn = np.deg2rad(20)
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    image.set_qform(oblique @ AFFINE, code=1)
    image.header["descrip"] = b"DOE JANE"
    nibabel.save(image, tmp_path / "a.nii")
    source = nibabel.load(tmp_path / "a.nii")
    content = nifti_mask(tmp_path / "a.nii", [{}], [np.ones((4, 3), bool)])
    mask = written(tmp_path / "m.nii.gz", content)
    np.testing.assert_array_equal(mask.affine, source.affine)
    assert int(mask.header["qform_code"]) == int(source.header["qform_code"])
    assert int(mask.header["sform_code"]) == int(source.header["sform_code"])
    assert not bytes(mask.header["descrip"]).strip(b"\0"), "free text may name a patient"


def test_a_series_of_volumes_gets_one_mask_and_a_flat_image_a_flat_one(tmp_path):
    for shape, expected in (((4, 5, 6, 3), (4, 5, 6)), ((4, 5), (4, 5))):
        source = tmp_path / "a.nii"
        nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), AFFINE), source)
        mask_HW = np.arange(20).reshape(5, 4) % 3 == 0
        picks = {"axial": "0", **({"volume": "2"} if len(shape) == 4 else {})}
        mask = written(tmp_path / "m.nii.gz", nifti_mask(source, [picks], [mask_HW]))
        assert mask.shape == expected
        np.testing.assert_array_equal(looked_at(tmp_path / "m.nii.gz", "axial", 0) > 0, mask_HW)


def test_a_mask_of_another_size_and_a_slice_that_is_not_there_are_told(tmp_path):
    source = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), AFFINE), source)
    with pytest.raises(DataError, match=r"mask of \(4, 5\).*slice of \(5, 4\)"):
        nifti_mask(source, [{"axial": "1"}], [np.ones((4, 5), bool)])
    with pytest.raises(ImageError, match="no axial slice 6"):
        nifti_mask(source, [{"axial": "6"}], [np.ones((5, 4), bool)])
