"""confidenceinterval: intervals of AUC, precision, recall, F1 and shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.cases import NEVER, ByHand, Called, Case, refusing

__all__ = ["BY_HAND", "CALLED", "CASES"]

PEER = "confidenceinterval"
CUT = 0.5


def area(y: Any, p: Any, confidence_level: float = 0.95) -> Any:
    """(AUC, (low, high))."""
    from confidenceinterval import roc_auc_score

    return refusing(lambda: roc_auc_score(y, p, confidence_level=confidence_level))


def of_classes(name: str, **options: Any) -> Callable[..., Any]:
    """(y, p) -> (value, (low, high)) of what takes classes."""

    def adapter(y: Any, p: Any, confidence_level: float = 0.95) -> Any:
        import confidenceinterval

        function = getattr(confidenceinterval, name)
        return refusing(lambda: function(y, np.where(p >= CUT, 1, 0), confidence_level=confidence_level, **options))

    return adapter


DRAWN_HERE = {
    "missing-risk": "the adapter draws the classes",
    "increasing-transform": "the adapter draws the classes, at 0.5",
}
NINE_DIGITS = ("direction-is-declared", "event-and-absence", "everybody-twice", "increasing-transform")
AREA = Called(
    PEER,
    "roc_auc_score(y, p)",
    area,
    "discrimination",
    not_asked={"missing-risk": "it never returns", **dict.fromkeys(NINE_DIGITS, "it answers in single precision")},
)
PRECISION = Called(
    PEER, "precision_score(y, classes)", of_classes("precision_score"), "classification", not_asked=DRAWN_HERE
)
F1 = Called(
    PEER, "f1_score(y, classes, average='binary')", of_classes("f1_score", average="binary"), "classification",
    not_asked=DRAWN_HERE,
)  # fmt: skip
MACRO_F1 = Called(
    PEER, "f1_score(y, classes, average='macro')", of_classes("f1_score", average="macro"), "classification",
    not_asked=DRAWN_HERE,
)  # fmt: skip
BINARY_PRECISION = Called(
    PEER, "precision_score(y, classes, average='binary')", of_classes("precision_score", average="binary"),
    "discrimination", not_asked=DRAWN_HERE,
)  # fmt: skip
SENSITIVITY = Called(
    PEER, "tpr_score(y, classes, method='normal')", of_classes("tpr_score", method="normal"), "classification",
    not_asked=DRAWN_HERE,
)  # fmt: skip
ACCURACY = Called(
    PEER, "accuracy_score(y, classes)", of_classes("accuracy_score"), "classification", not_asked=DRAWN_HERE
)
SPECIFICITY = Called(PEER, "tnr_score(y, classes)", of_classes("tnr_score"), "classification", not_asked=DRAWN_HERE)

CALLED = (AREA, PRECISION, F1, MACRO_F1, SENSITIVITY, ACCURACY, SPECIFICITY)
CASES = (
    Case(
        AREA,
        "interval",
        "an interval of the AUC that ends above 1",
        "from confidenceinterval import roc_auc_score; "
        "value, (low, high) = roc_auc_score([0, 0, 1, 1], [.1, .1, .1, .2]); "
        "print(round(float(value), 2), round(float(low), 2), round(float(high), 2))",
        "0.75 0.26 1.24",
    ),
    Case(
        PRECISION,
        "interval",
        "by default the interval of a precision is Wald's, and ends above 1",
        "from confidenceinterval import precision_score; "
        "value, (low, high) = precision_score([0, 1, 1, 1], [1, 1, 1, 1]); "
        "print(float(value), round(float(low), 2), round(float(high), 2))",
        "0.75 0.33 1.17",
    ),
    Case(
        MACRO_F1,
        "interval",
        "classes that are all right have a macro F1 of 1, and an interval far above it",
        "from confidenceinterval import f1_score; value, (low, high) = f1_score([0, 0, 1, 1], [0, 0, 1, 1], "
        "average='macro'); print(round(float(value), 2), round(float(low), 2), round(float(high), 2))",
        "1.0 0.31 1.69",
    ),
    Case(
        BINARY_PRECISION,
        "answers",
        "`average='binary'`, which the docstring offers, is refused with the default method (recall_score likewise)",
        "from confidenceinterval import precision_score\n"
        "try: precision_score([0, 1], [0, 1], average='binary')\n"
        "except AssertionError as error: print(error)",
        "Proportion CI method takahashi not in ['wilson', 'normal', 'agresti_coull', 'beta', 'jeffreys', 'binom_test']",
    ),
    Case(
        SENSITIVITY,
        "interval",
        "1e-7 is added to the denominator: two of two events found is 0.99999995, below its interval [1, 1] "
        "(and none of none is 0, where it is undefined)",
        "from confidenceinterval import tpr_score; "
        "value, (low, high) = tpr_score([0, 1, 1], [0, 1, 1], method='normal'); "
        "print(value < low, float(low), float(high))",
        "True 1.0 1.0",
    ),
)
TABLE = "y = [0] * 760 + [0] * 190 + [1] * 10 + [1] * 40; q = [0] * 760 + [1] * 190 + [0] * 10 + [1] * 40; "
BY_HAND = (
    ByHand(
        PEER,
        "precision_score(y, classes, average='macro')",
        "the covariance of a multinomial is diag(p) - p p'; the code has diag(p) - p * p, which repeats one row, and "
        "the interval of 1000 patients with 50 events comes out at 0.45 of its width",
        "from confidenceinterval import precision_score; " + TABLE + "low, high = "
        "precision_score(y, q, average='macro')[1]; a, b = 760 / 770, 40 / 230; "
        "right = 2 * 1.96 * (a * (1 - a) / 770 + b * (1 - b) / 230) ** .5 / 2; "
        "print(round(float(high - low) / right, 2))",
        "0.45",
    ),
    ByHand(
        PEER,
        "roc_auc_score(y, p)",
        "one missing risk, and it never returns: NaN does not equal itself in the loop over ties",
        "from confidenceinterval import roc_auc_score; print(float(roc_auc_score([0, 1], [.4, .5])[0]), flush=True); "
        "roc_auc_score([0, 1], [float('nan'), .5])",
        f"1.0, then {NEVER}",
    ),
)
