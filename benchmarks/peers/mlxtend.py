"""mlxtend.evaluate: tests between two classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.cases import Called, Case, refusing

__all__ = ["CALLED", "CASES"]

PEER = "mlxtend"
CUT = 0.35


def _classes(p: Any) -> Any:
    return np.where(np.asarray(p) >= CUT, 1, 0)


def mcnemar(exact: bool) -> Callable[..., tuple[float, float]]:
    """(y, a, b) -> (accuracy of a - accuracy of b, p)."""

    def adapter(y: Any, a: Any, b: Any) -> tuple[float, float]:
        from mlxtend.evaluate import mcnemar, mcnemar_table

        table = mcnemar_table(np.asarray(y), _classes(a), _classes(b))
        _, p_value = refusing(lambda: mcnemar(table, exact=exact))
        return float(table[0, 1] - table[1, 0]) / len(y), float(p_value)

    return adapter


def of_models(name: str) -> Callable[..., tuple[float, float]]:
    """(y, a, b) -> (accuracy of a - accuracy of b, p) of what takes (y, classes, classes)."""

    def adapter(y: Any, a: Any, b: Any) -> tuple[float, float]:
        import mlxtend.evaluate

        first, second = _classes(a), _classes(b)
        _, p_value = refusing(lambda: getattr(mlxtend.evaluate, name)(np.asarray(y), first, second))
        return float(np.mean(first == y) - np.mean(second == y)), float(p_value)

    return adapter


def proportions(y: Any, a: Any, b: Any) -> tuple[float, float]:
    """(accuracy of a - accuracy of b, p)."""
    from mlxtend.evaluate import proportion_difference

    first, second = (float(np.mean(_classes(p) == y)) for p in (a, b))
    _, p_value = refusing(lambda: proportion_difference(first, second, n_1=len(y)))
    return first - second, float(p_value)


def permuted(y: Any, p: Any) -> float:
    """The p value of a difference in risk between events and others."""
    from mlxtend.evaluate import permutation_test

    y, p = np.asarray(y), np.asarray(p)
    return float(refusing(lambda: permutation_test(p[y == 1], p[y == 0], method="approximate", num_rounds=99, seed=1)))


def paired(y: Any, a: Any, b: Any) -> tuple[float, float]:
    """(Brier score of a - Brier score of b, p)."""
    from mlxtend.evaluate import permutation_test

    first, second = ((np.asarray(p) - np.asarray(y)) ** 2 for p in (a, b))
    p_value = permutation_test(first, second, paired=True, method="approximate", num_rounds=49, seed=1)
    return float(first.mean() - second.mean()), float(p_value)


def balanced(y: Any, p: Any) -> float:
    """Balanced accuracy."""
    from mlxtend.evaluate import accuracy_score

    return float(refusing(lambda: accuracy_score(y, (p >= CUT).astype(int), method="balanced")))


MCNEMAR = Called(PEER, "mcnemar(mcnemar_table(y, a, b))", mcnemar(exact=False), "comparison", {"exact": True})
EXACT = Called(PEER, "mcnemar(mcnemar_table(y, a, b), exact=True)", mcnemar(exact=True), "comparison", {"exact": True})
COCHRAN = Called(PEER, "cochrans_q(y, a, b)", of_models("cochrans_q"), "comparison", {"exact": True})
F_TEST = Called(PEER, "ftest(y, a, b)", of_models("ftest"), "comparison", {"exact": True})
PROPORTIONS = Called(
    PEER, "proportion_difference(accuracy_a, accuracy_b, n)", proportions, "comparison", {"exact": True}
)
PERMUTED = Called(
    PEER, "permutation_test(x, y)", permuted, "classification",
    not_asked={"order-of-patients": "its draws follow the order", "increasing-transform": "a test of means",
               "event-and-absence": "its draws follow the order", "everybody-twice": "a p value"},
)  # fmt: skip
PAIRED = Called(PEER, "permutation_test(x, y, paired=True)", paired, "comparison", {"resampled": True, "exact": True})
BALANCED = Called(
    PEER, "accuracy_score(y, classes, method='balanced')", balanced, "classification",
    not_asked=dict.fromkeys(("missing-risk", "increasing-transform"), "the adapter draws the classes"),
)  # fmt: skip

CALLED = (MCNEMAR, EXACT, COCHRAN, F_TEST, PROPORTIONS, PERMUTED, PAIRED, BALANCED)
CASES = (
    Case(
        MCNEMAR,
        "a-model-equals-itself",
        "two models that are right on the same patients differ with p = 0, not 1: (0 - 1)^2 / 0",
        "import numpy as np; from mlxtend.evaluate import mcnemar, mcnemar_table; y = np.array([0, 1]); "
        "print(float(mcnemar(mcnemar_table(y, y, y))[1]))",
        "0.0",
    ),
    Case(
        COCHRAN,
        "a-model-equals-itself",
        "two models that are right on the same patients have p = nan, as 0 / 0 (ftest likewise)",
        "import numpy as np; from mlxtend.evaluate import cochrans_q; y = np.array([0, 1]); "
        "print(float(cochrans_q(y, y, y)[1]))",
        "nan",
    ),
    Case(
        PROPORTIONS,
        "models-trade-places",
        "p is that of one side, without a word in the documentation, whose example calls 0.040 significant at 0.05: "
        "in the other order the same models have p = 0.960 (two-sided 0.079)",
        "from mlxtend.evaluate import proportion_difference; "
        "print(*(round(float(proportion_difference(*pair, 100)[1]), 3) for pair in ((.84, .92), (.92, .84))))",
        "0.04 0.96",
    ),
    Case(
        PROPORTIONS,
        "a-model-equals-itself",
        "equal accuracies have p = 0.5, not 1",
        "from mlxtend.evaluate import proportion_difference; print(float(proportion_difference(.8, .8, 100)[1]))",
        "0.5",
    ),
    Case(
        PERMUTED,
        "missing-risk",
        "one missing value, and p is the smallest there is, 0 from the exact test: nothing compares as more extreme "
        "than NaN",
        "from mlxtend.evaluate import permutation_test; print(permutation_test([float('nan'), 1, 2], [1, 2, 3]))",
        "0.0",
    ),
    Case(
        BALANCED,
        "labelled-rows",
        "columns whose rows are labelled in two orders are matched anew by label; the method 'average' goes by place",
        "import pandas as pd; from mlxtend.evaluate import accuracy_score; y = pd.Series([0, 0, 1, 1]); "
        "q = pd.Series([0, 1, 1, 1], index=[3, 2, 1, 0]); "
        "print(float(accuracy_score(y, q, method='balanced')), "
        "float(accuracy_score(y.values, q.values, method='balanced')))",
        "0.25 0.75",
    ),
)
