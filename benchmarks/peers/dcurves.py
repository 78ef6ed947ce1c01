"""dcurves: decision curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.cases import ByHand, Called, Case, refusing

__all__ = ["BY_HAND", "CALLED", "CASES"]

PEER = "dcurves"
OUTCOME = "it happened"


def _curve(y: Any, models: dict[str, Any], threshold: float) -> Any:
    import pandas as pd
    from dcurves import dca

    table = pd.DataFrame({OUTCOME: np.asarray(y), **{name: np.asarray(p) for name, p in models.items()}})
    return refusing(lambda: dca(table, outcome=OUTCOME, modelnames=list(models), thresholds=[threshold]))


def net_benefit(y: Any, p: Any, threshold: float) -> float:
    """Net benefit of one model."""
    curve = _curve(y, {"model": p}, threshold)
    return float(curve.loc[curve["model"] == "model", "net_benefit"].iloc[0])


def named(y: Any, models: dict[str, Any]) -> Any:
    """The whole table."""
    return _curve(y, models, 0.35)


CURVE = Called(PEER, "dca(table, outcome, models, thresholds)", net_benefit, "utility", {"names": named})
CALLED = (CURVE,)
CASES = (
    Case(
        CURVE,
        "missing-risk",
        "an event whose risk is missing is counted as not treated, n unchanged, with no word",
        "import pandas as pd; from dcurves import dca; "
        "table = pd.DataFrame({'y': [0, 1, 0, 1], 'm': [.1, .35, .2, None]}); "
        "print(dca(table, 'y', ['m'], thresholds=[.3])[['n', 'net_benefit']].iloc[0].tolist())",
        "[4.0, 0.25]",
    ),
    Case(
        CURVE,
        "decimal-threshold",
        "a patient at 0.35 is treated at 0.35, but not on the grid of the documentation, np.arange(0, 0.45, 0.01)",
        "import numpy as np, pandas as pd; from dcurves import dca; "
        "table = pd.DataFrame({'y': [0, 1], 'm': [.1, .35]}); "
        "print(*(float(dca(table, 'y', ['m'], thresholds=t).net_benefit[k]) "
        "for t, k in (([.35], 0), (np.arange(0, .45, .01), 35))))",
        "0.5 0.0",
    ),
    Case(
        CURVE,
        "names-are-names",
        "a model in a column called `all` (or `none`) crashes; an outcome called so is overwritten",
        "import pandas as pd; from dcurves import dca\n"
        "try: dca(pd.DataFrame({'y': [0, 1], 'all': [.1, .35]}), 'y', ['all'], thresholds=[.3])\n"
        "except ValueError as error: print(error)",
        "Length of values (4) does not match length of index (3)",
    ),
)
BY_HAND = (
    ByHand(
        PEER,
        "dca(table, ..., time=, time_to_outcome_col=, models_to_prob=['marker'])",
        "the marker's `risk` is the survival that the Cox model predicts, not 1 - survival: the later a patient dies, "
        "the sooner treated, and the net benefit of a strong marker falls below treating nobody",
        "import numpy as np, pandas as pd; from dcurves import dca; from lifelines import CoxPHFitter; "
        "rng = np.random.default_rng(0); x = rng.normal(size=400); t = rng.exponential(np.exp(-1.5 * x)); "
        "table = pd.DataFrame({'t': t, 'y': 1, 'x': x}); fitted = CoxPHFitter().fit(table, 't', 'y'); "
        "table['risk'] = 1 - fitted.predict_survival_function(table, times=[1]).to_numpy()[0]; "
        "told = dict(thresholds=[.6], time=1, time_to_outcome_col='t'); "
        "print([round(float(c.net_benefit[0]), 1) for c in (dca(table, 'y', ['x'], models_to_prob=['x'], **told), "
        "dca(table, 'y', ['risk'], **told))])",
        "[-0.3, 0.4]",
    ),
)
