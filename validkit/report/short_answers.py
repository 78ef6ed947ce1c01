"""What a terminal says at the end of a command that judges: about a dozen lines of its record, as for a run.

Of whom, the numbers with their intervals, what was asked for ahead, what to beware of (failures first), where the page
is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from validkit.report import lines, text
from validkit.report.acceptance import criteria_line, told
from validkit.report.values import estimate, number

__all__ = ["audit_answer", "certify_answer", "checklist_answer", "claims_answer", "pool_answer", "verify_answer"]

AUDITED = (("auc", "AUC"), ("slope", "slope"), ("oe", "O:E"))
PRINTED = ("impossible", "contradiction", "implausible", "inadequate", "missing")
"""verdicts on claims that are told one by one, the worst first"""
MOST_MODELS = 6
MOST_CLAIMS = 6
MOST_REGRESSED = 2


def audit_answer(record: Mapping[str, Any], page: Path | None = None) -> RenderableType:
    """An audit of predictions; page : its report, where one was written."""
    one, level = record["sets"][record["primary"]], text.level(record["level"])
    rows = "all rows" if record["roles"]["split"] is None else f"rows of {record['primary']!r}"
    shown = list(one["models"].items())[:MOST_MODELS]
    models = [[name, *(text.estimate(estimate(scores.get(key))) for key, _ in AUDITED)] for name, scores in shown]
    others = len(one["models"]) - len(shown)
    made = f"{level} intervals; threshold {record['threshold']['value']:g}, {record['threshold']['rule']}"
    accepted = record.get("acceptance")
    elsewhere = "in audit.json" if page else "in --json, or --out DIR for a page"
    return lines.answer(
        lines.about(f"{record['source']}: {rows}", text.counts(one["n"], one["events"])),
        lines.table(["model", *(words for _, words in AUDITED)], models),
        lines.aside(f"{others} more models {elsewhere}; {made}" if others else made),
        lines.fact(_counted("questions", record["counts"])),
        lines.accepted(criteria_line(accepted), told(accepted)[1]) if accepted else None,
        *lines.bewares(_audited(record), elsewhere),
        _report(page),
    )


def _audited(record: Mapping[str, Any]) -> list[Text]:
    """Failed questions, then concerns."""
    found = []
    for outcome, kind in (("fail", "fails"), ("concern", "")):
        for one in record["findings"]:
            if one["outcome"] == outcome:
                model = f"{one['model']}: " if one["model"] else ""
                advice = f"; {one['advice']}" if one["advice"] else ""
                found.append(lines.beware(lines.short(f"{model}{one['why']}{advice}"), kind))
    return found


def claims_answer(record: Mapping[str, Any], page: Path | None = None) -> RenderableType:
    """A study's own numbers against each other; page : its report, where one was written."""
    study = record["study"]
    samples = "; ".join(f"{one['name']}: {text.counts(one['n'], one['events'])}" for one in record["samples"])
    counts = {verdict: n for verdict, n in record["counts"].items() if n}
    found = [
        lines.beware(lines.short(f"{one['what']}: {one['why']}"), verdict)
        for verdict in PRINTED
        for one in record["findings"]
        if one["verdict"] == verdict
    ]
    return lines.answer(
        lines.about(study["reference"] or study["title"]),
        lines.fact(samples) if samples else None,
        lines.fact(_counted("checks", counts)),
        *lines.bewares(found, "in claims.json" if page else "in --json, or --out DIR for a page", MOST_CLAIMS),
        _report(page),
    )


def pool_answer(record: Mapping[str, Any], words: Mapping[str, str], folder: Path | None = None) -> RenderableType:
    """Centres pooled: the first model whole, the others by their AUC.

    words : for measures and covariates; folder : of the record
    """
    centres, judged = record["centres"], record["judged"]
    sizes = text.counts(*(sum(one[part] for one in centres) for part in ("n", "events")))
    name, measures = next(iter(record["models"].items()))
    others = [
        f"{other} {text.estimate(estimate(told['auc']['pooled']['estimate']))}"
        for other, told in record["models"].items()
        if other != name and "auc" in told
    ]
    columns = (name, "mean", "a new centre", "I2", "within the bounds")
    made = f"random effects ({record['method'].upper()}), {text.level(record['level'])} intervals of Hartung and Knapp"
    return lines.answer(
        lines.simulated() if record["synthetic"] else None,
        lines.about(f"{judged['kind']} {judged['name']} ({judged['digest'][:12]}), {len(centres)} centres", sizes),
        lines.table(columns, [_pooled(words[key], found, len(centres)) for key, found in measures.items()]),
        lines.aside(made),
        lines.fact(f"AUC of the others: {'; '.join(others)}") if others else None,
        _regressed(measures, words),
        *(lines.beware(f"{one['site']} tells nothing: {', '.join(one['withheld'])}") for one in _withheld(centres)),
        None if folder is None else _report(folder / "report.html", f"written into {folder}"),
    )


