"""`validkit summary ...` and `validkit pool`: what leaves a centre, and several centres as one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from validkit.cli.options import AsJson, print_json, print_schema

app = typer.Typer(help="Look at what would leave a centre.", no_args_is_help=True)

SummaryFile = Annotated[Path, typer.Argument(help="A site-summary.json, as `validkit external` writes it.")]


@app.command("show")
def show(file: SummaryFile, as_json: AsJson = False) -> None:
    """Say in plain words what a site summary discloses, before it is sent."""
    from validkit.centre.summary import disclosed, read_summary

    summary = read_summary(file)
    if as_json:
        print_json(summary.model_dump(mode="json", by_alias=True), schema="site-summary")
        return
    console = Console()
    for line in disclosed(summary):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a site summary: everything that one can hold."""
    print_schema("site-summary")


def pool(
    summaries: Annotated[list[Path], typer.Argument(help="Site summaries of the same model, one a centre.")],
    out: Annotated[Path | None, typer.Option(help="Folder for report.html, pool.json and the forest plots.")] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option("--within", help="MEASURE=LOW:HIGH, such as auc=0.7: or oe=0.8:1.25. Repeatable."),
    ] = None,
    covariates: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a column `site` and numbers: what else is known of the centres, from ten of them on."
        ),
    ] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999)] = 0.95,
    as_json: AsJson = False,
) -> None:
    """Pool centres by random effects: the mean, a new centre's range, and the chance that it keeps the bounds."""
    from validkit.centre.pooling import COVARIATES, WORDS, pool_summaries
    from validkit.centre.summary import read_summary
    from validkit.errors import InputError
    from validkit.store import to_json, write_text

    asked = _bounds(bounds or [], list(WORDS))
    known = None if covariates is None else _covariates(covariates)
    record = pool_summaries([read_summary(path) for path in summaries], bounds=asked, covariates=known, level=level)
    if not record["models"]:
        raise InputError("no measure of any model is told by at least two of these centres")
    if out is not None:
        from validkit import __version__
        from validkit.report.pooled import draw_forests, pool_page

        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "pool.json", to_json(record))
        draw_forests(record, out)
        write_text(out / "report.html", pool_page(record, __version__))
    if as_json:
        print_json(record if out is None else {**record, "folder": str(out)}, schema="pool")
        return
    from validkit.report.lines import show
    from validkit.report.short_answers import pool_answer

    show(Console(), pool_answer(record, WORDS | COVARIATES, out))


def _bounds(texts: list[str], known: list[str]) -> dict[str, tuple[float | None, float | None]]:
    from validkit.errors import InputError
    from validkit.wording import nearest

    found: dict[str, tuple[float | None, float | None]] = {}
    for text in texts:
        name, equals, span = text.partition("=")
        low, colon, high = span.partition(":")
        if not (equals and colon):
            raise InputError(f"--within reads MEASURE=LOW:HIGH, for example oe=0.8:1.25 or auc=0.7: ; got {text!r}")
        if name not in known:
            raise InputError(f"--within: no measure {name!r}{nearest(name, known)}")
        try:
            found[name] = (float(low) if low else None, float(high) if high else None)
        except ValueError as error:
            raise InputError(f"--within {text!r}: a bound is a number or nothing") from error
    return found


def _covariates(path: Path) -> dict[str, dict[str, float]]:
    """By column and site, the numbers of a CSV file with a column `site`."""
    import csv

    from validkit.errors import InputError

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--covariates: {path} cannot be read: {error}") from error
    heads = [head.strip() for head in rows[0]] if rows else []
    if heads.count("site") != 1 or len(heads) < 2 or len(set(heads)) < len(heads) or "" in heads:
        raise InputError(f"--covariates: {path} needs a header with `site` and columns of other names; got {heads}")
    found: dict[str, dict[str, float]] = {head: {} for head in heads if head != "site"}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(heads, row, strict=False))
        site = cells.get("site", "").strip()
        if len(row) != len(heads) or not site or site in next(iter(found.values())):
            what = (
                "names a site again" if len(row) == len(heads) and site else f"has not the {len(heads)} cells it needs"
            )
            raise InputError(f"--covariates: line {number} of {path} {what}")
        for head, values in found.items():
            try:
                values[site] = float(cells[head])
            except ValueError as error:
                raise InputError(
                    f"--covariates: line {number} of {path}, {head}: {cells[head]!r} is no number"
                ) from error
    return found
