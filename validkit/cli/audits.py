"""`validkit audit`, `claims`, `checklist`: predictions made elsewhere, a paper's own numbers, reporting guidelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from validkit.cli.options import AsJson, print_json

COLOURS = {"fail": "red", "concern": "yellow", "pass": "green", "not applicable": "dim"}
SHOWN = (("auc", "AUC"), ("slope", "slope"), ("oe", "O:E"), ("brier", "Brier"))
VERDICTS = {
    "impossible": "red",
    "contradiction": "red",
    "implausible": "yellow",
    "inadequate": "yellow",
    "missing": "dim",
}
"""verdicts that are printed, and how"""
FAIL_ON = ("fail", "concern", "never")


def audit(
    predictions: Annotated[Path, typer.Argument(help="CSV (also .gz) or Parquet: a row a patient.")],
    outcome: Annotated[str | None, typer.Option(help="Column of the outcome, 0 and 1.")] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A column of predictions. May be given again.")
    ] = None,
    event: Annotated[str | None, typer.Option(help="The outcome's value that is the event, if not 1.")] = None,
    site: Annotated[str | None, typer.Option(help="Column that names the site.")] = None,
    subgroups: Annotated[
        list[str] | None, typer.Option("--subgroup", help="Column that names a subgroup. May be given again.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column that names the patient, where several rows are one's.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column that tells training rows from others.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Declared operating threshold.")] = None,
    prevalence: Annotated[float | None, typer.Option(help="Share of events that was stated.")] = None,
    reference: Annotated[str | None, typer.Option(help="Model that others are compared with; the first.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="A protocol of kind predictions: its columns, [evaluation] and [acceptance].")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.json and report.html.")] = None,
    fail_on: Annotated[str, typer.Option(help="What makes exit status 1: fail, concern or never.")] = "fail",
    as_json: AsJson = False,
) -> None:
    """Judge predictions made elsewhere: every statistic the columns allow, and what a sceptic would ask.

    Exit 1 where a finding fails (--fail-on), or a criterion of the protocol does; 2 for bad input.
    """
    from validkit.audit.predictions.auditing import audit_predictions, declared_audit
    from validkit.audit.predictions.reading import Roles
    from validkit.errors import InputError

    if fail_on not in FAIL_ON:
        raise InputError(f"--fail-on is one of {', '.join(FAIL_ON)}; got {fail_on!r}")
    given: dict[str, Any] = {}
    if protocol is not None:
        given = declared_audit(protocol)
    roles = given.pop("roles", None)
    if outcome is not None or models or roles is None:
        if outcome is None or not models:
            raise InputError("name the columns: --outcome Y --model P (again for each model), or --protocol FILE")
        roles = Roles(outcome, tuple(models), event, site, tuple(subgroups or ()), cluster, split)
    for name, value in (("threshold", threshold), ("prevalence", prevalence), ("reference", reference)):
        if value is not None:
            given[name] = value
    record = audit_predictions(predictions, roles, **given)
    if out is not None:
        from validkit.report.audited import audit_page

        _write(out, "audit.json", record, audit_page)
    if as_json:
        print_json(record)
    else:
        _say(record, out)
    accepted = record.get("acceptance")
    worst = [key for key in ("fail", "concern") if record["counts"][key]]
    failed = fail_on != "never" and bool(worst) and (fail_on == "concern" or worst[0] == "fail")
    if failed or (accepted and accepted["exit_code"]):
        raise typer.Exit(1)


def _write(out: Path, name: str, record: dict[str, Any], page: Callable[[Mapping[str, Any]], str]) -> None:
    """The record and its page, into a folder that is made where it is absent."""
    from validkit.store import to_json, write_text

    out.mkdir(parents=True, exist_ok=True)
    write_text(out / name, to_json(record))
    write_text(out / "report.html", page(record))


def _say(record: dict[str, Any], out: Path | None) -> None:
    console = Console()
    one = record["sets"][record["primary"]]
    which = "all rows" if record["roles"]["split"] is None else f"rows of {record['primary']!r}"
    head = f"{record['source']}: {which}, n = {one['n']}, {one['events']} events"
    table = Table("model", *(words for _, words in SHOWN), box=None, padding=(0, 2), title=head, title_justify="left")
    for name, scores in one["models"].items():
        table.add_row(name, *(_estimate(scores.get(key)) for key, _ in SHOWN))
    console.print(table)
    for outcome in ("fail", "concern"):
        for finding in record["findings"]:
            if finding["outcome"] == outcome:
                model = f"{finding['model']}: " if finding["model"] else ""
                line = f"{outcome:8}{model}{finding['why']}"
                console.print(line, style=COLOURS[outcome], markup=False, highlight=False, soft_wrap=True)
                if finding["advice"]:
                    console.print(f"        {finding['advice']}", markup=False, highlight=False, soft_wrap=True)
    accepted = record.get("acceptance")
    if accepted:
        console.print(f"acceptance: {accepted['overall']}", markup=False, highlight=False)
    _say_counts(console, "questions", len(record["findings"]), record["counts"], out)


def _say_counts(console: Console, what: str, total: int, counts: Mapping[str, int], out: Path | None) -> None:
    """How many there were of each answer, and where the report lies."""
    told = ", ".join(f"{n} {answer}" for answer, n in counts.items())
    console.print(f"{total} {what}: {told}", markup=False, highlight=False)
    if out is not None:
        console.print(f"report: {out / 'report.html'}", markup=False, highlight=False, soft_wrap=True)


def _estimate(found: dict[str, Any] | None) -> str:
    if not found or found.get("value") is None:
        return ""
    if found.get("low") is None:
        return f"{found['value']:.3f}"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def claims(
    study: Annotated[str | None, typer.Argument(help="A claims file (TOML), or the name of a shipped one.")] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print an empty claims file, and do nothing else.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for claims.json and report.html.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check what a paper reports against itself, and against what such a study can show.

    Exit 1 where a number is impossible, 2 for bad input.
    """
    from validkit.audit.claims.auditing import audit_claims
    from validkit.audit.claims.study import template as empty
    from validkit.errors import InputError

    if template:
        print(empty(), end="")
        return
    if study is None:
        raise InputError("name a claims file; --template prints an empty one")
    record = audit_claims(study)
    if out is not None:
        from validkit.report.claimed import claims_page

        _write(out, "claims.json", record, claims_page)
    if as_json:
        print_json(record)
    else:
        _say_claims(record, out)
    if record["counts"]["impossible"]:
        raise typer.Exit(1)


