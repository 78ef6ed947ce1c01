"""Statistics of synthetic predictions in the form of `evaluation.json`, all but "measures" without a yardstick."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from validkit.stats.metrics import METRICS

TRAINING, HELD_OUT = "training", "held-out"
CLASSIFIERS = {
    "lr": ("Logistic regression", 0.93),
    "svm": ("SVM (RBF)", 0.95),
    "knn": ("k-nearest neighbours", 0.70),
    "random-forest": ("Random forest", 0.86),
    "extra-trees": ("Extra trees", 0.84),
    "xgboost": ("XGBoost", 0.88),
    "lightgbm": ("LightGBM", 0.86),
    "mlp": ("Multilayer perceptron", 1.00),
}
BACKBONES = {"densenet121": ("DenseNet121", 0.80), "resnet50": ("ResNet50", 0.62), "alexnet": ("AlexNet", 0.70)}


def estimate(value: float, se: float, method: str, n: int, events: int, note: str = "", *, unit: bool = True) -> dict:
    low, high = value - 1.96 * se, value + 1.96 * se
    if unit and not math.isnan(value):
        low, high = max(low, 0.0), min(high, 1.0)
    return {
        "value": plain(value),
        "low": plain(low),
        "high": plain(high),
        "level": 0.95,
        "method": method,
        "se": plain(se),
        "n": n,
        "n_events": events,
        "note": note,
    }


def judged(statistic: float, p: float, df: float | None, method: str, n: int, events: int, note: str = "") -> dict:
    return {
        "statistic": plain(statistic),
        "p_value": plain(p),
        "df": df,
        "method": method,
        "n": n,
        "n_events": events,
        "note": note,
    }


def curve(x: Any, y: Any, low: Any, high: Any, names: tuple[str, str], method: str, n: int, events: int) -> dict:
    def listed(values: Any) -> list | None:
        return None if values is None else [plain(v) for v in np.asarray(values, float)]

    return {
        "x": listed(x),
        "y": listed(y),
        "low": listed(low),
        "high": listed(high),
        "level": 0.95,
        "method": method,
        "x_name": names[0],
        "y_name": names[1],
        "n": n,
        "n_events": events,
        "note": "",
    }


def plain(value: float) -> float | str | None:
    value = float(value)
    if math.isnan(value):
        return None
    return ("inf" if value > 0 else "-inf") if math.isinf(value) else value


def expit(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def roc_points(y: np.ndarray, risk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-risk, kind="stable")
    tpr = np.concatenate([[0.0], np.cumsum(y[order]) / max(y.sum(), 1)])
    fpr = np.concatenate([[0.0], np.cumsum(1 - y[order]) / max((1 - y).sum(), 1)])
    return fpr, tpr


def net_benefit(y: np.ndarray, risk: np.ndarray, t: float) -> float:
    if t >= 1:
        return float("nan")
    hit = risk >= t
    return float((hit & (y == 1)).mean() - (hit & (y == 0)).mean() * t / (1 - t))


def measures(y: np.ndarray, risk: np.ndarray, threshold: float) -> dict[str, dict]:
    found = {}
    for name, metric in METRICS.items():
        at = {"threshold": threshold} if metric.needs_threshold else {}
        found[name] = metric.function(y, risk, **at).to_dict()
    return found


def scores(y: np.ndarray, risk: np.ndarray, threshold: float, rng: np.random.Generator, held_out: bool) -> dict:
    n, events = len(y), int(y.sum())
    e = lambda v, s, m, note="", unit=True: estimate(v, s, m, n, events, note, unit=unit)  # noqa: E731
    fpr, tpr = roc_points(y, risk)
    auc = float(np.trapezoid(tpr, fpr))
    share = lambda hit, among: (hit & among).sum() / max(among.sum(), 1)  # noqa: E731
    se = lambda p, m: math.sqrt(max(p * (1 - p), 0.01) / max(m, 1))  # noqa: E731
    call, case = risk >= threshold, y == 1
    sens, spec, acc = share(call, case), share(~call, ~case), (call == case).mean()
    brier, null = float(((risk - y) ** 2).mean()), y.mean() * (1 - y.mean())
    grid = np.linspace(risk.min(), risk.max(), 60)
    weight = np.exp(-0.5 * ((grid[:, None] - risk[None]) / 0.09) ** 2)
    smooth = (weight @ y) / weight.sum(1)
    band = 1.96 * np.sqrt(np.clip(smooth * (1 - smooth), 0.002, None) / np.clip(weight.sum(1), 1, None))
    groups = []
    for part in np.array_split(np.argsort(risk, kind="stable"), 10):
        p, m = float(y[part].mean()), len(part)
        half = 1.96 * se(p, m)
        groups.append(
            {
                "n": m,
                "events": int(y[part].sum()),
                "mean_risk": float(risk[part].mean()),
                "observed": p,
                "low": max(0.0, p - half),
                "high": min(1.0, p + half),
            }
        )
    edges = np.linspace(0, 1, 26)
    thresholds = np.linspace(0, 1, 101)
    return {
        "n": n,
        "events": events,
        "auc": e(auc, se(auc, events) * 0.7, "DeLong"),
        "accuracy": e(acc, se(acc, n), "Clopper-Pearson"),
        "sensitivity": e(sens, se(sens, events), "Clopper-Pearson"),
        "specificity": e(spec, se(spec, n - events), "Clopper-Pearson"),
        "ppv": e(share(case, call), 0.07, "Clopper-Pearson"),
        "npv": e(share(~case, ~call), 0.04, "Clopper-Pearson"),
        "brier": e(brier, 0.017, "bootstrap (BCa, 2000 replicates)"),
        "scaled_brier": e(1 - brier / null, 0.06, "bootstrap (BCa, 2000 replicates)", unit=False),
        "slope": e(0.86 + 0.1 * rng.normal(), 0.2, "profile likelihood", unit=False),
        "calibration_in_the_large": e(0.05 * rng.normal(), 0.22, "Wald", unit=False),
        "oe": e(y.mean() / risk.mean(), 0.15, "log-normal", unit=False),
        "hosmer_lemeshow": judged(
            12.4 if held_out else 9.1,
            0.131 if held_out else 0.0004,
            10 if held_out else 8,
            "Hosmer-Lemeshow, 10 groups of risk, df = g" if held_out else "Hosmer-Lemeshow, 10 groups, df = g - 2",
            n,
            events,
        ),
        "threshold": {"value": threshold, "rule": "Youden's J on training patients"},
        "measures": measures(y, risk, threshold),
        "at": [
            {
                "threshold": t,
                "sensitivity": e(share(risk >= t, case), 0.07, "Clopper-Pearson"),
                "specificity": e(share(risk < t, ~case), 0.04, "Clopper-Pearson"),
                "net_benefit": e(net_benefit(y, risk, t), 0.03, "bootstrap (BCa, 2000 replicates)", unit=False),
            }
            for t in (0.1, 0.2, 0.3, 0.5)
        ],
        "roc": curve(fpr, tpr, None, None, ("1 - specificity", "sensitivity"), "empirical", n, events),
        "calibration": curve(
            grid,
            smooth,
            np.clip(smooth - band, 0, 1),
            np.clip(smooth + band, 0, 1),
            ("predicted risk", "observed proportion"),
            "loess",
            n,
            events,
        ),
        "calibration_groups": groups,
        "decision": curve(
            thresholds,
            [net_benefit(y, risk, t) for t in thresholds],
            None,
            None,
            ("threshold probability", "net benefit"),
            "net benefit",
            n,
            events,
        ),
        "treated": {
            "thresholds": thresholds.tolist(),
            "event": [int((risk[case] >= t).sum()) for t in thresholds],
            "no_event": [int((risk[~case] >= t).sum()) for t in thresholds],
            "n": n,
            "events": events,
        },
        "risks": {
            "edges": edges.tolist(),
            "event": np.histogram(risk[case], edges)[0].tolist(),
            "no_event": np.histogram(risk[~case], edges)[0].tolist(),
        },
    }
