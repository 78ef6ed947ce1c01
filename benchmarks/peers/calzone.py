"""calzone: calibration of probabilistic models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.cases import Called, Case, refusing

__all__ = ["CALLED", "CASES"]

PEER = "calzone-tool"


def _two(p: Any) -> Any:
    return np.column_stack([1 - np.asarray(p), np.asarray(p)])


def measured(metric: str, key: str, **settings: Any) -> Callable[..., float]:
    """(y, p) -> one of the calibration metrics."""

    def adapter(y: Any, p: Any) -> float:
        from calzone.metrics import CalibrationMetrics

        metrics = CalibrationMetrics(**settings)
        return float(refusing(lambda: metrics.calculate_metrics(np.asarray(y), _two(p), [metric]))[key])

    return adapter


def slope_of_class_0(y: Any, p: Any) -> float:
    """The calibration slope of class 0, which is where the event is put."""
    from calzone.metrics import cox_regression_analysis

    labels, risks = 1 - np.asarray(y), _two(1 - np.asarray(p))
    return float(refusing(lambda: cox_regression_analysis(labels, risks, class_to_calculate=0))[0])


def area(y: Any, p: Any) -> float:
    """AUC."""
    from calzone.utils import make_roc_curve

    return float(refusing(lambda: make_roc_curve(np.asarray(y), _two(p), class_to_plot=1))[2])


def bins(y: Any, p: Any, groups: int) -> int:
    """How many bins hold patients."""
    from calzone.utils import reliability_diagram

    *_, counts = refusing(lambda: reliability_diagram(y, _two(p), num_bins=groups, class_to_plot=1, is_equal_freq=True))
    return int((counts > 0).sum())


BY_BIN = {"proper": False, "groups": True}
ONE_BIN = {"symmetric": True}
EQUAL_SPACE = Called(PEER, "CalibrationMetrics: ECE-H", measured("ECE-H", "ECE-H"), "calibration", BY_BIN)
ONE_SPACE = Called(
    PEER, "CalibrationMetrics(num_bins=1): ECE-H", measured("ECE-H", "ECE-H", num_bins=1), "calibration", ONE_BIN
)
ONE_COUNT = Called(
    PEER, "CalibrationMetrics(num_bins=1): ECE-C", measured("ECE-C", "ECE-C", num_bins=1), "calibration", ONE_BIN
)
SLOPE_FACTS = {"target": 1.0, "low": -np.inf, "symmetric": True}
ITERATED = dict.fromkeys(("everybody-twice", "event-and-absence"), "its fit stops before the nine digits asked for")
SLOPE = Called(PEER, "CalibrationMetrics: COX coef", measured("COX", "COX coef"), "calibration", SLOPE_FACTS, ITERATED)
SLOPE_0 = Called(
    PEER,
    "cox_regression_analysis(y, p, class_to_calculate=0)",
    slope_of_class_0,
    "calibration",
    SLOPE_FACTS,
    ITERATED,
)
SPIEGELHALTER = Called(
    PEER, "CalibrationMetrics: SpiegelhalterZ p-value", measured("SpiegelhalterZ", "SpiegelhalterZ p-value"),
    "calibration", {"high": 1.0, "proper": False, "groups": True, "symmetric": True},
)  # fmt: skip
AREA = Called(PEER, "make_roc_curve(y, p, class_to_plot=1)", area, "discrimination")
BINS = Called(PEER, "reliability_diagram(y, p, num_bins, is_equal_freq=True)", bins, "groups")

CALLED = (EQUAL_SPACE, ONE_SPACE, ONE_COUNT, SLOPE, SLOPE_0, SPIEGELHALTER, BINS)
CASES = (
    Case(
        ONE_SPACE,
        "event-and-absence",
        "bins are open below, the first one too: a patient of risk 0 is in no bin, so that an event foreseen with risk "
        "0, the worst there is, leaves ECE and MCE at 0",
        "import numpy as np; from calzone.metrics import CalibrationMetrics; "
        "print(*map(float, CalibrationMetrics().calculate_metrics("
        "np.array([1, 1]), np.array([[1, 0], [0, 1.]]), ['MCE-H'], return_numpy=True)[1:]))",
        "0.0",
    ),
    Case(
        ONE_COUNT,
        "event-and-absence",
        "with equal counts the patient of lowest risk is in no bin, whatever the risk, nor are all who tie with it",
        "import numpy as np; from calzone.utils import reliability_diagram; "
        "print(reliability_diagram(np.array([1, 1, 1, 0]), np.array([[.9, .1], [.9, .1], [.9, .1], [.2, .8]]), "
        "num_bins=2, class_to_plot=1, is_equal_freq=True)[3].tolist())",
        "[0, 1]",
    ),
    Case(
        BINS,
        "groups-lost-are-told",
        "tied risks leave fewer groups than asked for, and patients in none, without a word",
        "import numpy as np; from calzone.utils import reliability_diagram; p = np.repeat([.3, .6], 25); "
        "print(reliability_diagram(np.tile([0, 1], 25), np.c_[1 - p, p], num_bins=5, class_to_plot=1, "
        "is_equal_freq=True)[3].tolist())",
        "[0, 0, 25, 0, 0]",
    ),
    Case(
        SLOPE_0,
        "right-risk-is-best",
        "for class 0 the outcome is that of class 0 and the risk that of class 1: right risks have a slope of -1",
        "import numpy as np; from calzone.metrics import cox_regression_analysis; p = np.repeat([.2, .8], 10); "
        "y = np.array([1] * 2 + [0] * 8 + [1] * 8 + [0] * 2); "
        "print(round(float(cox_regression_analysis(y, np.c_[1 - p, p], class_to_calculate=0)[0]), 3))",
        "-1.0",
    ),
    Case(
        AREA,
        "direction-is-declared",
        "perfect ranks have no AUC of 1: NumPy 2.4 has no np.trapz, which nothing declares; with an older NumPy the "
        "false positive rate falls along the curve, and the area is -1",
        "import numpy as np; from calzone.utils import make_roc_curve\n"
        "try: print(make_roc_curve(np.array([0, 1]), np.array([[.9, .1], [.2, .8]]), 1)[2] == 1)\n"
        "except AttributeError: print(False)",
        "False",
    ),
)
