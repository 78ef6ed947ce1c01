"""What the reader must know before believing the numbers, in plain words, derived from the records."""

from __future__ import annotations

import math
from typing import Any

from validkit.report import text
from validkit.report.page import Notice
from validkit.report.records import HELD_OUT, NotAvailable, Record, Run, dig
from validkit.report.values import count, estimate, number

ADVISED = 100
"""events, and patients without it, that a validation should have at least (Vergouwe et al., J Clin Epidemiol 2005)"""
SHORTENING = ("epochs", "patience")


def notices(run: Run) -> list[Notice]:
    """What belongs above everything else: looks at held-out outcomes, deviations, faults, warnings of the run."""
    found: list[Notice] = []
    status = str(run.info.get("status") or "unknown")
    if status != "complete":
        found.append(Notice("warning", f"The run is not complete (status: {status})", "Some records may be missing."))
    _, wrong = run.integrity()
    if wrong:
        found.append(Notice("warning", "Records are missing or were changed after the run", f"{'; '.join(wrong)}."))
    looks = [(f"Held-out outcomes were looked at ({x.get('stage')})", x) for x in run.info.get("looks") or []]
    warnings = [x for x in remarks(run) if x.get("severity") == "warning"]
    found += [Notice("warning", title, str(look.get("text"))) for title, look in looks]
    found += deviations(run)
    found += [Notice("warning", f"Warning from {x.get('stage')}", str(x.get("text"))) for x in warnings]
    return found


def remarks(run: Run) -> list[Record]:
    """The run's own notices, without those that repeat an override: `deviations` tells these with what was replaced."""
    overrides = list(map(str, run.info.get("overrides") or []))
    return [
        notice
        for notice in run.info.get("notices") or []
        if not any(item in str(notice.get("text")) for item in overrides)
    ]


def deviations(run: Run) -> list[Notice]:
    """One notice a stage that overrides changed, with what protocol.toml says where it says something else."""
    by_stage: dict[str, list[tuple[str, str, bool]]] = {}
    for item in map(str, run.info.get("overrides") or []):
        path, _, value = (part.strip() for part in item.partition("="))
        parts = path.split(".")
        stage = parts[1] if parts[0] == "model" and len(parts) > 2 else parts[0]
        before: Any = dig(run.original, path)
        x, y = number(before), _as_number(value)
        shorter = parts[-1] in SHORTENING and not math.isnan(x) and y < x
        instead = f" instead of {before}" if before is not None and str(before) != value else ""
        by_stage.setdefault(stage, []).append((item, f"{path} is {value}{instead}", shorter))
    found = []
    for stage, changes in by_stage.items():
        verb = "shortened" if any(shorter for *_, shorter in changes) else "changed"
        how = "an override" if len(changes) == 1 else "overrides"
        title = f"{stage.capitalize()} stage {verb} by {how}: {', '.join(item for item, *_ in changes)}"
        words = "; ".join(words for _, words, _ in changes)
        found.append(Notice("warning", title, f"The run departs from the protocol file: {words}."))
    return found


def _as_number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def limits(run: Run) -> list[str]:
    """The study's limits, most serious first."""
    found: list[str] = []
    if run.synthetic:
        found.append(
            "The patients are simulated. The figures show that the procedure works; they say nothing about how well "
            "the model predicts in people."
        )
    found += [
        f"Held-out outcomes were looked at before the final evaluation ({look.get('stage')}): figures on held-out "
        "patients that depend on this choice are optimistic."
        for look in run.info.get("looks") or []
    ]
    found += _numbers(run) + _design(run) + _stages(run)
    found += [
        "Intervals describe the chance in which patients were held out, for the model as fitted; they do not contain "
        "the variation that fitting the model on other training patients would bring.",
        "Figures on training patients (apparent) are flattered by the fit. They are shown so that the fall to held-out "
        "patients can be seen.",
        "A Hosmer-Lemeshow p-value above 0.05 is not evidence of good calibration: the test has little power in small "
        "samples. Read the slope, the calibration in the large and the curve.",
    ]
    return found


def _numbers(run: Run) -> list[str]:
    held_out = dig(run.info, "cohort.held_out") or {}
    n, events = count(held_out.get("n")), count(held_out.get("events"))
    if n is None or events is None or min(events, n - events) >= ADVISED:
        return []
    few, word = (events, "had the event") if events <= n - events else (n - events, "did not have the event")
    return [
        f"Only {few} of {n} held-out patients {word}. At least {ADVISED} with and {ADVISED} without the event are "
        "advised for a validation (Vergouwe et al. 2005); with fewer, calibration in particular is uncertain."
    ]


def _design(run: Run) -> list[str]:
    found = []
    if run.setting("design.kind", "holdout") == "holdout":
        found.append("The patients were split once at random; another split would give other figures.")
    sites = dig(run.info, "cohort.sites") or {}
    if len(sites) <= 1:
        found.append("All patients come from one site. Whether the model holds elsewhere was not examined.")
    else:
        found.append(
            f"The patients come from {len(sites)} sites, and held-out patients from the same sites as training "
            "patients: transport to a new site was not examined."
        )
    excluded = dig(run.info, "cohort.excluded") or []
    if excluded:
        who = "One patient was" if len(excluded) == 1 else f"{len(excluded)} patients were"
        found.append(f"{who} excluded; see Patients for the reason.")
    return found


def _stages(run: Run) -> list[str]:
    found = []
    if _stage(run, "reproducibility").get("perturbed"):
        found.append(
            "Reproducibility was judged on randomised copies of one outline, not on a second reading: differences "
            "between readers may be larger."
        )
    stand_in = [str(b.get("name")) for b in _stage(run, "deep").get("backbones") or [] if not b.get("pretrained")]
    if stand_in:
        found.append(f"Trained without pretrained weights: {text.listed(stand_in)}.")
    if _stage(run, "nomogram").get("fusion_score") == "resubstituted":
        found.append(
            "The nomogram was fitted to fusion scores of the patients the fusion was fitted to (resubstituted). Such "
            "scores are too sharp, so the nomogram gives them too much weight."
        )
    return found


def _stage(run: Run, name: str) -> dict[str, Any]:
    try:
        return run.stage(name)
    except NotAvailable:
        return {}


def headline_sentence(run: Run) -> str:
    """What the held-out AUC of the nomogram means, in words."""
    model = run.chosen("nomogram")
    scores = model["sets"].get(HELD_OUT) if model else None
    if not scores:
        return ""
    auc = estimate(scores.get("auc"))
    if not auc.defined:
        return ""
    interval = (
        f" ({text.level(auc.level)} interval {100 * auc.low:.1f} to {100 * auc.high:.1f} %)" if auc.has_interval else ""
    )
    return (
        f"Of every pair of held-out patients, one with and one without {run.positive}, the nomogram gives the higher "
        f"risk to the one with {run.positive} in {100 * auc.value:.1f} % of pairs{interval}; 50 % would be chance."
    )
