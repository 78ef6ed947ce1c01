"""Panels of what a design adds: performance by site or fold, optimism, how often columns were kept."""

from __future__ import annotations

from validkit.report import fits
from validkit.report.figures.base import Panels
from validkit.report.figures.forest import ForestDisplay, Scale, SpreadDisplay
from validkit.report.figures.optimism import KeptDisplay, OptimismDisplay
from validkit.report.optimism import ESTIMATES, metrics
from validkit.report.records import NotAvailable, Run
from validkit.report.subject import REGISTRY, score, subject
from validkit.report.values import estimate

SCALES = {
    "auc": Scale("AUC", 0.5, "chance, 0.5", unit=True, always=False),
    "slope": Scale("Calibration slope", 1.0, "ideal, 1"),
    "calibration_in_the_large": Scale("Calibration in the large", 0.0, "ideal, 0"),
    "oe": Scale("Observed : expected", 1.0, "ideal, 1", ratio=True),
}
MOST_ROWS = 20
"""splits that have a row each; more of them are drawn as dots"""


def caption(run: Run) -> str:
    """What a row is, in the form that the number of splits asks for."""
    if run.splits > MOST_ROWS:
        return (
            "Each dot is one split, judged on its held-out patients alone; the line and its band are the figure of all "
            "patients together with its interval, the dashed line is the ideal, or chance for the AUC."
        )
    words = (
        "Each row is judged on its held-out patients alone, with its interval; an arrow goes on beyond the axis; the "
        "dashed line is the ideal, or chance for the AUC."
    )
    pooled = " The diamond is the mean over sites by random effects, the bar under it the range expected at a new site."
    return words + (pooled if run.design == "internal-external" else "")


def by_split(run: Run) -> Panels:
    """One panel a measure of the reference model."""
    found = subject(run)
    rows = fits.parts(found.model)
    repeats = fits.has_repeats(rows)
    panels: Panels = []
    for key, scale in SCALES.items():
        suffix = key.replace("_", "-")
        if len(rows) > MOST_ROWS:
            dots = tuple((f"Repeat {row.get('repeat') or 1}", estimate(row.get(key))) for row in rows)
            panels.append((suffix, SpreadDisplay(scale, dots, score(found.scores, key))))
            continue
        named = tuple((fits.split_name(row, repeats=repeats), estimate(row.get(key))) for row in rows)
        pooled = (found.model.get("pooled") or {}).get(key)
        mean, new = (estimate(pooled.get(part)) if pooled else None for part in ("estimate", "prediction"))
        panels.append((suffix, ForestDisplay(scale, named, mean, new)))
    return panels


def optimism(run: Run) -> Panels:
    """One panel a main measure of the reference model."""
    found = metrics(subject(run).model)
    panels: Panels = []
    for key, scale in (*SCALES.items(), ("brier", Scale("Brier score", None, ""))):
        record = found.get(REGISTRY.get(key, key))
        if record:
            rows = [(name, estimate(record.get(part))) for part, name in ESTIMATES]
            shown = tuple((name, e) for name, e in rows if e.defined)
            if shown and shown[0][0] == "Apparent":
                panels.append((key.replace("_", "-"), OptimismDisplay(scale.name, shown)))
    if not panels:
        raise NotAvailable("no optimism was recorded")
    return panels


def kept(run: Run) -> Panels:
    """How often each column was kept."""
    counts, last = fits.kept_counts(run), fits.final(run)
    final = None if last is None else frozenset(map(str, last.get("features") or []))
    return [("", KeptDisplay(tuple(counts.items()), len(fits.fits(run)), final))]