def _pooled(name: str, found: Mapping[str, Any], everybody: int) -> list[str]:
    at = f" at {found['threshold']:g}" if found.get("threshold") is not None else ""
    told = "" if len(found["centres"]) == everybody else f" ({len(found['centres'])} centres)"
    pooled, chance = found["pooled"], found["probability_within"]
    new = estimate(pooled["prediction"])
    return [
        f"{name}{at}{told}",
        text.estimate(estimate(pooled["estimate"])),
        text.interval(new) or "not known",
        text.percent(number(pooled["i2"]["value"])),
        "" if chance is None else text.percent(chance),
    ]


def _regressed(measures: Mapping[str, Any], words: Mapping[str, str]) -> Text | None:
    """What goes with the differences between centres, where it was looked at."""
    rows = [(key, row) for key, found in measures.items() for row in found["regressions"]["rows"]]
    shown = [
        f"{words[key]} with {words.get(row['covariate'], row['covariate'])} "
        f"(corrected {text.p_equals(number(row['p_adjusted']))})"
        for key, row in rows
        if number(row["p_adjusted"]) < 1 - row["slope"]["level"]
    ]
    if not rows:
        return None
    found = "; ".join([*shown[:MOST_REGRESSED], *(["and others"] if len(shown) > MOST_REGRESSED else [])])
    return lines.fact(f"what goes with the differences, of {len(rows)} meta-regressions: {found or 'nothing shown'}")


def _withheld(centres: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in centres if one["withheld"]]


def certify_answer(
    rows: Sequence[Mapping[str, Any]], summary: Sequence[Mapping[str, Any]], written: Sequence[Path]
) -> RenderableType:
    """How often methods keep what they promise, and those that fail; rows, summary : of the coverage table."""
    from validkit.certify.table import verdict_counts

    judged = [row for row in rows if row["verdict"]]
    counts = verdict_counts(judged)
    sizes = sorted({int(row["simulations"]) for row in rows})
    many = " to ".join(f"{n:,}" for n in dict.fromkeys((sizes[0], sizes[-1]))) if sizes else "no"
    failing = sorted((one for one in summary if one["failing"]), key=lambda one: -one["failing"] / one["cells"])
    found = [
        lines.beware(
            f"{one['measure']}, {one['method']} ({one['kind']}, {one['sort']}): {_range(one)}, in {one['failing']} of "
            f"{one['cells']} cells",
            "fails",
        )
        for one in failing
    ]
    return lines.answer(
        lines.about(f"{len(summary)} methods in {len(judged)} rows", f"{many} simulations each"),
        lines.fact(
            f"{counts['inside']} inside 94 to 96 %, {counts['near']} near (92.5 to 97.5 %), {counts['failing']} failing"
        ),
        *lines.bewares(found, "in the tables"),
        lines.where("written: " + ", ".join(map(str, written))),
    )


def _range(one: Mapping[str, Any]) -> str:
    return " to ".join(dict.fromkeys(text.percent(one[end]) for end in ("least", "largest")))


def checklist_answer(record: Mapping[str, Any]) -> RenderableType:
    """A guideline filled in from a run."""
    wanted = [one["item"] for one in record["items"] if one["status"] != "from the run"]
    return lines.answer(
        lines.about(f"{record['title']}, of {record['run']}"),
        lines.fact(record["said"]),
        lines.beware(f"{len(wanted)} items need the authors: {text.listed(wanted, 12)}") if wanted else None,
        lines.where(f"checklist: {record['file']}") if record["file"] else None,
    )


def verify_answer(record: Mapping[str, Any]) -> RenderableType:
    """Whether a run folder is what the run left; what was changed first."""
    checks = record["checks"]
    failed = [one for one in checks if one["outcome"] == "fail"]
    counts = {
        outcome: sum(one["outcome"] == outcome for one in checks) for outcome in ("pass", "fail", "not applicable")
    }
    others = [(one["outcome"], one["question"], one["evidence"]) for one in checks if one["outcome"] != "fail"]
    state = "was changed after the run" if failed else "is what the run left"
    return lines.answer(
        lines.about(f"{record['folder']} {state}"),
        lines.fact(_counted("checks", counts)),
        *(lines.beware(f"{one['question']} {one['evidence']}; {one['mend']}", "fails") for one in failed),
        lines.columns(others, ("", "", "dim")) if others else None,
    )


def _counted(what: str, counts: Mapping[str, int]) -> str:
    """How many there were of each answer."""
    return f"{sum(counts.values())} {what}: {', '.join(f'{n} {answer}' for answer, n in counts.items())}"


def _report(page: Path | None, otherwise: str = "") -> Text | None:
    """Where the page is; otherwise : what is said where there is none."""
    if page is not None and (page.is_file() or not otherwise):
        return lines.where(f"report: {page}")
    return lines.where(otherwise) if otherwise else None
