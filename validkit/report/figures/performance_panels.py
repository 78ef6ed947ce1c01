"""Panels of performance: ROC curves, calibration and decision curves, one panel a set of patients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Panels
from validkit.report.figures.calibration import CalibrationDisplay
from validkit.report.figures.decision import TREAT_ALL, TREAT_NONE, DecisionDisplay
from validkit.report.figures.first_screen import APPARENT, first_panels
from validkit.report.figures.roc import RocDisplay, RocLine
from validkit.report.figures.style import Stroke
from validkit.report.records import CORRECTED, HELD_OUT, SETS, TRAINING, NotAvailable, Record, Run, labels
from validkit.report.subject import spoken, subject
from validkit.report.values import Curve, count, curve, estimate, number, numbers

Sizes = tuple[int | None, int | None]
DRAWN_SETS = (TRAINING, HELD_OUT)
"""the sets that figures show side by side; cross-fitted figures are in the tables"""


def roc_of(
    models: Iterable[Record], strokes: dict[str, Stroke], *, mark_chosen: bool, words: Mapping[str, str] = SETS
) -> Panels:
    """ROC curves of these models, one panel a set."""
    models = list(models)
    names = labels(models)
    panels: Panels = []
    for where in DRAWN_SETS:
        lines: list[RocLine] = []
        sizes: Sizes = (None, None)
        for model in models:
            scores = model["sets"].get(where)
            if scores is not None:
                sizes = (count(scores.get("n")), count(scores.get("events")))
                lines.append(_roc_line(model, names[model["name"]], scores, strokes[model["name"]], mark_chosen))
        if any(line.curve is not None for line in lines):
            panels.append((where, RocDisplay(words[where], *sizes, tuple(lines))))
    if not panels:
        raise NotAvailable("no ROC curve was recorded for these models")
    return panels


def _roc_line(model: Record, label: str, scores: Record, stroke: Stroke, mark_chosen: bool) -> RocLine:
    hit, correct = (estimate(scores.get(key)).value for key in ("sensitivity", "specificity"))
    point = None if np.isnan(hit) or np.isnan(correct) else (1.0 - correct, hit)
    chosen = mark_chosen and bool(model.get("chosen"))
    return RocLine(text.clean(label), stroke, estimate(scores.get("auc")), curve(scores.get("roc")), point, chosen)


def roc_candidates(family: str) -> Callable[[Run], Panels]:
    """ROC curves of the competing models of a family."""

    def build(run: Run) -> Panels:
        models = run.candidates(family)
        if not models:
            raise NotAvailable(f"evaluation.json holds no competing {family} models")
        chosen = next((str(m["name"]) for m in models if m.get("chosen")), None)
        return roc_of(models, style.strokes([str(m["name"]) for m in models], chosen), mark_chosen=True)

    return build


def roc_compared(run: Run) -> Panels:
    """ROC curves of the models compared."""
    models = run.compared()
    if not models:
        raise NotAvailable("evaluation.json holds no models")
    return roc_of(models, strokes_of(run, models), mark_chosen=False, words=run.sets)


def strokes_of(run: Run, models: Sequence[Record]) -> dict[str, Stroke]:
    """A stroke for each model compared: the families' own, else black for the reference."""
    if all(m.get("family") in style.FAMILY for m in models):
        return {str(m["name"]): style.FAMILY[m["family"]] for m in models}
    reference = run.reference
    chosen = None if reference is None else str(reference["name"])
    return style.strokes([str(m["name"]) for m in models], chosen)


def first_screen(run: Run) -> Panels:
    """The reference model's pictures of the first screen, on the patients that answer the question."""
    found = subject(run)
    where, scores = found.where, found.scores
    if where == CORRECTED:  # curves are corrected by no design
        where, scores = TRAINING, found.model["sets"].get(TRAINING) or Record()
    return first_panels(
        scores,
        f"{run.among(where)}{APPARENT if found.where == CORRECTED else ''}",
        (run.positive, run.negative),
        everybody=(run.strategies.get(where) or {}).get("treat_all"),
        focus=run.focus,
    )


def calibration(run: Run) -> Panels:
    """Calibration of the reference model, one panel a set."""
    model = run.reference
    if model is None:
        raise NotAvailable("evaluation.json does not hold the protocol's reference model")
    panels = calibration_of(model, run.sets, (run.positive, run.negative))
    if not panels:
        raise NotAvailable(f"no calibration curve and no groups of risk were recorded for {spoken(model)}")
    return panels


def calibration_of(model: Record, sets: Mapping[str, str], words: tuple[str, str]) -> Panels:
    """Calibration of one model, one panel a set; words : for patients with and without the event."""
    panels: Panels = []
    for where in DRAWN_SETS:
        scores = model["sets"].get(where)
        if scores is None:
            continue
        groups = scores.get("calibration_groups") or []
        keys = ("mean_risk", "observed", "low", "high", "n")
        risks = scores.get("risks") or {}
        drawn = curve(scores.get("calibration"))
        if drawn is None and not groups:
            continue
        panel = CalibrationDisplay(
            sets[where],
            count(scores.get("n")),
            count(scores.get("events")),
            drawn,
            np.array([[number(g.get(k)) for k in keys] for g in groups]).reshape(-1, 5),
            numbers(risks.get("edges")),
            numbers(risks.get("event")),
            numbers(risks.get("no_event")),
            estimate(scores.get("slope")),
            estimate(scores.get("calibration_in_the_large")),
            words,
            str((scores.get("calibration") or {}).get("note") or "not recorded"),
        )
        panels.append((where, panel))
    return panels


def decision(run: Run) -> Panels:
    """Decision curves of the models compared, one panel a set."""
    models, reference = run.compared(), run.reference
    strokes = strokes_of(run, models)
    focus = run.focus
    panels: Panels = []
    for where in DRAWN_SETS:
        lines: list[tuple[str, Stroke, Curve]] = []
        sizes: Sizes = (None, None)
        banded = None
        for model in models:
            scores = model["sets"].get(where) or {}
            drawn = curve(scores.get("decision"))
            if drawn is not None:
                sizes = (count(scores.get("n")), count(scores.get("events")))
                label = text.clean(model.get("label") or model["name"])
                lines.append((label, strokes[model["name"]], drawn))
                banded = label if model is reference else banded
        references = run.strategies.get(where) or {}
        for key, label, stroke in (("treat_all", "Treat all", TREAT_ALL), ("treat_none", "Treat none", TREAT_NONE)):
            drawn = curve(references.get(key))
            if drawn is not None and lines:
                lines.append((label, stroke, drawn))
        if lines:
            window = (number(focus[0]), number(focus[1])) if focus else None
            panels.append((where, DecisionDisplay(run.sets[where], *sizes, tuple(lines), window, banded)))
    if not panels:
        raise NotAvailable("no decision curve was recorded")
    return panels
