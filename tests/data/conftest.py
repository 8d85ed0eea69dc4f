"""Small data sets in the exact layout of each format, written where a test wants them."""

import csv
import gzip
import io
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


def as_jpg(path: Path) -> Path:
    """Write a small JPEG; its pixels depend on its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    png = write_png(path.with_suffix(".png"))
    with Image.open(png) as image:
        image.save(path)
    png.unlink()
    return path


def ecgen(uid: str, films: Iterable[str], major: Iterable[str], **sections: str) -> str:
    """Return a report as Open-I publishes it."""
    said = "".join(f'<AbstractText Label="{k.upper()}">{v}</AbstractText>' for k, v in
                   sections.items())  # fmt: skip
    coded = "".join(f"<major>{term}</major>" for term in major)
    shown = "".join(
        f'<parentImage id="{film}"><figureId>F1</figureId><caption>PA and lateral</caption>'
        f"<url>/hadoop/{film}.jpg</url></parentImage>"
        for film in films
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<eCitation><meta type="rr"/><uId id="{uid}"/>'
        '<MedlineCitation Owner="Indiana University"><Article PubModel="Electronic"><Abstract>'
        f"{said}</Abstract></Article></MedlineCitation>"
        f"<MeSH>{coded}<automatic>heart</automatic></MeSH>{shown}</eCitation>"
    )


def iu_xray_xml(root: Path) -> Path:
    films = ["CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001"]
    reports = {
        1: ecgen("CXR1", films, ["normal"], comparison="None.", findings="Clear\n lungs.",
                 impression="Normal chest."),
        2: ecgen("CXR2", ["CXR2_IM-0652-1001"], ["Cardiomegaly/borderline", "Thickening/pleura"],
                 findings="", impression="Big heart &amp; pleura."),
        10: ecgen("CXR10", [], ["No Indexing"], impression="No film."),
    }  # fmt: skip
    (root / "ecgen-radiology").mkdir(parents=True)
    for number, report in reports.items():
        (root / "ecgen-radiology" / f"{number}.xml").write_text(report)
    for film in (*films, "CXR2_IM-0652-1001"):
        write_png(root / "NLMCXR_png" / f"{film}.png")
    return root


def iu_xray_r2gen(root: Path) -> Path:
    lists: dict[str, list[dict[str, object]]] = {"train": [], "val": [], "test": []}
    for number, (split, own) in enumerate(lists.items(), 1):
        study = f"CXR{number}_IM-000{number}"
        images = [f"{study}/0.png", f"{study}/1.png"]
        own.append({"id": study, "report": f"Report {number}.", "image_path": images,
                    "split": split})  # fmt: skip
        for image in images:
            write_png(root / "images" / image, value=number * 2 + int(image[-5]))
    (root / "annotation.json").write_text(json.dumps(lists))
    return root


def rocov2(root: Path) -> Path:
    for number, split in enumerate(("train", "valid", "test"), 1):
        name = f"ROCOv2_2023_{split}_{number:06}"
        as_jpg(root / split / f"{name}.jpg")
        write_csv(root / f"{split}_captions.csv", ("ID", "Caption"), (name, f"A CT, {split}."))
        write_csv(root / f"{split}_concepts.csv", ("ID", "CUIs"), (name, "C0040405;C0817096"))
    return root


FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion",
    "Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
    "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip


def found(**states: object) -> list[object]:
    """Return a row of the 14 findings, blank where nothing is said."""
    return [states.get(name.replace(" ", "_"), "") for name in FINDINGS]


def chexpert(root: Path) -> Path:
    header = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FINDINGS)
    films = {
        "train": [
            ("patient00001/study1/view1_frontal.jpg", "Female", 68, "Frontal", "AP",
             *found(Edema="1.0", Pneumonia="-1.0", Fracture="0.0")),
            ("patient00001/study1/view2_lateral.jpg", "Female", 68, "Lateral", "",
             *found(Edema="1.0", Pneumonia="-1.0", Fracture="0.0")),
            ("patient00002/study2/view1_frontal.jpg", "Male", 87, "Frontal", "PA",
             *found(No_Finding="1.0")),
        ],
        "valid": [("patient64541/study1/view1_frontal.jpg", "Male", 73, "Frontal", "AP",
                   *found(Cardiomegaly="1.0"))],
    }  # fmt: skip
    for split, rows in films.items():
        named = [(f"CheXpert-v1.0-small/{split}/{path}", *rest) for path, *rest in rows]
        write_csv(root / f"{split}.csv", header, *named)
        for path, *_ in rows:
            as_jpg(root / split / path)
    return root


def mimic_cxr_jpg(root: Path) -> Path:
    films = [  # dicom_id, subject_id, study_id, ViewPosition, split
        ("02aa804e-bde0afdd", 10000032, 50414267, "PA", "train"),
        ("174413ec-4ec4c1f7", 10000032, 50414267, "LATERAL", "train"),
        ("2a2277a9-b0ded155", 10000764, 57375967, "AP", "validate"),
        ("68b5c4b1-227d0485", 10000898, 50771383, "LL", "test"),
        ("abea5eb9-b7c32823", 10000935, 50578979, "AP", "test"),
    ]
    header = ("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription",
              "ViewPosition", "Rows", "Columns")  # fmt: skip
    tables = {
        "metadata": [header, *((d, p, s, "CHEST", v, 3056, 2544) for d, p, s, v, _ in films)],
        "split": [("dicom_id", "study_id", "subject_id", "split"),
                  *((d, s, p, split) for d, p, s, _, split in films)],
        "chexpert": [("subject_id", "study_id", *FINDINGS),
                     (10000032, 50414267, *found(No_Finding="1.0")),
                     (10000764, 57375967, *found(Consolidation="-1.0", Edema="0.0")),
                     (10000898, 50771383, *found(Fracture="1.0"))],
        "negbio": [("subject_id", "study_id", *FINDINGS),
                   (10000764, 57375967, *found(Consolidation="1.0"))],
    }  # fmt: skip
    for kind, rows in tables.items():
        plain = write_csv(root / f"mimic-cxr-2.0.0-{kind}.csv", *rows)
        (root / f"mimic-cxr-2.0.0-{kind}.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    sections = ("study", "impression", "findings", "last_paragraph", "comparison")
    write_csv(root / "mimic_cxr_sectioned.csv", sections,
              ("s50414267", "No acute\n process.", "Clear lungs.", "", ""),
              ("s57375967", "", "", "Focal consolidation.", ""))  # fmt: skip
    for dicom, patient, study, *_ in films:
        as_jpg(root / f"files/p{str(patient)[:2]}/p{patient}/s{study}/{dicom}.jpg")
    return root


def pmc_oa(root: Path) -> Path:
    rows = [
        {"image": "PMC212319_Fig3_4.jpg", "caption": "A. Real time image."},
        {"image": "PMC212319_Fig3_5.jpg", "caption": "B. Another panel."},
        {"image": "PMC544898_F1.jpg", "caption": "Axial CT."},
    ]
    for row in rows:
        as_jpg(root / "images" / row["image"])
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "pmc_oa.jsonl").write_text(lines)
    return root


def image_bytes(name: str, kind: str = "PNG") -> bytes:
    """Return the file of a small image; its pixels depend on its name."""
    seed = zlib.crc32(name.encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def hf_metadata(features: dict[str, object]) -> dict[bytes, bytes]:
    """Return a schema's metadata as the datasets library writes it."""
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


