"""The house is as its picture says: floors, small rooms, doors that open, nothing that leaks."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "vesalius"
FOLDERS = ("core", "data", "encoders", "objectives", "embedding", "training", "evaluation",
           "explanation", "segmentation", "reporting", "studies")  # fmt: skip
FILES = sorted(SOURCE.rglob("*.py"))
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
HEAVY = {"torch", "numpy", "pydantic", "matplotlib", "sklearn", "scipy", "pyarrow", "PIL"}
ROOM, FUNCTION, PARAMETERS = 320, 70, 10  # lines, lines, parameters
WIDER = {
    "mmd_test": 13
}  # a whole design in one call: samples, kernel, statistic, what is exchanged
MODULES = {"pylibjpeg_openjpeg": "openjpeg", "pylibjpeg_rle": "rle", "python_gdcm": "gdcm",
           "umap_learn": "umap", "scikit_image": "skimage",
           "opencv_python_headless": "cv2"}  # fmt: skip
REGISTRIES = (
    ("vesalius.data.readers", "READERS"),
    ("vesalius.encoders.loading", "ENCODERS"),
    ("vesalius.objectives", "OBJECTIVES"),
    ("vesalius.objectives", "SUPERVISED"),
    ("vesalius.explanation", "EXPLAINERS"),
    ("vesalius.segmentation.prompted", "PROMPTED"),
    ("vesalius.segmentation.refine", "REFINERS"),
    ("vesalius.studies.recipe", "STAGES"),
)


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def loaded_by(*words):
    """Return the top-level modules that a fresh Python has loaded after some code."""
    listed = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    code = f"import sys; {' '.join(words)}; {listed}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_vesalius_loads_nothing_heavy():
    assert not loaded_by("import vesalius") & (HEAVY | {"typer", "rich", "yaml", "jinja2"})


def test_help_loads_nothing_heavy():
    code = "from vesalius.cli.main import app; app(['--help'], standalone_mode=False)"
    assert not loaded_by(code) & HEAVY


def test_refiners_and_prompts_load_nothing_heavy_before_they_are_called():
    assert not loaded_by("import vesalius.segmentation") & (HEAVY - {"numpy"} | {"skimage"})


def test_measures_and_pages_need_no_torch():
    modules = (
        "import vesalius.core, vesalius.evaluation, vesalius.reporting, vesalius.studies.recipe"
    )
    touched = "vesalius.evaluation.classification; vesalius.reporting.render"
    assert "torch" not in loaded_by(f"{modules}; {touched}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_public_name_is_there_and_explained(folder):
    module = importlib.import_module(f"vesalius.{folder}")
    assert module.__doc__
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value) or isinstance(value, type):
            assert value.__doc__, f"{folder}.{name} has no docstring"


@pytest.mark.parametrize(("module", "registry"), REGISTRIES)
def test_every_entry_of_a_registry_opens(module, registry):
    entries = getattr(importlib.import_module(module), registry)
    assert entries
    for name, place in entries.items():
        home, _, function = place.partition(":")
        assert getattr(importlib.import_module(home), function).__doc__, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= ROOM
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < FUNCTION, node.name
            arguments = node.args
            count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
            assert count <= WIDER.get(node.name, PARAMETERS), f"{node.name} has {count} parameters"


def test_no_room_is_called_by_a_name_that_says_nothing():
    nothing = {"utils", "util", "helpers", "misc", "common", "base"}
    assert not {path.stem for path in FILES} & nothing


def test_the_floors_of_the_picture_are_those_that_are_checked():
    picture = (ROOT / "docs" / "architecture.md").read_text()
    drawn = re.search(r"```floors\n(.*?)```", picture, re.S)[1].split("\n")[:-1]
    contract = project()["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [layer.replace("vesalius.", "") for layer in contract] == drawn
    named = {name for layer in drawn for name in layer.split(" | ")}
    assert named == {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}


def test_every_command_is_documented():
    import typer

    from vesalius.cli.main import app

    words = " ".join(page.read_text() for page in PAGES)

    def walk(command, path):
        for name, sub in getattr(command, "commands", {}).items():
            yield from walk(sub, [*path, name])
        if not getattr(command, "commands", {}):
            yield " ".join(path)

    missing = [c for c in walk(typer.main.get_command(app), ["vesalius"]) if c not in words]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), target


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index


def test_every_reader_has_a_page_with_its_commands():
    from vesalius.data import READERS

    index = (ROOT / "docs" / "data.md").read_text()
    for name in set(READERS) - {"phantom"}:
        page = (ROOT / "docs" / "formats" / f"{name}.md").read_text()
        assert f"vesalius data inspect {name} " in page
        assert f"vesalius embed {name} " in page
        assert f"(formats/{name}.md)" in index


def test_every_model_with_files_is_in_the_index_of_models():
    from vesalius.encoders import catalogue

    index = (ROOT / "docs" / "models" / "README.md").read_text()
    shapes = (":ARCH", ":OWNER", ":NAME", "torchxrayvision:")  # many models under one page
    named = [c.name for c in catalogue() if c.files and not any(s in c.name for s in shapes)]
    assert len(named) > 20
    assert not [name for name in named if f"`{name}`" not in index]


def test_every_extra_can_be_imported():
    for name, wanted in project()["project"]["optional-dependencies"].items():
        for requirement in wanted:
            module = re.match(r"[\w-]+", requirement)[0].replace("-", "_")
            assert importlib.import_module(MODULES.get(module, module)), name


def test_nothing_tracked_names_an_address_or_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of what is tracked")
    places = [r"py" r"pi\.org", r"pyth" r"onhosted", r"/ro" r"ot/", r"/wo" r"rk/", r"/ho" r"me/\w",
              r"index" r"-url", r"registry\.np" r"m"]  # fmt: skip
    forbidden = re.compile("|".join(places))
    assert "uv.lock" not in listed.stdout
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".png", ".jpg") or not path.is_file():
            continue
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert not found, f"{name}: {found}"
