"""Who was studied, and what was predicted from what."""

from __future__ import annotations

from collections import Counter

from validkit.report import text
from validkit.report.methods.saying import authors, cut, named, percent, quoted, said, spelled, told
from validkit.report.records import NotAvailable, Run, dig, need
from validkit.report.values import count

__all__ = ["outcome_text", "patients_text"]

MOST_REASONS = 5
ASSESSED = "how and when the outcome was assessed, and whether its assessors knew the predictors"
DRAWN = "how images were acquired; who outlined lesions, with which software, and what they knew"


def patients_text(run: Run) -> str:
    """Cohort, sites, exclusions; what only the authors know of real patients."""
    return told(run, (_cohort, _described, _sites, _excluded, _unknown))


def _cohort(run: Run) -> str:
    n, events = (count(dig(run.info, f"cohort.{key}")) for key in ("patients", "events"))
    if not n or events is None:
        raise NotAvailable("run.json does not tell how many patients there were")
    name = said(dig(run.info, "cohort.name") or "")
    where = f"The cohort {quoted(name)}" if name else "The cohort"
    whom = "simulated patients" if run.synthetic else "patients"
    had = f"{text.whole(events)} ({percent(round(events / n, 3))}) had the event ({said(run.positive)})"
    return f"{where} comprised {text.whole(n)} {whom}, of whom {had}."


def _described(run: Run) -> str:
    return f"{cut(need(dig(run.info, 'cohort.description'), 'a description'))}."


def _sites(run: Run) -> str:
    found = need(dig(run.info, "cohort.sites"), "sites")
    if len(found) == 1:
        return f"All came from one site ({said(next(iter(found)))})."
    return f"They came from {len(found)} sites: {named([f'{k} ({text.whole(count(n))})' for k, n in found.items()])}."


def _excluded(run: Run) -> str:
    found = dig(run.info, "cohort.excluded")
    if found is None:
        raise NotAvailable("run.json does not tell who was excluded")
    if not found:
        return "No patient was excluded from the cohort as given."
    reasons = Counter(said(one.get("reason") or "no reason recorded") for one in found).most_common(MOST_REASONS)
    why = "; ".join(reason if len(found) == 1 else f"{reason}, {n}" for reason, n in reasons)
    n = len(found)
    return f"{spelled(n)} further patient{' was' if n == 1 else 's were'} excluded before the analysis ({why})."


def _unknown(run: Run) -> str:
    if run.synthetic:
        raise NotAvailable("simulated patients have no setting")
    return (
        f"{authors('setting, dates and manner of recruitment, eligibility criteria')} "
        f"{authors('how the sample size was arrived at')} {authors('ethics approval and consent')}"
    )


# --- outcome and predictors ------------------------------------------------------------------------------------


def outcome_text(run: Run) -> str:
    """The outcome and the predictors as the protocol declares them."""
    return told(run, (_outcome, _predictors, _absent, _outlines))


def _outcome(run: Run) -> str:
    against = f", against {said(run.negative)}"
    column = run.setting("cohort.outcome.column")
    where = f" (column {quoted(column)} of the cohort's table)" if column else ""
    gap = "" if run.synthetic else f" {authors(ASSESSED)}"
    return f"The outcome was {said(run.positive)}{against}{where}.{gap}"


def _predictors(run: Run) -> str:
    declared = need(run.setting("cohort.predictors"), "predictors")
    kinds: dict[str, list[str]] = {}
    for name, spec in sorted(declared.items()):
        kinds.setdefault(str(spec.get("kind") or ""), []).append(_predictor(name, spec))
    words = "clinical predictor" if run.setting("cohort.outlines") else "candidate predictor"
    those = "; ".join(
        f"{said(kind)}: {named(names, 40)}" if kind else named(names, 40) for kind, names in kinds.items()
    )
    n = len(declared)
    return f"{spelled(n)} {words}{' was' if n == 1 else 's were'} declared ({those})."


def _predictor(name: str, spec: dict[str, object]) -> str:
    label, unit = str(spec.get("label") or name), spec.get("unit")
    return f"{label} in {unit}" if unit and unit != label else label


def _absent(run: Run) -> str:
    declared = need(run.setting("cohort.predictors"), "predictors")
    lacking = [spec.get("label") or name for name, spec in sorted(declared.items()) if spec.get("absent")]
    return f"Not measured in this cohort, and missing in every patient: {named(need(lacking, 'absent ones'))}."


def _outlines(run: Run) -> str:
    roles = need(run.setting("cohort.outlines"), "outlines")
    sizes = run.records_of("radiomics").get("roles") or {}
    told_of = [f"{role} (n = {text.whole(count(sizes[role]))})" if role in sizes else role for role in sorted(roles)]
    gap = "" if run.synthetic else f" {authors(DRAWN)}"
    drawn = "One outline of the lesion was drawn" if len(roles) == 1 else f"Lesions were outlined in {len(roles)} roles"
    return f"Each patient contributed one image. {drawn}: {named(told_of)}.{gap}"
