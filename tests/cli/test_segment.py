"""``vesalius segment``: every image and text becomes a mask in the form of its source."""

import zlib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vesalius.cli.main import app
from vesalius.core import DataError, ModelError, VesaliusError
from vesalius.core.files import read_json
from vesalius.data.images.mask_files import read_mask

TINY = ["-m", "tiny", "model.image_size=32", "--sam", "none"]


def segment(*words):
    """Run the program; an error that a user can mend is raised."""
    done = CliRunner().invoke(app, ["segment", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def films(tmp_path):
    """Return a folder of a grey, a 16-bit, a colour and a flat image of different sizes."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "films"
    folder.mkdir()
    for name, pixels in {
        "grey": rng.integers(0, 256, (40, 56), dtype=np.uint8),
        "deep": rng.integers(0, 65536, (30, 30), dtype=np.uint16),
        "colour": rng.integers(0, 256, (48, 24, 3), dtype=np.uint8),
        "flat": np.zeros((20, 33), np.uint8),
    }.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def masks_of(run):
    return sorted(path.name for path in (run / "masks").iterdir())


def test_each_picture_gets_a_mask_of_its_own_size_for_each_text(films, tmp_path):
    run = tmp_path / "run"
    long = "opacity in the left upper lobe " * 20  # past every context
    said = segment("folder", films, *TINY, "-t", "A nodule", "-t", long, "--out", run)
    assert "4 images × 2 texts" in said
    assert len(masks_of(run)) == len(list((run / "overlays").iterdir())) == 8
    for name, size in {
        "grey": (40, 56),
        "deep": (30, 30),
        "colour": (48, 24),
        "flat": (20, 33),
    }.items():
        paths = list((run / "masks").glob(f"{name}-png-*.png"))
        assert len(paths) == 2
        assert all(read_mask(path).shape == size for path in paths)
    areas = [area for path in (run / "areas").iterdir() for area in read_json(path)["areas"]]
    own = next(area for area in areas if area["case"] == "grey.png" and area["text"] == "A nodule")
    mask_HW = read_mask(next((run / "masks").glob("grey-png-*_a-nodule.png")))
    assert own["share"] == mask_HW.mean()
    assert "Share of the image" in (run / "page.html").read_text()


def test_what_is_there_is_not_made_again_and_what_is_missing_is(films, tmp_path):
    words = ("folder", films, *TINY, "-t", "a nodule", "--out", tmp_path / "run")
    segment(*words)
    files = sorted((tmp_path / "run" / "masks").iterdir())
    content = files[0].read_bytes()
    times = [path.stat().st_mtime_ns for path in files]
    files[0].unlink()
    segment(*words)
    assert files[0].read_bytes() == content
    assert [path.stat().st_mtime_ns for path in files[1:]] == times[1:]


def test_unreadable_images_are_listed_bounded_and_tried_again(films, tmp_path):
    whole = (films / "grey.png").read_bytes()
    (films / "grey.png").write_bytes(whole[: len(whole) // 2])
    words = ("folder", films, *TINY, "-t", "a nodule", "--out")
    with pytest.raises(DataError, match=r"grey\.png"):
        segment(*words, tmp_path / "strict")
    kept = (*words, tmp_path / "run", "max_bad=0.5")
    assert "3 images × 1 texts" in segment(*kept)
    assert "grey.png" in (tmp_path / "run" / "page.html").read_text()
    (films / "grey.png").write_bytes(whole)
    assert "4 images × 1 texts" in segment(*kept)


def test_empty_maps_give_empty_masks_that_are_named(films, tmp_path, monkeypatch):
    from vesalius.core import Heatmap

    def nowhere(model, images, texts, *, device):
        return [[Heatmap(np.zeros(images[i].shape[:2]), "gradcam", t) for t in texts]
                for i in range(len(images))]  # fmt: skip

    monkeypatch.setattr("vesalius.studies.segmenting.masks.explainer", lambda _: nowhere)
    run = tmp_path / "run"
    words = ["-m", "tiny", "model.image_size=32", "--sam", "random_walker"]
    segment("folder", films, *words, "-t", "a nodule", "--out", run)
    assert not any(read_mask(path).any() for path in (run / "masks").iterdir())
    assert "4 masks are empty: colour.png: a nodule" in (run / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["-m", "timm:test_vit"], ModelError, "sees images only"),
        (["-m", "tiny", "--refiner", "kmean"], VesaliusError, "did you mean 'kmeans'"),
        (["-m", "tiny", "--method", "gradcan"], VesaliusError, "did you mean 'gradcam'"),
        (["-m", "tiny", "--sam", "nowhere"], VesaliusError, "nowhere"),
    ],
)
def test_mistakes_are_told_before_any_mask(films, tmp_path, words, error, said):
    with pytest.raises(error, match=said):
        segment("folder", films, *words, "model.image_size=32", "-t", "a nodule", "--out",
                tmp_path / "run")  # fmt: skip
    assert not (tmp_path / "run" / "masks").exists()


def test_a_volume_gets_a_volume_in_its_own_voxels(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    values = np.random.default_rng(0).integers(-1000, 1000, (24, 28, 5)).astype(np.int16)
    affine = np.diag([-2.0, 2, 3, 1])
    (tmp_path / "ct").mkdir()
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "ct" / "p1.nii.gz")
    run = tmp_path / "run"
    segment("nifti", tmp_path / "ct", "slices=all", *TINY, "-t", "a nodule", "--out", run)
    (name,) = masks_of(run)
    mask = nibabel.load(run / "masks" / name)
    assert mask.shape == values.shape
    np.testing.assert_array_equal(mask.affine, affine)
    (note,) = (run / "areas").iterdir()
    shares = [area["share"] for area in read_json(note)["areas"]]
    np.testing.assert_allclose(np.asarray(mask.dataobj).mean((0, 1)), shares)


def test_dicom_files_get_segmentation_objects_and_no_name_leaks(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    who = {"PatientName": "Doe^Jane", "PatientID": "MRN4711"}
    for name, frames in (("film.dcm", 1), ("cine.dcm", 3)):
        write_film(tmp_path / "set" / name, frames, **who)
    run = tmp_path / "run"
    said = segment(
        "dicom",
        tmp_path / "set",
        "frames=all",
        *TINY,
        "-t",
        "a nodule",
        "-t",
        "edema",
        "--out",
        run,
    )
    assert "4 images × 2 texts" in said
    found = {f.NumberOfFrames: f for f in map(pydicom.dcmread, (run / "masks").iterdir())}
    assert set(found) == {2, 6}
    for own in found.values():
        assert [s.SegmentLabel for s in own.SegmentSequence] == ["a nodule", "edema"]
        assert own.PatientID == "MRN4711"
    rest = [p for p in run.rglob("*") if p.is_file() and p.parent.name != "masks"]
    for secret in ("Jane", "MRN4711"):
        assert secret not in said
        assert not any(secret.encode() in path.read_bytes() for path in rest)


def write_film(path, frames, **elements):
    from pydicom.dataset import FileDataset, FileMetaDataset

    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(frames).integers(0, 4096, (frames, 20, 28), dtype=np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{zlib.crc32(path.name.encode())}"
    own = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    plain = {"SOPClassUID": meta.MediaStorageSOPClassUID, "Modality": "OT",
             "SOPInstanceUID": meta.MediaStorageSOPInstanceUID, "StudyInstanceUID": "1.2.3.1",
             "SeriesInstanceUID": "1.2.3.2", "Rows": 20, "Columns": 28, "SamplesPerPixel": 1,
             "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 12,
             "HighBit": 11, "PixelRepresentation": 0}  # fmt: skip
    several = {"NumberOfFrames": frames} if frames > 1 else {}
    for keyword, value in {**plain, **several, **elements}.items():
        setattr(own, keyword, value)
    own.PixelData = pixels.tobytes()
    own["PixelData"].VR = "OW"
    own.save_as(path, enforce_file_format=True)


def test_a_stop_before_a_case_is_noted_leaves_whole_files_and_work_goes_on(
    films, tmp_path, monkeypatch
):
    words = ("folder", films, *TINY, "-t", "a nodule", "--out", tmp_path / "run")

    def stop(path, value):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("vesalius.studies.segmenting.masks.write_json", stop)
        with pytest.raises(RuntimeError, match="killed"):
            segment(*words)
    assert all(read_mask(path).size for path in (tmp_path / "run" / "masks").iterdir())
    segment(*words)
    assert len(masks_of(tmp_path / "run")) == 4
    assert not [path for path in (tmp_path / "run").rglob(".*") if path.is_file()]
