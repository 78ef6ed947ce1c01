"""Whatever is passed, a statistic answers or says in an InputError what is wrong: no other error, and no warning."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit import stats
from validkit.errors import ValidkitError

Y, P = [0, 1, 0, 1], [0.1, 0.8, 0.4, 0.3]
HOSTILE: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "text": lambda: "abc",
    "bytes": lambda: b"0101",
    "number": lambda: 0.3,
    "zero dimensions": lambda: np.array(0.5),
    "two dimensions": lambda: np.zeros((3, 2)),
    "empty": list,
    "all missing": lambda: [math.nan] * 4,
    "infinite": lambda: [0.1, math.inf, 0.2, 0.3],
    "negative": lambda: [0.1, -0.2, 0.3, 0.4],
    "complex": lambda: np.array([1j, 0, 1, 0]),
    "dates": lambda: pd.Series(pd.date_range("2020", periods=4)),
    "words": lambda: ["0", "1", "0", "1"],
    "mixed": lambda: ["a", 1, None, 2.5],
    "objects": lambda: np.array([0, 1, None, 1], dtype=object),
    "ragged": lambda: [[1], [1, 2], [0], [1]],
    "mapping": lambda: {"a": 1},
    "set": lambda: {0, 1},
    "generator": lambda: (i for i in (0, 1, 0, 1)),
    "huge": lambda: [10**400, 0, 1, 0],
    "categories": lambda: pd.Categorical([0, 1, 0, 1]),
    "nullable": lambda: pd.array([0, 1, pd.NA, 1], dtype="Int64"),
    "masked": lambda: np.ma.masked_array([0, 1, 0, 1], [0, 1, 0, 0]),
    "records": lambda: np.zeros(4, dtype=[("a", float)]),
    "table": lambda: pd.DataFrame({"a": [0, 1, 0, 1]}),
    "half precision": lambda: np.array([0, 1, 0, 1], dtype=np.float16),
    "bytes of numbers": lambda: np.array([0, 1, 0, 1], dtype=np.uint8),
}
ATTACKED = (
    *("y_true", "y_prob", "prob_a", "prob_b", "probs", "weights", "clusters"),
    *("predictions", "predictions_a", "folds", "counts", "apparent", "in_resample_predictions"),
    *("resample_thresholds", "reasons", "metrics", "metric"),
    *("threshold", "thresholds", "level", "rng", "replicates"),
)
NEEDED = {
    "y_true": Y,
    **dict.fromkeys(("y_prob", "prob_a", "prob_old", "prob_new", "original"), P),
    "prob_b": P[::-1],
    "probs": [P, P[::-1]],
    **{key: [P, P[::-1]] for key in ("predictions", "predictions_a", "predictions_b")},
    "metric": "brier",
    "metrics": ["brier"],
    "apparent": P,
    "counts": [[1, 1, 1, 1], [2, 1, 0, 1]],
    "threshold": 0.35,
    "cost_ratio": 2.0,
    "clusters": [1, 1, 2, 3],
    "rng": 1,
    "statistic": stats.brier,
    "statistics": ["brier"],
    "fitted_here": False,
    "contrast": [1, -1],
    "curve": stats.roc_curve,
    "edges": [0.3],
    "shares": [0.4, 0.6],
}


def arguments(function: Callable[..., Any]) -> dict[str, Any]:
    found = {}
    for parameter in inspect.signature(function).parameters.values():
        name = parameter.name
        if name in ("replicates", "permutations"):
            found[name] = 20
        elif parameter.default is parameter.empty or name == "prob_b":
            found[name] = NEEDED[name]
    return found


FUNCTIONS = {
    name: function
    for name in stats.__all__
    if inspect.isfunction(function := getattr(stats, name)) and "y_true" in inspect.signature(function).parameters
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_answer_or_a_reason(name: str) -> None:
    function = FUNCTIONS[name]
    taken = inspect.signature(function).parameters
    usual = arguments(function)
    if name != "pilot_design":  # these four patients leave its variance at 0
        function(**usual)
    attempts = 0
    for argument in ATTACKED:
        if argument not in taken:
            continue
        for kind, make in HOSTILE.items():
            for more in ({}, {"missing": "complete-case"}) if "missing" in taken else ({},):
                attempts += 1
                try:
                    with contextlib.suppress(ValidkitError):
                        function(**{**usual, argument: make(), **more})
                except Exception as error:
                    raise AssertionError(f"{argument} = {kind} {more}: {type(error).__name__}: {error}") from error
    assert attempts >= 27
