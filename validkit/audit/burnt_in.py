"""Marks outside the lesion that predict the outcome: text, calipers, side marks, borders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from validkit.audit.chance import Bench, Scores, area_interval, bench, chance_p, together
from validkit.audit.findings import MOST_CASES, Finding, finding
from validkit.audit.looks import Look, look_at
from validkit.audit.marks import BORDER_NAMES, COARSE, CORNERS, GRID, POOL, SIDES, Marks
from validkit.engine import Reporter

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.stats import Estimate

ALPHA = 0.01
PERMUTATIONS = 999
STRONGEST = 0.8
METHOD = (
    "Outside the lesion's crop, six sets of numbers that tissue leaves at zero, or zero on average, at any depth and "
    "zoom and up to the gain that saturates it: how many strokes, strokes by place, edges of flat areas, border, the "
    "picture at fixed distances from the corners, and more coarsely everywhere. On each, a nearest-centroid model with "
    "soft-thresholded differences (Tibshirani et al., PNAS 99 (2002) 6567-6572; threshold sqrt(2 ln p) - 1), "
    "cross-validated in five stratified folds that keep patients together. AUC with DeLong's interval, approximate for "
    "cross-validated scores; p by shuffling outcomes within folds, adjusted over the six sets by the largest AUC, each "
    "in units of its spread under chance (Westfall and Young 1993), never 0. Fails where p < {alpha:g} and the "
    "interval lies above 0.5. Beyond it: marks as soft and faint as tissue that change place, an image cut or zoomed "
    "and brought back to its size, marks that few patients carry, and whatever lies inside the lesion's crop."
)


@dataclass(frozen=True, eq=False)
class Family:
    """One set of numbers: values (patients, numbers) and what each is."""

    name: str
    values: NDArray[np.float32]
    names: Sequence[str]


def check_burnt_in(
    cohort: Cohort,
    splits: Sequence[object] = (),
    *,
    seed: int,
    looks: Mapping[str, Look] | None = None,
    permutations: int = PERMUTATIONS,
    alpha: float = ALPHA,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> Finding:
    """Whether marks outside the lesion's crop predict the outcome. It looks at the outcome of every patient.

    splits : not needed; taken so that all sentinels are called alike
    looks : what `look_at` returned for this cohort, where the images were read already
    """
    method = METHOD.format(alpha=alpha)
    if getattr(cohort, "images", None) is None:
        return finding("burnt-in", "not applicable", "the cohort has no images", method=method)
    at = bench(cohort.outcome, together(cohort), seed)
    if isinstance(at, str):
        return finding("burnt-in", "not applicable", at, method=method)
    looks = look_at(cohort, engine=engine, reporter=reporter) if looks is None else looks
    sets = families([looks[patient].marks for patient in cohort.patients])
    methods = [centroids(one.values, at) for one in sets]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4,)))
    p, made = chance_p(at, methods, rng, permutations)
    rows = []
    for one, scorer, p_value in zip(sets, methods, p, strict=True):
        score = scorer(at.outcome[None].astype(np.float32))[0]
        rows.append(_row(cohort, at, one, score, area_interval(at, score), p_value, alpha))
    return _answer(at, rows, made, alpha, method)


def families(seen: Sequence[Marks]) -> list[Family]:
    """The sets of numbers of all patients."""
    strokes = np.stack([one.strokes for one in seen]).reshape(len(seen), -1)
    edges = np.stack([one.edges for one in seen]).reshape(len(seen), -1)
    pieces = np.array([one.pieces for one in seen], dtype=np.float32)
    count, length = strokes.sum(axis=1), edges.sum(axis=1)
    totals = np.stack([np.log1p(count), np.log1p(pieces), count > 0], axis=1).astype(np.float32)
    on_edges = np.column_stack([np.log1p(length), length > 0, np.log1p(edges)]).astype(np.float32)
    return [
        Family("how many strokes", totals, ("stroke pixels", "strokes", "any stroke")),
        Family("strokes by place", np.log1p(strokes).astype(np.float32), _grid("strokes")),
        Family("edges of flat areas", on_edges, ("pixels on edges", "any edge", *_grid("edges"))),
        Family("border", np.stack([one.border for one in seen]), BORDER_NAMES),
        _corners(seen),
        _whole_picture(seen),
    ]


def _grid(what: str) -> list[str]:
    return [f"{what}, row {r + 1} and column {c + 1} of {GRID}" for r in range(GRID) for c in range(GRID)]


def _corners(seen: Sequence[Marks]) -> Family:
    values = np.stack([one.corners for one in seen])
    return Family("corners", values.reshape(len(seen), -1), _from_corners(values.shape[2], POOL))


def _whole_picture(seen: Sequence[Marks]) -> Family:
    quarters, middles = np.stack([one.quarters for one in seen]), np.stack([one.middles for one in seen])
    rows, columns = middles.shape[2:]
    names = _from_corners(quarters.shape[2], COARSE) + [
        f"picture, {r * COARSE} pixels from the {side} and {(c - columns // 2) * COARSE} to the right of the middle"
        for side in SIDES[:2]
        for r in range(rows)
        for c in range(columns)
    ]
    values = [part.reshape(len(seen), -1) for part in (quarters, middles)]
    return Family("whole picture", np.concatenate(values, axis=1), names)


def _from_corners(side: int, pool: int) -> list[str]:
    return [
        f"picture, {r * pool} pixels below or above and {c * pool} beside the {corner} corner"
        for corner in CORNERS
        for r in range(side)
        for c in range(side)
    ]


def centroids(values: NDArray[np.float32], at: Bench) -> Scores:
    """Cross-validated scores of the nearest-centroid model, for any outcomes.

    In each fold's training patients every number is counted from its median, in units of its standard deviation, so
    that patients without a mark that few carry score 0 in every fold. Its weight is the standardised difference between
    patients with and without the event, z, brought towards 0 by sqrt(2 ln p) - 1, or by 0.8 max |z| if that is less, so
    that the strongest always speak.
    """
    parts = []
    for train, held in at.folds:
        x = values[train]
        centre, spread = np.median(x, axis=0), x.std(axis=0)
        known = spread > 1e-6
        scaled = [
            ((values[part][:, known] - centre[known]) / spread[known]).astype(np.float32) for part in (train, held)
        ]
        parts.append((train, held, *scaled))
    usual = float(np.sqrt(2 * np.log(max(values.shape[1], 2)))) - 1

    def scores(outcomes: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.zeros(outcomes.shape, dtype=np.float32)
        for train, held, x, new in parts:
            y = outcomes[:, train]
            share = y.mean(axis=1, keepdims=True)
            z = ((y - share) @ x) / np.sqrt(train.size * share * (1 - share))
            size = np.abs(z)
            most = np.minimum(usual, STRONGEST * size.max(axis=1, keepdims=True, initial=0))
            out[:, held] = (np.sign(z) * np.maximum(size - most, 0)) @ new.T
        return np.round(out, 4)

    return scores


def _row(
    cohort: Cohort, at: Bench, one: Family, score: NDArray[Any], area: Estimate, p: float, alpha: float
) -> dict[str, Any]:
    fails = p < alpha and area.low > 0.5
    row: dict[str, Any] = {
        "set": one.name,
        "numbers": one.values.shape[1],
        "outcome": "fail" if fails else "pass",
        "auc": area.value,
        "low": area.low,
        "high": area.high,
        "level": area.level,
        "p": p,
    }
    if fails:
        row["telling"] = _telling(one, at)
        order = np.argsort(-np.abs(score), kind="stable")[:MOST_CASES]
        row["cases"] = [
            {"patient": cohort.patients[k], "event": int(at.outcome[k]), "score": float(score[k])} for k in order
        ]
    return row


def _telling(one: Family, at: Bench) -> list[dict[str, Any]]:
    """The five numbers that differ most between patients with and without the event."""
    event = at.outcome == 1
    spread = one.values.std(axis=0)
    gap = one.values[event].mean(axis=0) - one.values[~event].mean(axis=0)
    z = np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 1e-6)
    best = np.argsort(-np.abs(z), kind="stable")[:5]
    return [
        {
            "what": one.names[k],
            "mean_event": float(one.values[event, k].mean()),
            "mean_no_event": float(one.values[~event, k].mean()),
            "present_event": int(np.count_nonzero(one.values[event, k])),
            "present_no_event": int(np.count_nonzero(one.values[~event, k])),
        }
        for k in best
    ]


def _answer(at: Bench, rows: list[dict[str, Any]], made: int, alpha: float, method: str) -> Finding:
    n, events = at.outcome.size, int(at.outcome.sum())
    evidence = {"n": n, "events": events, "permutations": made, "alpha": alpha, "sets": rows}
    failed = [row for row in rows if row["outcome"] == "fail"]
    if not failed:
        best = max(rows, key=lambda row: row["auc"])
        why = f"no set of marks predicts the outcome (largest AUC {_shown(best)}, {best['set']})"
        advice = "Nothing needs to be done."
        return finding("burnt-in", "pass", why, evidence=evidence, advice=advice, method=method)
    why = "; ".join(f"{row['set']} predict the outcome with AUC {_shown(row)}" for row in failed)
    advice = (
        "Look at the images of the patients listed. Remove the marks (crop or mask them in every image alike), or "
        "train on the lesion's crop alone, and run again; a model may have read the mark in place of the lesion."
    )
    return finding("burnt-in", "fail", why, evidence=evidence, advice=advice, method=method)


def _shown(row: Mapping[str, Any]) -> str:
    return f"{row['auc']:.2f} [{row['low']:.2f}, {row['high']:.2f}], p = {row['p']:.3g}"
