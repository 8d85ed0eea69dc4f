"""Small data sets in the exact layout of each format, written where a test wants them."""

import csv
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_png(path: Path, *, width: int = 8, height: int = 6, value: int | None = None) -> Path:
    """Write a grey PNG; without a value its pixels depend on its name, so that files differ."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(path.name.encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(pixels if value is None else np.full_like(pixels, value)).save(path)
    return path


def write_csv(path: Path, header: Iterable[str], *rows: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *rows])
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that declares any size: the shape of a decompression bomb."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def manifest(root: Path) -> Path:
    names = ["images/a.png", "images/b.png", "images/c.png", "images/d.png"]
    for name in names:
        write_png(root / name)
    header = ("image", "case_id", "patient_id", "text", "split", "Edema", "Fracture", "sex")
    rows = [
        (names[0], "a", "p1", "No edema.", "train", 0, "", "f"),
        (names[1], "b", "p1", "Edema.", "training", 1, 0, "f"),
        (names[2], "c", "p2", "", "val", -1, 1, "m"),
        (names[3], "d", "p3", "Edema?", "testing", "", "true", "m"),
    ]
    write_csv(root / "manifest.csv", header, *rows)
    return root


def folder(root: Path) -> Path:
    for split in ("train", "val", "test"):
        for label in ("benign", "malignant"):
            for i in range(2):
                write_png(root / split / label / f"{split}_{label} ({i}).png")
    return root


REPORTS = ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression")


def iu_xray(root: Path) -> Path:
    reports = [
        (1, "normal", "normal", "Xray Chest", "cough", "None.", "Clear lungs.", "Normal chest."),
        (2, "Cardiomegaly/mild;Thickening/pleura/left", "Cardiomegaly;Thickening", "PA", "", "",
         "", "Big heart."),
        (3, "No Indexing", "No Indexing", "PA", "", "", "", ""),
    ]  # fmt: skip
    write_csv(root / "indiana_reports.csv", REPORTS, *reports)
    films = [
        (1, "1_IM-0001-4001.dcm.png", "Frontal"),
        (1, "1_IM-0001-3001.dcm.png", "Lateral"),
        (2, "2_IM-0652-1001.dcm.png", "Frontal"),
        (3, "3_IM-1384-1001.dcm.png", "Frontal"),
    ]
    write_csv(root / "indiana_projections.csv", ("uid", "filename", "projection"), *films)
    for _, name, _ in films:
        write_png(root / "images" / "images_normalized" / name)
    return root


NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def nih_cxr14(root: Path) -> Path:
    rows = [
        "00000001_000.png,Cardiomegaly|Effusion,0,1,58,M,PA,2682,2749,0.143,0.143",
        "00000001_001.png,No Finding,1,1,58,M,PA,2682,2749,0.143,0.143",
        "00000002_000.png,Infiltration,0,2,81,F,AP,2500,2048,0.171,0.171",
    ]
    root.mkdir(parents=True, exist_ok=True)
    table = "\n".join([NIH_HEADER, *rows]) + "\n"
    (root / "Data_Entry_2017_v2020.csv").write_text(table)
    boxes = [
        "Image Index,Finding Label,Bbox [x,y,w,h],,,",
        "00000001_000.png,Cardiomegaly,256,512,128.0,64.5,,,",
        "00000002_000.png,Infiltrate,0,0,1024,1024,,,",
        "00009999_000.png,Mass,1,2,3,4,,,",
    ]
    (root / "BBox_List_2017.csv").write_text("\n".join(boxes) + "\n")
    for row in rows:
        write_png(root / "images" / row.partition(",")[0], width=512, height=256)
    return root


def roco(root: Path) -> Path:
    for number, split in enumerate(("train", "validation", "test"), 1):
        for subset in ("radiology", "non-radiology"):
            own = root / "data" / split / subset
            name = f"ROCO_{number:05}" if subset == "radiology" else f"ROCO_9{number:04}"
            write_png(own / "images" / f"{name}.png").rename(own / "images" / f"{name}.jpg")
            (own / "captions.txt").write_text(f"{name}\t A film of {split}, with one line.\n")
            (own / "keywords.txt").write_text(f"{name}\tfilm\t{split}\n")
    return root


def medmnist(root: Path, *, name: str = "breastmnist", **changed: object) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 5), ("val", 2), ("test", 3)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    np.savez_compressed(root / f"{name}.npz", **{**arrays, **changed})
    return root


def write_dicom(path: Path, pixels: np.ndarray | None = None, **elements: object) -> Path:
    """Write a DICOM file (explicit little endian); without pixels they depend on its name."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels is None:
        seed = zlib.crc32(path.name.encode())
        pixels = np.random.default_rng(seed).integers(0, 4096, (6, 8), dtype=np.uint16)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{zlib.crc32(str(path).encode())}"
    own = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    frames = pixels if pixels.ndim == 3 + colour else pixels[None]
    bits = 8 * pixels.itemsize
    standard = {
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "DX",
        "Rows": frames.shape[1],
        "Columns": frames.shape[2],
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **({"PlanarConfiguration": 0} if colour else {}),
        **({"NumberOfFrames": len(frames)} if len(frames) > 1 else {}),
    }
    for keyword, value in {**standard, **elements}.items():
        setattr(own, keyword, value)
    own.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    own["PixelData"].VR = "OW" if bits > 8 else "OB"
    own.save_as(path, enforce_file_format=True)
    return path


