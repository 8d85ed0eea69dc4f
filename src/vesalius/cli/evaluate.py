"""``vesalius evaluate``: how good a model's embeddings are, one question at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vesalius.cli.options import (
    AskedModel,
    Device,
    Folder,
    NoPatientId,
    Reader,
    RootAndSettings,
    Workers,
    parted,
    root_and_settings,
)

app = typer.Typer(help="Measure embeddings and predictions, with intervals.",
                  no_args_is_help=True)  # fmt: skip
Stages = tuple[list[Any], list[Any]]  # what adapts, what measures


@app.command("zero-shot")
def zero_shot(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    prompts: Annotated[
        str, typer.Option("--prompts", help="chest, generic, names, or a YAML file.")
    ] = "chest",
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Score findings by words alone, with nothing trained.

    \b
    Examples:
      vesalius evaluate zero-shot nih_cxr14 /data/nih --model biomedclip
      vesalius evaluate zero-shot medpix /data/medpix --model biomedclip --prompts generic
    """
    stages: Stages = [{"zero_shot": {"prompts": prompts}}], ["classification"]
    question = f"How well does {model} tell the findings by words alone?"
    _run("zero_shot", question, stages, (reader, root, model, no_patient_id), out, device, workers)


@app.command("linear-probe")
def linear_probe(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Fit logistic regression on frozen features.

    The strength of its regularisation is chosen on validation.

    Example: vesalius evaluate linear-probe nih_cxr14 /data/nih --model biomedclip
    """
    stages: Stages = [{"linear_probe": {}}], ["classification"]
    question = f"How much can a straight cut through {model}'s frozen features tell?"
    _run("linear_probe", question, stages, (reader, root, model, no_patient_id), out, device,
         workers)  # fmt: skip


@app.command("knn")
def knn(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Neighbours that vote.")] = 20,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Let the nearest training cases vote, weighted by cosine.

    Example: vesalius evaluate knn nih_cxr14 /data/nih --model biomedclip --k 50
    """
    stages: Stages = [{"knn": {"k": k}}], ["classification"]
    question = f"Do cases that lie close in {model}'s features have the same findings?"
    _run("knn", question, stages, (reader, root, model, no_patient_id), out, device, workers)


@app.command("fine-tune")
def fine_tune(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Train the image tower and a head on the labels.

    The linear probe stands beside it.

    \b
    Example:
      vesalius evaluate fine-tune nih_cxr14 /data/nih --model tiny fine_tune.epochs=20
    """
    stages: Stages = [{"linear_probe": {}}, {"fine_tune": {}}], ["classification"]
    question = f"Does fine-tuning {model} pay over a linear probe?"
    _run("fine_tune", question, stages, (reader, root, model, no_patient_id), out, device, workers)


@app.command()
def classifier(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Score a classifier that fine-tuning kept.

    \b
    Example:
      vesalius evaluate classifier nih_cxr14 /data/nih --model runs/mine/classifiers/fine-tune
    """
    stages: Stages = [{"classifier": {"path": model}}], ["classification"]
    question = f"How well does the classifier {Path(model).name} tell the findings?"
    _run("classifier", question, stages, (reader, root, model, no_patient_id), out, device, workers)


@app.command()
def retrieval(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Measure how often images find their texts, and the reverse.

    Example: vesalius evaluate retrieval medpix /data/medpix --model biomedclip
    """
    question = f"Does an image find its text by {model}, and a text its image?"
    _run("retrieval", question, ([], ["retrieval"]), (reader, root, model, no_patient_id), out,
         device, workers)  # fmt: skip


@app.command()
def separability(
    reader: Reader,
    model: AskedModel,
    root: RootAndSettings = None,
    out: Folder = None,
    device: Device = "cpu",
    workers: Workers = None,
    no_patient_id: NoPatientId = False,
) -> None:
    """Measure how far apart the findings lie, and draw their map.

    Example: vesalius evaluate separability nih_cxr14 /data/nih --model biomedclip
    """
    question = f"How do the findings lie in {model}'s features?"
    _run("separability", question, ([], ["separability"]), (reader, root, model, no_patient_id),
         out, device, workers)  # fmt: skip


@app.command()
def predictions(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE... [OURS=THEIRS]...",
            help="Ledgers, CSV or Parquet; then columns of another name, such as score=prob.",
        ),
    ],
    out: Folder = None,
    published: Annotated[
        bool, typer.Option("--published", help="Add the IU-Xray study's definitions.")
    ] = False,
) -> None:
    """Score saved predictions, also those of another tool.

    Two or more are compared. A ledger has one row per case and label: case_id,label,score,truth
    and, if known, patient_id, split, task, method. Thresholds come from its validation rows,
    scores from its test rows.

    Example: vesalius evaluate predictions ours.csv theirs.csv score=probability
    """
    from vesalius.cli.terminal import narrated, print_scores
    from vesalius.studies import score_files

    protocols: tuple[Literal["sound", "published"], ...] = ("sound",)
    if published:
        protocols = ("sound", "published")
    paths, columns = parted(files)
    named = {ours: theirs for ours, _, theirs in (word.partition("=") for word in columns)}
    with narrated("nothing was written"):
        run = score_files([Path(path) for path in paths], out, columns=named, protocols=protocols)
    print_scores(run)


def _run(
    name: str,
    question: str,
    stages: Stages,
    asked: tuple[str, list[str] | None, str, bool],
    out: Path | None,
    device: str,
    workers: int | None,
) -> None:
    """Make a recipe of one question and run it: a study without a file."""
    from vesalius.cli.study import run_recipe
    from vesalius.studies import recipe_of

    reader, words, model, no_patient_id = asked
    root, settings = root_and_settings(words, reader)
    plain = {
        "study": name,
        "question": question,
        "data": {"reader": reader, "root": root},
        "split": {"no_patient_id": no_patient_id},
        "model": {"name": model},
        "adapt": stages[0],
        "evaluate": stages[1],
    }
    run_recipe(recipe_of(plain, settings), out, device, workers)
