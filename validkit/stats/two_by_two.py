"""The two-by-two table at one threshold. A patient is positive when risk >= threshold.

The threshold is freed of floating-point residue first (`checks.check_threshold`): a threshold of 0.1 * 3 means 0.3, and
a patient with a risk of exactly 0.3 is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from validkit.stats.checks import check_binary_risk, check_threshold, patients
from validkit.stats.results import Record

__all__ = ["Confusion", "confusion"]


@dataclass(frozen=True, repr=False)
class Confusion(Record):
    """Counts of the rule "risk >= threshold is positive"."""

    tp: int
    fp: int
    tn: int
    fn: int
    threshold: float
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        counts = f"TP {self.tp}, FP {self.fp}, TN {self.tn}, FN {self.fn}"
        return f"{counts} at threshold {self.threshold:g} (n = {self.n}{'; ' if self.note else ''}{self.note})"

    @property
    def n(self) -> int:
        """All patients."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def n_events(self) -> int:
        """Patients with the event."""
        return self.tp + self.fn

    @property
    def n_others(self) -> int:
        """Patients without the event."""
        return self.fp + self.tn

    @property
    def one_sided(self) -> str:
        """Which margin of the table is empty; "" where patients are on every side."""
        margins = {
            "no event": self.n_events,
            "no non-event": self.n_others,
            "nobody is positive": self.tp + self.fp,
            "nobody is negative": self.tn + self.fn,
        }
        return " and ".join(word for word, count in margins.items() if count == 0)


@patients("y_true", "y_prob")
def confusion(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Confusion:
    """True and false positives and negatives at a threshold.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; threshold : in [0, 1]
    scale : "risk", or "score" for any finite numbers and any finite threshold

    >>> confusion([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.8], threshold=0.1 * 3)
    TP 2, FP 1, TN 1, FN 0 at threshold 0.3 (n = 4)
    """
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    threshold = check_threshold(threshold, scale=scale)
    positive, event = p >= threshold, y == 1
    tp, fp = int((positive & event).sum()), int((positive & ~event).sum())
    fn = int(event.sum()) - tp
    return Confusion(tp, fp, y.size - tp - fp - fn, fn, threshold)
