"""Small data sets in the exact layout of each format, written where a test wants them."""

import csv
import json
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


def write_mask(
    path: Path, *boxes: tuple[int, int, int, int], width: int = 8, height: int = 6
) -> Path:
    """Write a mask of 0 and 255 in which the boxes (left, top, width, height) are filled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((height, width), np.uint8)
    for left, top, across, down in boxes:
        pixels[top : top + down, left : left + across] = 255
    Image.fromarray(pixels).save(path)
    return path


def write_json(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
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


def busi(root: Path) -> Path:
    for name, boxes in {
        "benign/benign (1)": [(1, 1, 2, 2)],
        "benign/benign (2)": [(0, 0, 1, 1), (6, 4, 2, 2)],
        "benign/benign (10)": [(3, 2, 4, 1)],
        "malignant/malignant (1)": [(2, 0, 5, 5)],
        "normal/normal (1)": [(0, 0, 0, 0)],
    }.items():
        write_png(root / f"{name}.png")
        for number, box in enumerate(boxes):
            write_mask(root / f"{name}_mask{f'_{number}' if number else ''}.png", box)
    return root


FILMS = {"0001_0": "normal", "0023_1": "cavity in the right\nupper lobe", "0104_1": "effusion"}


def montgomery(root: Path) -> Path:
    for number, said in FILMS.items():
        write_png(root / "CXR_png" / f"MCUCXR_{number}.png")
        write_mask(root / "ManualMask" / "leftMask" / f"MCUCXR_{number}.png", (5, 1, 2, 4))
        write_mask(root / "ManualMask" / "rightMask" / f"MCUCXR_{number}.png", (1, 1, 2, 3))
        reading = root / "ClinicalReadings" / f"MCUCXR_{number}.txt"
        reading.parent.mkdir(exist_ok=True)
        reading.write_text(f"Patient's Sex: F \nPatient's Age: 027Y\n{said}\n")
    return root


def shenzhen(root: Path) -> Path:
    for number, said in FILMS.items():
        write_png(root / "CXR_png" / f"CHNCXR_{number}.png")
        reading = root / "ClinicalReadings" / f"CHNCXR_{number}.txt"
        reading.parent.mkdir(exist_ok=True)
        reading.write_text(f"male 45yrs\n{said}")
    write_mask(root / "mask" / "CHNCXR_0001_0_mask.png", (1, 1, 2, 4), (5, 1, 2, 4))
    write_mask(root / "mask" / "CHNCXR_0104_1_mask.png", (1, 1, 2, 4))
    return root


def pairs(root: Path) -> Path:
    for number, split in enumerate(("train", "val", "test")):
        for i in range(2):
            write_png(root / f"{split}_images" / f"{split}{i}.png")
            write_mask(root / f"{split}_masks" / f"{split}{i}.png", (number, i, 2, 3))
    return root


def described(case: str, number: int, caption: str | None, **changed: object) -> dict[str, object]:
    description = {
        "ACR Codes": "8.-1", "Age": "73", "Caption": caption, "Figure Part": None,
        "Modality": "CT - noncontrast", "Plane": "Axial", "Sex": "male",
    }  # fmt: skip
    image = f"{case}_synpic{number}"
    entry = {"Type": "CT", "U_id": case, "image": image, "Description": description,
             "Location": "Genitourinary", "Location Category": "Abdomen"}  # fmt: skip
    return {**entry, **changed}


def medpix(root: Path) -> Path:
    entries = [
        described("MPX1009", 1, "A large prostate.\n\nNo mass."),
        described("MPX1009", 2, "A large prostate.\n\nNo mass."),
        described("MPX1024", 3, "A mass.", Type="MR", **{"Location Category": "Thorax"}),
        described("MPX1031", 4, None, **{"Location Category": "Head"}),
    ]
    entries[3]["Description"].update(Age="N/A", Sex="N/A")
    write_json(root / "Descriptions.json", entries)
    topics = [
        {"U_id": case, "TAC": [], "MRI": [], "Case": {"Title": title}, "Topic": {"Title": "x"}}
        for case, title in (("MPX1009", "Large prostate"), ("MPX1024", "Carcinoma"))
    ]
    write_json(root / "Case_topic.json", topics)
    for entry in entries:
        write_png(root / "images" / f"{entry['image']}.png")
    return root


ORGANS = {"synpic1.jpg": "HEAD", "synpic2.jpg": "CHEST", "synpic3.jpg": "ABD"}


def asked(qid: int, image: str, question: str, answer: object, kind: str, phrase: str) -> dict:
    return {"qid": qid, "image_name": image, "image_organ": ORGANS[image], "question": question,
            "answer": answer, "answer_type": kind, "question_type": "PRES",
            "phrase_type": phrase}  # fmt: skip


def vqa_rad(root: Path) -> Path:
    entries = [
        asked(1, "synpic1.jpg", "Is there an infarct?", "Yes", "CLOSED", "freeform"),
        asked(2, "synpic2.jpg", "What is shown?", "the chest ", "OPEN", "freeform"),
        asked(3, "synpic1.jpg", "Which side?", "left", "OPEN", "test_freeform"),
        asked(4, "synpic2.jpg", "How many ribs?", 12, "CLOSED ", "para"),
        asked(5, "synpic3.jpg", "Is it a CT?", "no", "CLOSED", "test_para"),
    ]
    write_json(root / "VQA_RAD Dataset Public.json", entries)
    for image in ORGANS:
        write_png(root / "VQA_RAD Image Folder" / f"{image}.png").rename(
            root / "VQA_RAD Image Folder" / image
        )
    return root


def slake(root: Path) -> Path:
    for number, name in enumerate(("train", "validate", "test"), 1):
        image = f"xmlab{number}/source.jpg"
        about = {"img_id": number, "img_name": image, "location": "Abdomen", "modality": "CT",
                 "content_type": "Organ", "triple": ["vhead", "_", "_"]}  # fmt: skip
        questions = [
            ("Which organ is shown?", "Liver", "en", "OPEN"),
            ("Is the liver healthy?", "No", "en", "CLOSED"),
            ("图中有哪个器官?", "肝脏", "zh", "OPEN"),
        ]
        rows = [
            {**about, "question": question, "answer": answer, "q_lang": language,
             "answer_type": kind, "qid": 10 * number + i}
            for i, (question, answer, language, kind) in enumerate(questions)
        ]  # fmt: skip
        write_json(root / f"{name}.json", rows)
        folder = root / "imgs" / f"xmlab{number}"
        write_png(folder / "source.png").rename(folder / "source.jpg")
        write_json(
            folder / "detection.json", [{"Liver": [1.0, 1.0, 4.0, 3.5]}, {"Spleen": [6, 2, 2, 2]}]
        )
    return root


def webdataset(root: Path) -> Path:
    """Two shards as third parties write them: image and text, some JSON."""
    import io
    import tarfile

    root.mkdir(parents=True, exist_ok=True)
    for shard in range(2):
        with tarfile.open(root / f"{shard:05}.tar", "w") as tar:
            for i in range(3):
                key = f"{shard}{i:04}"
                image = write_png(root / f"{key}.png")
                parts = {"png": image.read_bytes(), "txt": f"Film {key}.".encode(),
                         "json": json.dumps({"pmid": key, "deep": {}}).encode()}  # fmt: skip
                image.unlink()
                for kind, content in parts.items():
                    member = tarfile.TarInfo(f"./{key}.{kind}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return root


def phantom(root: Path) -> None:
    """The phantom is drawn, not read: it takes no folder."""


LAYOUTS: dict[str, Callable[[Path], Path | None]] = {
    layout.__name__: layout
    for layout in (
        busi,
        folder,
        iu_xray,
        manifest,
        medmnist,
        medpix,
        montgomery,
        nih_cxr14,
        pairs,
        phantom,
        roco,
        shenzhen,
        slake,
        vqa_rad,
        webdataset,
    )
}


@pytest.fixture
def layout(tmp_path):
    """Return a function that writes the small data set of a reader and gives its folder."""
    return lambda reader, **changed: LAYOUTS[reader](tmp_path / reader, **changed)


@pytest.fixture
def png():
    return write_png


@pytest.fixture
def table():
    return write_csv


@pytest.fixture
def mask():
    return write_mask


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
