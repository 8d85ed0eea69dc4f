"""``vesalius data``: what there is to read, and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vesalius.cli.options import Reader, RootAndSettings, Workers, root_and_settings

app = typer.Typer(help="Look at data before anything is learnt from it.", no_args_is_help=True)


@app.command("list")
def list_readers(
    reader: Annotated[
        str | None, typer.Argument(metavar="[READER]", help="One format, with its settings.")
    ] = None,
) -> None:
    """List the formats that can be read, or the settings of one.

    \b
    Examples:
      vesalius data list
      vesalius data list manifest
    """
    from vesalius.cli.terminal import first_line, print_settings
    from vesalius.data import READERS, reader_function

    if reader is not None:
        print_settings(reader)
        return
    width = max(map(len, READERS))
    for name in READERS:
        typer.echo(f"{name:<{width}}  {first_line(reader_function(name))}")
    typer.echo("\nThe settings of one: vesalius data list READER")


@app.command()
def inspect(
    reader: Reader,
    root: RootAndSettings = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the page goes.", show_default="runs/inspect-…"),
    ] = None,
) -> None:
    """Count, check and picture a data set.

    Labels, patients, splits, sizes, unreadable files, and what each column of a manifest was read
    as.

    \b
    Examples:
      vesalius data inspect nih_cxr14 /data/nih
      vesalius data inspect manifest /data/set file=captions.csv text=caption
    """
    from vesalius.cli.terminal import narrated, print_inspection
    from vesalius.studies import inspect_data

    folder, settings = root_and_settings(root, reader)
    with narrated("nothing was written"):
        found, page = inspect_data(reader, folder, settings, out)
    print_inspection(found, page)


@app.command()
def audit(
    reader: Reader,
    root: RootAndSettings = None,
    against: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--against",
            metavar="READER ROOT",
            help="Another set, such as a model's pretraining data; 'hashes FILE' for its "
            "hashes.csv. Its settings: against.KEY=VALUE.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The audit's folder.", show_default="runs/audit-…"),
    ] = None,
    workers: Workers = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if anything but notes is found.")
    ] = False,
) -> None:
    """Look for what makes numbers wrong: leaks, twins, contradictions.

    Patients and images in several splits or in another set, near twins (confirmed by pixels),
    labels at odds, reused texts, unreadable images, burned-in text, words like an identifier.

    \b
    Examples:
      vesalius data audit nih_cxr14 /data/nih
      vesalius data audit folder /data/test --against manifest /data/pretraining
    """
    from vesalius.cli.terminal import narrated, print_audit
    from vesalius.studies import audit_data

    folder, settings = root_and_settings(root, reader)
    with narrated("what was looked at is kept; the same command goes on from there"):
        found, page = audit_data(reader, folder, settings, against=against, out=out,
                                 workers=workers)  # fmt: skip
    print_audit(found, page)
    if strict and any(finding.level != "note" for finding in found.findings()):
        raise typer.Exit(1)


@app.command()
def findings(
    reader: Reader,
    root: RootAndSettings = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A CSV of every mention with its sentence."),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option("--show", metavar="FINDING", help="Print sentences, the mention marked."),
    ] = None,
) -> None:
    """Read CheXpert findings from reports: stated, denied, doubted.

    The 14 findings, by rules; the words that made each label can be looked at.

    \b
    Examples:
      vesalius data findings iu_xray /data/iu_xray --out findings.csv
      vesalius data findings phantom --show Pneumothorax
    """
    from vesalius.cli.terminal import narrated, print_findings, print_mentions
    from vesalius.core.files import write_atomic
    from vesalius.data.findings.labelled import evidence_csv, texts_of
    from vesalius.data.findings.labeller import label_reports
    from vesalius.studies import read_cases_of

    folder, settings = root_and_settings(root, reader)
    with narrated("nothing was written"):
        cases = read_cases_of(reader, folder, settings)
        texts = texts_of(cases)
        labels_NF = label_reports(texts, progress=True)
        if out is not None:
            write_atomic(out, evidence_csv(cases.case_ids.tolist(), texts))
    if show is not None:
        print_mentions(texts, show)
    else:
        print_findings(labels_NF, out)


@app.command()
def convert(
    reader: Reader,
    root: RootAndSettings = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A new folder.", show_default="READER-FORM")
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="manifest (CSV and images) or shards (WebDataset).")
    ] = "shards",
    per_part: Annotated[
        int, typer.Option("--per-part", min=1, help="Cases in a shard, or between two records.")
    ] = 1000,
    pixels_only: Annotated[
        bool,
        typer.Option("--pixels-only", help="Write images anew as PNG, without their metadata."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Then check every file and read everything back.")
    ] = False,
    workers: Workers = None,
) -> None:
    """Write any set as a manifest folder or as WebDataset shards.

    Images, texts, labels, patients, splits, boxes, masks, questions and attributes go along. The
    same command goes on where a stopped one was; every file's SHA-256 stands in index.json.

    \b
    Examples:
      vesalius data convert nih_cxr14 /data/nih --out /data/nih_shards --verify
      vesalius data convert folder /data/busi --to manifest --out /data/busi_manifest
    """
    from vesalius.cli.terminal import narrated, print_conversion
    from vesalius.data import verify as verify_conversion
    from vesalius.data.convert import convert as convert_cases
    from vesalius.studies import read_cases_of

    folder, settings = root_and_settings(root, reader)
    with narrated("finished parts are kept; the same command goes on from there"):
        cases = read_cases_of(reader, folder, settings)
        done = convert_cases(
            cases,
            out or Path(f"{reader}-{to}"),
            to=to,
            per_part=per_part,
            keep=not pixels_only,
            workers=workers,
            progress=True,
        )
        if verify:
            verify_conversion(cases, done.out, progress=True)
    print_conversion(done, verified=verify)


@app.command()
def fetch(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A data set; without one, the list.")
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", help="The folder to put it into.", show_default="data")
    ] = Path("data"),
    size: Annotated[
        int, typer.Option("--size", help="Of MedMNIST's images: 28, 64, 128, 224.")
    ] = 28,
) -> None:
    """Download a set of MedMNIST, or say where to ask for another.

    Without a name, lists the sets with licence and size. Downloads go on where they broke off and
    are checked against the published MD5.

    \b
    Examples:
      vesalius data fetch
      vesalius data fetch breastmnist --to /data/medmnist --size 64
      vesalius data fetch mimic_cxr
    """
    from vesalius.cli.terminal import narrated, print_data_set
    from vesalius.data.fetch.catalogue import data_set, data_sets
    from vesalius.data.fetch.catalogue import fetch as fetch_set

    if name is None:
        for own in data_sets().values():
            typer.echo(f"{own.name:<16} {own.what}\n{'':<16} {own.size}; {own.licence}")
        return
    own = data_set(name)
    with narrated("what came is kept; the same command goes on from there"):
        path = fetch_set(name, to, size=size)
    print_data_set(own, to, path)
