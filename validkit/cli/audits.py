"""`validkit audit`, `claims`, `checklist`: predictions made elsewhere, a paper's own numbers, reporting guidelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from validkit.cli.options import AsJson, print_json

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
    report = None
    if out is not None:
        from validkit.report.audited import audit_page

        report = _write(out, "audit.json", record, audit_page)
    if as_json:
        print_json(_with_page(record, report), schema="audit")
    else:
        from validkit.report.lines import show
        from validkit.report.short_answers import audit_answer

        show(Console(), audit_answer(record, report))
    accepted = record.get("acceptance")
    worst = [key for key in ("fail", "concern") if record["counts"][key]]
    failed = fail_on != "never" and bool(worst) and (fail_on == "concern" or worst[0] == "fail")
    if failed or (accepted and accepted["exit_code"]):
        raise typer.Exit(1)


def _write(out: Path, name: str, record: dict[str, Any], page: Callable[[Mapping[str, Any]], str]) -> Path:
    """The record and its page, whose path is returned, into a folder that is made where it is absent."""
    from validkit.store import to_json, write_text

    out.mkdir(parents=True, exist_ok=True)
    write_text(out / name, to_json(record))
    report = out / "report.html"
    write_text(report, page(record))
    return report


def _with_page(record: dict[str, Any], report: Path | None) -> dict[str, Any]:
    return record if report is None else {**record, "report": str(report)}


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
    report = None
    if out is not None:
        from validkit.report.claimed import claims_page

        report = _write(out, "claims.json", record, claims_page)
    if as_json:
        print_json(_with_page(record, report), schema="claims")
    else:
        from validkit.report.lines import show
        from validkit.report.short_answers import claims_answer

        show(Console(), claims_answer(record, report))
    if record["counts"]["impossible"]:
        raise typer.Exit(1)


def checklist(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    guideline: Annotated[str, typer.Option(help="tripod-ai, probast-ai, clear or metrics.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write: .html, .csv or .md; without it, Markdown is printed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill in a reporting guideline from a run's records; what they do not tell is left to the authors."""
    from validkit.errors import InputError
    from validkit.report.checklists import FORMATS, checklist_record, written
    from validkit.report.checklists import checklist as filled_in
    from validkit.report.lines import show
    from validkit.report.short_answers import checklist_answer
    from validkit.store import write_text

    form = "md" if out is None else out.suffix.lstrip(".")
    if form not in FORMATS:
        raise InputError(f"--out {out}: a checklist is written as {', '.join(f'.{name}' for name in FORMATS)}")
    records, filled = filled_in(run, guideline)
    told = checklist_record(records, guideline, filled) | {"file": None if out is None else str(out)}
    page = written(records, guideline, filled, form)
    if out is not None:
        write_text(out, page)
    if as_json:
        print_json(told, schema="checklist")
        return
    if out is None:
        print(page)
    show(Console(stderr=out is None), checklist_answer(told))
