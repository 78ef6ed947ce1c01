"""MLstatkit: DeLong's test, bootstrap intervals, permutation tests."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.cases import Called, Case, refusing

__all__ = ["CALLED", "CASES"]

PEER = "MLstatkit"


def delong(y: Any, a: Any, b: Any) -> tuple[float, float]:
    """(AUC of a - AUC of b, p)."""
    from MLstatkit import Delong_test

    _, p_value, _, _, area_a, area_b, _ = refusing(lambda: Delong_test(y, a, b, n_boot=200, random_state=1))
    return area_a - area_b, p_value


def permutation(y: Any, a: Any, b: Any) -> tuple[float, float]:
    """(AUC of a - AUC of b, p)."""
    from MLstatkit import Permutation_test

    found = refusing(lambda: Permutation_test(y, a, b, "roc_auc", n_bootstraps=30, random_state=1))
    return found[0] - found[1], found[2]


def bootstrapped_accuracy(y: Any, p: Any, threshold: float = 0.5) -> tuple[float, float, float]:
    """(accuracy, low, high)."""
    from MLstatkit import Bootstrapping

    found: tuple[float, float, float] = refusing(
        lambda: Bootstrapping(y, p, "accuracy", n_bootstraps=20, threshold=threshold)
    )
    return found


def bootstrapped_auc(y: Any, p: Any) -> float:
    """AUC."""
    from MLstatkit import Bootstrapping

    return float(refusing(lambda: Bootstrapping(y, p, "roc_auc", n_bootstraps=5))[0])


TYPED = {"decimal-threshold": "the threshold is as the user types it"}
DELONG = Called(PEER, "Delong_test(y, a, b)", delong, "ranks comparison")
DRAWN = Called(PEER, "Delong_test(y, a, b), its bootstrap", delong, "ranks comparison", {"resampled": True})
PERMUTED = Called(
    PEER, "Permutation_test(y, a, b, 'roc_auc')", permutation, "ranks comparison", {"resampled": True, "exact": True}
)
ACCURACY = Called(PEER, "Bootstrapping(y, p, 'accuracy')", bootstrapped_accuracy, "classification", not_asked=TYPED | {
    "order-of-patients": "its draws follow the order", "interval": "of few draws",
})  # fmt: skip
AREA = Called(PEER, "Bootstrapping(y, p, 'roc_auc')", bootstrapped_auc, "discrimination")

CALLED = (DELONG, PERMUTED, ACCURACY, AREA)
CASES = (
    Case(
        DELONG,
        "a-model-equals-itself",
        "a model compared with itself is significant, p = 0: the variance is 0, and the bootstrap that replaces the "
        "test counts differences of exactly 0 on one side alone",
        "from MLstatkit import Delong_test; "
        "print(Delong_test([0, 1, 0, 1], [.1, .4, .35, .8], [.1, .4, .35, .8], random_state=1)[1])",
        "0.0",
    ),
    Case(
        DELONG,
        "same-ranks-are-equal",
        "two models that rank every patient alike have one ROC curve, and differ with p = 0",
        "from MLstatkit import Delong_test; "
        "print(Delong_test([0, 1, 0, 1], [.1, .4, .35, .8], [.01, .16, .1225, .64], random_state=1)[1])",
        "0.0",
    ),
    Case(
        DRAWN,
        "a-drawn-p-is-above-0",
        "p = 0 from draws, in the README's own third example; B draws cannot show less than 1 / (B + 1)",
        "import numpy as np; from MLstatkit import Delong_test; y = np.array([0, 1] * 50); "
        "print(Delong_test(y, y, 1 - y, n_boot=200, random_state=42)[1])",
        "0.0",
    ),
    Case(
        PERMUTED,
        "a-drawn-p-is-above-0",
        "p = 0 from permutations: the observed order is itself one of them, so that p is at least 1 / (B + 1)",
        "import numpy as np; from MLstatkit import Permutation_test; y = np.repeat([0, 1], 8); p = np.arange(16) / 16; "
        "print(Permutation_test(y, p, p[::-1], 'roc_auc', n_bootstraps=100)[2])",
        "0.0",
    ),
    Case(
        ACCURACY,
        "missing-risk",
        "an event whose risk is missing is counted as a predicted non-event, n unchanged, with no word",
        "from MLstatkit import Bootstrapping; "
        "print(Bootstrapping([0, 1, 1, 0], [.2, float('nan'), .7, .1], 'accuracy', n_bootstraps=50)[0])",
        "0.75",
    ),
)