def dicom(root: Path) -> Path:
    ramp = np.arange(48, dtype=np.int16).reshape(6, 8)
    series = {"PatientID": "P1", "SeriesInstanceUID": "1.2.3.1", "Modality": "CT"}
    plane = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "RescaleIntercept": -1024}
    for number in (3, 1, 2):
        write_dicom(
            root / "ct" / f"IM{number}",
            ramp * 30 + number,
            InstanceNumber=10 - number,
            ImagePositionPatient=[0, 0, 5.0 * number],
            WindowCenter=40,
            WindowWidth=400,
            RescaleSlope=1,
            **series,
            **plane,
        )
    write_dicom(root / "film.dcm", PatientID="P2", PatientAge="045Y", PatientSex="F",
                ViewPosition="PA", PhotometricInterpretation="MONOCHROME1")  # fmt: skip
    write_dicom(root / "cine.dcm", np.arange(144, dtype=np.uint8).reshape(3, 6, 8), PatientID="P3")
    (root / "notes.txt").write_text("no film")
    return root


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return path


def nifti(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for patient in ("p1", "p2"):
        values = rng.integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
        write_nifti(root / patient / f"{patient}_t1.nii.gz", values)
        write_nifti(root / patient / f"{patient}_seg.nii.gz", (values > 500).astype(np.uint8) * 2)
    write_nifti(root / "alone.nii", values)
    return root


def phantom(root: Path) -> None:
    """The phantom is drawn, not read: it takes no folder."""


LAYOUTS: dict[str, Callable[[Path], Path | None]] = {
    layout.__name__: layout
    for layout in (dicom, manifest, folder, iu_xray, nih_cxr14, nifti, roco, medmnist, phantom)
}


@pytest.fixture
def layout(tmp_path):
    """Return a function that writes the small data set of a reader and gives its folder."""
    return lambda reader, **changed: LAYOUTS[reader](tmp_path / reader, **changed)


@pytest.fixture
def png():
    return write_png


@pytest.fixture
def dcm():
    return write_dicom


@pytest.fixture
def nii():
    return write_nifti


@pytest.fixture
def table():
    return write_csv


@pytest.fixture
def bomb():
    return png_header


@pytest.fixture
def cases():
    """Return a function that makes cases without files: patients, labels and splits are given."""
    from vesalius.core import ArrayImages, CaseSet

    def make(patients, labels_NC=None, names=(), **columns):
        n = len(patients) if patients is not None else len(labels_NC)
        ids = [f"case{i:05}" for i in range(n)]
        pixels = np.arange(n, dtype=np.uint32).view(np.uint8).reshape(n, 2, 2)
        return CaseSet(
            case_ids=np.array(ids),
            images=ArrayImages(pixels, ids),
            labels_NC=np.zeros((n, 0)) if labels_NC is None else np.asarray(labels_NC, float),
            label_names=tuple(names),
            patient_ids=None if patients is None else np.array(patients, dtype=np.str_),
            source="made",
            **columns,
        )

    return make