CLASSES = {"names": ["benign", "malignant", "normal"], "_type": "ClassLabel"}
FEATURES = {"image": {"_type": "Image"}, "label": CLASSES,
            "caption": {"dtype": "string", "_type": "Value"}}  # fmt: skip


def hf_rows(part: str, n: int = 3) -> dict[str, list[object]]:
    names = [f"{part}{i}.png" for i in range(n)]
    return {
        "image": [{"bytes": image_bytes(name), "path": name} for name in names],
        "label": [i % 2 for i in range(n)],
        "caption": [f"Film {name}." for name in names],
        "patient": [f"p{i // 2}" for i in range(n)],
        "age": [60 + i for i in range(n)],
    }


def hf_dataset(root: Path, **changed: list[object]) -> Path:
    """Write two shards of training rows and one of test rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (root / "data").mkdir(parents=True)
    names = ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")
    for number, name in enumerate(names):
        rows = pa.table({**hf_rows(f"{number}-"), **changed})
        rows = rows.replace_schema_metadata(hf_metadata(FEATURES))
        pq.write_table(rows, root / "data" / f"{name}.parquet", row_group_size=2)
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


def coco(root: Path, **changed: object) -> Path:
    names = ["p1_a.png", "p1_b.png", "p2_a.png"]
    for name in names:
        write_png(root / "images" / name, width=40, height=20)
    content = {
        "info": {"year": 2020},
        "images": [
            {"id": 10 + i, "file_name": name, "width": 80, "height": 40}
            for i, name in enumerate(names)
        ],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 7, "bbox": [8, 4, 20.0, 10], "iscrowd": 0},
            {"id": 2, "image_id": 10, "category_id": 3, "bbox": [0, 0, 80, 40]},
            {"id": 3, "image_id": 12, "category_id": 7, "bbox": [70, 30, 10.5, 10]},
        ],
        "categories": [{"id": 7, "name": "Mass"}, {"id": 3, "name": "Nodule"}],
    }
    write_json(root / "annotations" / "instances.json", content | changed)
    return root


def vindr_cxr(root: Path) -> Path:
    header = ("image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max")
    rows = [
        ("aa", "Cardiomegaly", 3, "R1", 20, 40, 60, 60),
        ("aa", "Cardiomegaly", 3, "R2", 22, 40, 62, 60),
        ("aa", "Pleural effusion", 10, "R2", 0, 0, 80, 80),
        ("bb", "No finding", 14, "R1", "", "", "", ""),
        ("bb", "No finding", 14, "R3", "", "", "", ""),
    ]
    write_csv(root / "train.csv", header, *rows)
    write_csv(root / "train_meta.csv", ("image_id", "dim0", "dim1"), ("aa", 80, 80), ("bb", 80, 80))
    for name in ("aa", "bb"):
        write_png(root / "train" / f"{name}.png", width=40, height=20)
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
    for layout in (
        busi,
        chexpert,
        coco,
        dicom,
        folder,
        hf_dataset,
        iu_xray,
        iu_xray_r2gen,
        iu_xray_xml,
        manifest,
        medmnist,
        medpix,
        mimic_cxr_jpg,
        montgomery,
        nih_cxr14,
        nifti,
        pairs,
        phantom,
        pmc_oa,
        roco,
        rocov2,
        shenzhen,
        slake,
        vindr_cxr,
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
def dcm():
    return write_dicom


@pytest.fixture
def nii():
    return write_nifti


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
