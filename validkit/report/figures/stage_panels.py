"""Panels of the PLNM model's stages: features, their selection, the deep branch, the nomogram."""

from __future__ import annotations

from typing import Any

import numpy as np

from validkit.report import text
from validkit.report.figures.base import Panels
from validkit.report.figures.deep import SaliencyDisplay, TrainingDisplay
from validkit.report.figures.features import CountDisplay, IccDisplay
from validkit.report.figures.nomogram import NomogramDisplay, Ruler
from validkit.report.figures.selection import LOWERS, RAISES, LassoCvDisplay, LassoPathDisplay, WeightDisplay
from validkit.report.records import NotAvailable, Record, Run
from validkit.report.values import count, number, numbers

MOST_SALIENCY = 8


# --- features and their selection --------------------------------------------------------------


def feature_counts(run: Run) -> Panels:
    """By class and by image type."""
    record = run.stage("radiomics")
    kinds = (("class", "class", record["by_class"]), ("image-type", "image type", record["by_image_type"]))
    return [(key, CountDisplay(kind, tuple(c), tuple(map(int, c.values())))) for key, kind, c in kinds if c]


def icc(run: Run) -> Panels:
    """One panel a group of repeated outlines."""
    record = run.stage("reproducibility")
    panels: Panels = []
    for key, group in record["groups"].items():
        roles = text.listed([str(role) for role in group.get("roles") or []])
        values = numbers(record["icc"].get(key))
        if len(values):
            minimum, kept = number(record["minimum"]), count(group.get("kept"))
            heading = READERS.get(key, str(key).capitalize())
            panel = IccDisplay(heading, roles, str(record["form"]), count(group.get("n")), values, minimum, kept)
            panels.append((_slug(key), panel))
    if not panels:
        raise NotAvailable("no intraclass correlation was recorded")
    return panels


def lasso(run: Run) -> Panels:
    """Coefficient path and cross-validation curve."""
    record = run.stage("selection")["lasso"]
    if record is None:
        raise NotAvailable("the protocol's selection has no LASSO step, or the LASSO was not needed")
    lambdas, chosen = numbers(record["lambdas"]), number(record["chosen"])
    if not (len(lambdas) and (lambdas > 0).all() and chosen > 0):
        raise NotAvailable("stages/selection.json holds no positive penalties")
    features = tuple(map(str, record["features"]))
    paths = np.array([numbers(path) for path in record["coefficients"]]).reshape(len(features), -1)
    if paths.shape[1] != len(lambdas):
        raise NotAvailable(f"{len(lambdas)} penalties but {paths.shape[1]} coefficients a feature were recorded")
    kept = (np.abs(paths) > 0).sum(axis=0)
    losses = {"squared": "Mean squared error", "logistic": "Logistic loss (deviance)"}
    loss = losses.get(str(record["loss"]), str(record["loss"]))
    mean, se = numbers(record["cv_mean"]), numbers(record["cv_se"])
    panels: Panels = [("path", LassoPathDisplay(lambdas, features, paths, chosen))]
    if len(mean) == len(lambdas) == len(se):
        panels.append(("cv", LassoCvDisplay(lambdas, mean, se, kept, chosen, loss, str(record["rule"]))))
    return panels


def radiomic_weights(run: Run) -> Panels:
    """Coefficients of the kept radiomic features."""
    rows = run.stage("selection")["selected"]
    if not rows:
        raise NotAvailable("no radiomic feature was kept")
    weights = numbers([r["coefficient"] for r in rows])
    if np.isnan(weights).all():
        raise NotAvailable("no coefficients were recorded; they come from a LASSO step")
    signs = tuple(RAISES if w > 0 else LOWERS for w in weights)
    names = tuple(str(r["feature"]) for r in rows)
    return [("", WeightDisplay("Kept radiomic features", "|LASSO coefficient|", names, weights, signs))]


