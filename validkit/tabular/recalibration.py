"""Recalibration learnt from cross-fitted predictions of training patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from validkit.folds import Split
from validkit.stats import recalibrate_isotonic, recalibrate_platt

__all__ = ["Recalibration", "recalibrate"]


@dataclass(frozen=True, eq=False)
class Recalibration:
    """How risks are changed; `note` says why they are not.

    limit : Platt's scaling works on log odds, so it takes a risk nearer to 0 or 1 than this as being this near
    """

    method: str
    update: Any
    limit: float
    on: str
    note: str

    def apply(self, risk: np.ndarray) -> np.ndarray:
        """(n,) recalibrated risks."""
        if self.update is None or not len(risk):
            return risk
        changed: np.ndarray = self.update.apply(np.clip(risk, self.limit, 1 - self.limit))
        return changed

    def numbers(self) -> list[list[float]]:
        """What was learnt: intercept and slope, or the points of the isotonic curve."""
        if self.update is None:
            return []
        if self.method == "platt":
            return [[self.update.intercept.value], [self.update.slope.value]]
        return [self.update.x.tolist(), self.update.y.tolist()]

    def record(self) -> dict[str, Any]:
        """The recalibration as the report shows it."""
        numbers = self.numbers()
        platt = bool(numbers) and self.method == "platt"
        return {
            "method": self.method,
            "on": self.on,
            "applied": bool(numbers),
            "intercept": numbers[0][0] if platt else None,
            "slope": numbers[1][0] if platt else None,
            "levels": len(set(numbers[1])) if numbers and not platt else None,
            "limit": self.limit,
            "note": self.note,
        }


def recalibrate(
    method: str, risk: np.ndarray, y: np.ndarray, splits: list[Split]
) -> tuple[Recalibration, np.ndarray, int]:
    """(recalibration learnt from all, cross-fitted risks recalibrated by the other folds', fits).

    risk : (n,) cross-fitted; splits : the folds they come from
    """
    learnt, fits = _learn(method, risk, y, f"{len(splits)}-fold cross-fitted risks of {y.size} training patients"), 1
    changed = risk.copy()
    for others, rest in splits:
        changed[rest] = _learn(method, risk[others], y[others], "").apply(risk[rest])
        fits += 1
    return learnt, changed, fits


def _learn(method: str, risk: np.ndarray, y: np.ndarray, on: str) -> Recalibration:
    """Platt's scaling or isotonic regression; left out, with a note, where it cannot be learnt or turns risks round."""
    if method == "isotonic":
        update = recalibrate_isotonic(y, risk)
        return Recalibration(method, update if update.x.size else None, 0.0, on, update.note)
    limit = 1 / (2 * y.size)
    platt = recalibrate_platt(y, np.clip(risk, limit, 1 - limit))
    if not platt.slope.value > 0:
        return Recalibration(method, None, limit, on, f"left out: {platt.note}")
    return Recalibration(method, platt, limit, on, platt.note)
