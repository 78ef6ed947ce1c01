"""The flow of patients from a run's records, and the flow of rows from an audit's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from validkit.report import fits, text
from validkit.report.figures.base import Panels
from validkit.report.figures.flow import Box, FlowDisplay, Part, arms_of
from validkit.report.frontpage import NOT_FITTED, design_words
from validkit.report.missing import ALL, missing_rows
from validkit.report.notices import remarks
from validkit.report.records import CORRECTED, NotAvailable, Record, Run, dig
from validkit.report.subject import spoken, subject
from validkit.report.values import count

ANALYSED, TRAINING, HELD_OUT = "analysed", "training", "held out"
"""steps of the recorded flow"""
FEW_SITES = 8
"""sites that are named; of more, how many there are"""
LINKED = "groups: "
"""how the note on patients who belong together starts"""


def flow(run: Run) -> Panels:
    """The patients of a run, from the cohort file to those who are judged."""
    steps = run.stage("cohort")["flow"]
    names = [str(step["step"]) for step in steps or ()]
    if ANALYSED not in names[1:]:
        raise NotAvailable("the flow in stages/cohort.json does not tell how many came in and how many were analysed")
    at = names.index(ANALYSED, 1)
    arms = [_arm(run, step) for step in steps[at + 1 :]]
    display = FlowDisplay(
        whole=_whole(run, steps[0]),
        out=tuple(_left_out(run, step) for step in steps[1:at]),
        analysed=_analysed(run, steps[at], sites=not any(box.parts for box in arms)),
        notes=_missing(run),
        arms=arms_of(arms, "Judged"),
        event=run.positive,
    )
    return [("", display)]


def _sizes(step: Mapping[str, Any]) -> tuple[int | None, int | None]:
    return count(step.get("n")), count(step.get("events"))


# --- who came in, who left -------------------------------------------------------------------------------------


def _whole(run: Run, step: Record) -> Box:
    told = [str(dig(run.info, "cohort.name") or ""), "simulated patients" if run.synthetic else ""]
    return Box("Patients in the cohort file", *_sizes(step), tuple(filter(None, [", ".join(filter(None, told))])))


def _left_out(run: Run, step: Record) -> Box:
    """Who left, by the reasons given for each patient where these are all, else for the reason of the step."""
    n, events = _sizes(step)
    found = Counter(str(one.get("reason") or "no reason recorded") for one in dig(run.info, "cohort.excluded") or ())
    reason = str(step.get("reason") or "")
    name = text.capital(str(step["step"]))
    if n and found.total() == n:
        parts = tuple(Part(why, times) for why, times in found.most_common())
        return Box(name, n, events, (), parts, ("reasons", True))
    return Box(name, n, events, (text.capital(reason),) if n and reason else ())


def _analysed(run: Run, step: Record, *, sites: bool) -> Box:
    found = {str(site): count(n) for site, n in (dig(run.info, "cohort.sites") or {}).items()}
    lines = [*_linked(run), *_outlines(run)]
    parts: tuple[Part, ...] = ()
    if sites and 1 < len(found) <= FEW_SITES:
        parts = tuple(Part(site, n) for site, n in found.items())
    elif len(found) > FEW_SITES:
        lines.append(_many_sites([n for n in found.values() if n is not None], len(found)))
    return Box(text.capital(str(step["step"])), *_sizes(step), tuple(lines), parts, ("sites", True))


def _many_sites(sizes: Sequence[int], sites: int) -> str:
    between = f", of {text.whole(min(sizes))} to {text.whole(max(sizes))} patients" if sizes else ""
    return f"{text.whole(sites)} sites{between}"


def _linked(run: Run) -> list[str]:
    """Patients who belong together, as the reading of the cohort noted it."""
    told = [str(one.get("text")) for one in remarks(run) if one.get("stage") == "cohort"]
    return [words.removeprefix(LINKED).partition("; ")[0] for words in told if words.startswith(LINKED)]


def _outlines(run: Run) -> list[str]:
    record = run.records_of("radiomics")
    images, measured = count(record.get("n_patients")), [count(record.get(key)) for key in ("extracted", "cached")]
    if images is None or None in measured:
        return []
    return [f"{text.whole(images)} images with {text.whole(sum(map(int, filter(None, measured))))} outlines"]


# --- what was missing ------------------------------------------------------------------------------------------


def _missing(run: Run) -> tuple[Box, ...]:
    """Predictors without a value, and radiomic features that are undefined; nothing where none was recorded."""
    parts = [*_predictors(run), *_features(run)]
    how = ("Imputed inside every split",) if run.setting("cohort.missing") == "impute" else ()
    return (Box("Missing values", None, None, how, tuple(parts), ("predictors", False)),) if parts else ()


def _predictors(run: Run) -> list[Part]:
    try:
        rows = missing_rows(run)
    except NotAvailable:
        return []
    everyone = {name: (lost, n) for name, site, n, lost in rows if site == ALL}
    for name in dict.fromkeys(name for name, *_ in rows if name not in everyone):
        mine = [(lost, n) for other, _, n, lost in rows if other == name]
        everyone[name] = (sum(lost for lost, _ in mine), sum(n for _, n in mine))
    most_first = sorted(everyone.items(), key=lambda item: -item[1][0])
    return [
        Part(
            str(run.setting(f"cohort.predictors.{name}.label") or name),
            lost,
            words=f"{text.whole(lost)} of {text.whole(n)} patients",
        )
        for name, (lost, n) in most_first
        if lost
    ]


def _features(run: Run) -> list[Part]:
    """Patients of whom some radiomic feature is undefined, in any outline."""
    rows = run.records_of("radiomics").get("undefined") or []
    n = len({str(row.get("patient")) for row in rows})
    return [Part("Some radiomic feature", n, words=f"undefined in {_patients(n)}")] if n else []


def _patients(n: int) -> str:
    return f"{text.whole(n)} {'patient' if n == 1 else 'patients'}"


# --- the arms of the design ------------------------------------------------------------------------------------


def _arm(run: Run, step: Record) -> Box:
    """A step after the analysed: who was fitted to, or who was judged and how each was predicted."""
    name, (n, events) = str(step["step"]), _sizes(step)
    if name == TRAINING:
        return Box(text.capital(name), n, events, (), _sites_of(run, "training"), ("sites", True))
    if run.design == "holdout":
        lines, parts = _rule(run), _sites_of(run, "held_out")
    else:
        lines, parts = _how(run, str(step.get("reason") or "")), _in_turn(run)
    title = "Judged" if run.design in NOT_FITTED and name == HELD_OUT else text.capital(name)
    return Box(title, n, events, (*lines, *_lost(run, n)), parts, ("sites", True), judged=True)


def _sites_of(run: Run, part: str) -> tuple[Part, ...]:
    found = dig(run.info, f"cohort.{part}.sites") or {}
    return tuple(Part(str(site), count(n)) for site, n in found.items()) if 1 < len(found) <= FEW_SITES else ()


def _rule(run: Run) -> list[str]:
    """By what patients were held out, where chance did not decide."""
    by, since = run.setting("design.by") or "random", run.setting("design.since")
    devices = [str(name) for name in run.setting("design.held_out") or []]
    if by == "random":
        return []
    which = f", from {since} on" if since else f": {text.listed(devices)}" if devices else ""
    return [f"By {by}{which}"]


def _how(run: Run, reason: str) -> list[str]:
    """How every patient is predicted, in the words of the records."""
    told = [design_words(run)]
    if run.design in NOT_FITTED:
        told.append("nothing was fitted to them in this run")
    elif run.primary == CORRECTED:
        told.append("performance is corrected for optimism; no patient is held out for good")
    elif reason:
        told.append(reason)
    if run.refits and dig(run.info, "design.final"):
        told.append("the whole model is fitted to all patients as well")
    return [f"{text.capital(words)}." for words in told]


def _in_turn(run: Run) -> tuple[Part, ...]:
    """The sites that were left out in turn; without events where no model was judged by site."""
    if run.design != "internal-external":
        return ()
    try:
        rows = [(row.get("site"), row.get("n"), row.get("events")) for row in fits.parts(subject(run).model)]
    except NotAvailable:
        try:
            rows = [(row.get("site"), row.get("held_out"), None) for row in fits.fits(run)]
        except NotAvailable:
            return ()
    return tuple(Part(str(site or "(no name)"), count(n), count(events)) for site, n, events in rows)


def _lost(run: Run, n: int | None) -> list[str]:
    """Patients without a prediction by the reference model, and resamples that gave none."""
    try:
        found = subject(run)
    except NotAvailable:
        return []
    judged, lines = count(found.scores.get("n")), []
    if n is not None and judged is not None and judged < n:
        lines.append(f"Without a prediction by {spoken(found.model)}: {text.whole(n - judged)}")
    behind = found.model.get("optimism") or {}
    why = {str(reason): times for reason, x in (behind.get("failures") or {}).items() if (times := count(x))}
    if why:
        reasons = text.listed([f"{reason}: {times}" for reason, times in why.items()])
        of = text.whole(count(behind.get("resamples")))
        lines.append(f"{text.whole(sum(why.values()))} of {of} resamples gave no result ({reasons})")
    return lines


# --- an audit's rows -------------------------------------------------------------------------------------------


def event_of(roles: Mapping[str, Any]) -> str:
    """What an audited table calls the event: `y = 1`."""
    return f"{roles['outcome']} = {roles['event'] or 1}"


def rows_flow(record: Record) -> Panels:
    """The rows of an audited table, from the file to those that are judged, by set where a column tells sets."""
    roles, sets = record["roles"], record["sets"]
    n, rows = count(record["n"]), count(record["rows"])
    missing = {str(name): count(lost) for name, lost in (record.get("missing") or {}).items()}
    whats = {name: "outcome" if name == roles["outcome"] else "prediction" for name in missing}
    parts = tuple(Part(f"no {whats[name]} ({name})", lost) for name, lost in missing.items() if lost)
    left = None if n is None or rows is None else rows - n
    several = roles["split"] is not None
    judged = [_set(name, one, roles, answers=name == record["primary"]) for name, one in sets.items()]
    events = [box.events for box in judged if box.events is not None]
    display = FlowDisplay(
        whole=Box("Rows in the file", rows, None, (str(record["source"]),)),
        out=(Box("Left out, incomplete", left, None, (), parts, ("columns", True)),),
        analysed=Box("Complete", n, sum(events)) if several else replace(judged[0], name="Complete, all judged"),
        arms=arms_of(judged, "Judged") if several else (),
        unit="rows",
        event=event_of(roles),
    )
    return [("", display)]


def _set(name: str, one: Mapping[str, Any], roles: Mapping[str, Any], *, answers: bool) -> Box:
    """The rows of one set, with its clusters and sites."""
    clusters = count(one.get("clusters"))
    sites: list[Any] = next((found["sites"] for found in (one.get("sites") or {}).values()), [])
    lines = ["The first page is about these rows"] if answers and roles["split"] is not None else []
    lines += [f"From {text.whole(clusters)} clusters ({roles['cluster']})"] if clusters is not None else []
    lines += [f"{text.whole(len(sites))} sites"] if len(sites) > FEW_SITES else []
    named = sites if 1 < len(sites) <= FEW_SITES else []
    parts = tuple(Part(str(row["group"] or "(no name)"), count(row["n"]), count(row["events"])) for row in named)
    title = f"Rows of “{name}”"
    return Box(title, count(one["n"]), count(one["events"]), tuple(lines), parts, ("sites", True), judged=answers)