def fusion_weights(run: Run) -> Panels:
    """Importance of the fused columns, by branch."""
    rows = run.stage("fusion")["selected"]
    if not rows:
        raise NotAvailable("no fused column was kept")
    weights = numbers([r.get("importance") for r in rows])
    if np.isnan(weights).all():
        raise NotAvailable("no importances were recorded")
    names, branches = (tuple(str(r[key]) for r in rows) for key in ("feature", "branch"))
    return [("", WeightDisplay("Kept columns", "|importance|", names, weights, branches))]


# --- the deep branch ---------------------------------------------------------------------------


def training_curves(run: Run) -> Panels:
    """One panel a backbone."""
    panels: Panels = []
    for row in run.stage("deep")["backbones"]:
        epochs = row.get("epochs") or []
        if epochs:
            at, loss, inner_loss, auc = (numbers([e.get(key) for e in epochs]) for key in EPOCH_KEYS)
            best = count(row.get("best_epoch"))
            detail = f"inner validation: {text.counts(count(row.get('inner_n')), count(row.get('inner_events')))}"
            panel = TrainingDisplay(str(row["name"]), detail, at, loss, inner_loss, auc, best)
            panels.append((_slug(row["name"]), panel))
    if not panels:
        raise NotAvailable("no epoch was trained: the backbones were used as they came")
    return panels


READERS = {"intra": "Intra-reader", "inter": "Inter-reader", "perturbed": "Randomised outlines"}
EPOCH_KEYS = ("epoch", "train_loss", "validation_loss", "validation_auc")


def saliency(run: Run) -> Panels:
    """One panel a patient."""
    rows = run.stage("deep")["saliency"]
    if not rows:
        raise NotAvailable("no heat map was asked for (model.deep.saliency = 0), or none could be made")
    arrays = run.saliency()
    if len(rows) != len(arrays.images):
        raise NotAvailable(f"{len(rows)} patients are recorded but {len(arrays.images)} heat maps were stored")
    panels: Panels = []
    for i, row in enumerate(rows[:MOST_SALIENCY]):
        outcome = run.positive if row["outcome"] == 1 else run.negative
        heat = np.nan_to_num(arrays.maps[i].astype(float))
        panel = SaliencyDisplay(
            str(row["patient"]),
            outcome,
            number(row["probability"]),
            str(row["backbone"]),
            arrays.images[i],
            heat,
            arrays.outlines[i].astype(bool),
        )
        panels.append((f"{i + 1:02d}", panel))
    return panels


# --- the nomogram ------------------------------------------------------------------------------


def nomogram(run: Run) -> Panels:
    """The rulers."""
    record = run.stage("nomogram")
    terms = record["terms"]
    if not terms:
        raise NotAvailable("the nomogram has no terms")
    rulers = tuple(_term_ruler(term) for term in terms)
    top = max((at for r in rulers for at, _ in r.ticks), default=100.0)
    points = Ruler("Points", tuple((float(at), f"{at:g}") for at in _steps(0.0, max(top, 1.0))), major=True)
    low, high = (number(v) for v in record["total"]["range"])
    ticks = [(number(t), f"{number(t):g}") for t in record["total"]["ticks"]]
    risks = [(number(p["points"]), f"{number(p['probability']):g}") for p in record["probability"]]
    totals = (
        Ruler("Total points", tuple(ticks), major=True),
        Ruler(f"Probability of {run.positive}", tuple(risks), major=True),
    )
    return [("", NomogramDisplay(run.positive, points, rulers, totals, (low, high)))]


def _term_ruler(term: Record) -> Ruler:
    unit = f", {term['unit']}" if term.get("unit") else ""
    ticks = tuple((number(t["points"]), str(t.get("label") or t.get("value"))) for t in term["ticks"])
    return Ruler(f"{term.get('label') or term['name']}{unit}", ticks, every=term.get("kind") != "continuous")


def _steps(low: float, high: float) -> np.ndarray:
    """Round numbers from `low` that reach over `high`, about ten of them."""
    width = next(w for w in (1, 2, 5, 10, 20, 25, 50, 100, 10 ** np.ceil(np.log10(high))) if high / w <= 10.5)
    return np.arange(low, high + 0.01 * width, width)


def _slug(name: Any) -> str:
    """A file name's part from a record's name: letters, digits and hyphens only."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in str(name))[:40].strip("-").lower() or "x"