def _say_claims(record: dict[str, Any], out: Path | None) -> None:
    console = Console()
    console.print(record["study"]["reference"] or record["study"]["title"], markup=False, highlight=False)
    for verdict, colour in VERDICTS.items():
        for finding in record["findings"]:
            if finding["verdict"] == verdict:
                line = f"{verdict}: {finding['what']}: {finding['why']}"
                console.print(line, style=colour, markup=False, highlight=False, soft_wrap=True)
    _say_counts(console, "checks", len(record["findings"]), {v: n for v, n in record["counts"].items() if n}, out)


def checklist(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    guideline: Annotated[str, typer.Option(help="tripod-ai, probast-ai, clear or metrics.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write: .html, .csv or .md; without it, Markdown is printed.")
    ] = None,
) -> None:
    """Fill in a reporting guideline from a run's records; what they do not tell is left to the authors."""
    from validkit.errors import InputError
    from validkit.report.checklists import FORMATS, written
    from validkit.report.checklists import checklist as filled_in
    from validkit.store import write_text

    form = "md" if out is None else out.suffix.lstrip(".")
    if form not in FORMATS:
        raise InputError(f"--out {out}: a checklist is written as {', '.join(f'.{name}' for name in FORMATS)}")
    records, filled = filled_in(run, guideline)
    page = written(records, guideline, filled, form)
    if out is None:
        print(page)
        return
    write_text(out, page)
    done = sum(one.status == "from the run" for one in filled)
    print(f"{out}: {done} of {len(filled)} items from the run, the others need the authors")
