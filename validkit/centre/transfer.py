"""Why a model does otherwise at a new centre: other patients, another baseline risk, or other predictor effects.

Each is tested by itself, the three p values corrected for one another, and the difference of the AUCs is divided into
what the patients explain (by the model-based concordance) and what they do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from validkit.bundle.case_mix import CaseMix, Effects, LinearPredictor, Told
from validkit.bundle.describing import clinical_columns, effects_here, linear_predictor, mean_risks
from validkit.centre.curves import calibration_at_home, decision_at_home
from validkit.stats import adjust_p_values, auc, calibration_in_the_large
from validkit.stats.intervals import two_sided_p, z_of
from validkit.stats.membership import Membership, compare_spreads, membership, sd_error
from validkit.stats.predictor_effects import PredictorEffects, compare_effects
from validkit.stats.results import NAN, Estimate, Record, TestResult
from validkit.stats.standardised import standardised_auc
from validkit.stats.transport import concordance_gap, model_based_concordance

if TYPE_CHECKING:
    from validkit.bundle import Locked
    from validkit.cohort import Cohort

__all__ = ["PARTS", "Transfer", "transfer_of", "transfer_record"]

PARTS = {
    "case_mix": "the patients differ",
    "baseline": "the baseline risk differs",
    "effects": "predictor effects differ",
}


@dataclass(frozen=True, eq=False)
class Transfer:
    """One model at home (there) and at this centre (here).

    auc, concordance, gap, baseline : {"there", "here", "difference"}, Estimates; of the AUC, the differences of
        concordance and gap add up to its own
    standardised : the AUC here with risks spread as at home
    membership : of the clinical columns; None without any. lp_mean, lp_sd : tests of the linear predictor's spread
    effects : test that predictor effects are the same; columns : it compared
    p_values : of each of PARTS; p_adjusted : by Holm over the three; level : of confidence
    """

    model: str
    n: int
    n_events: int
    auc: dict[str, Estimate]
    concordance: dict[str, Estimate]
    gap: dict[str, Estimate]
    baseline: dict[str, Estimate]
    standardised: Estimate
    membership: Membership | None
    lp: dict[str, float]
    lp_mean: TestResult
    lp_sd: TestResult
    effects: TestResult
    columns: tuple[str, ...]
    p_values: dict[str, float]
    p_adjusted: dict[str, float]
    level: float

    @property
    def differs(self) -> dict[str, bool | None]:
        """For each of PARTS, whether it differs; None where that cannot be tested."""
        return {part: None if math.isnan(p) else bool(p < 1 - self.level) for part, p in self.p_adjusted.items()}

    @property
    def sentence(self) -> str:
        """What the tests say, in words."""
        differs = self.differs
        found = [text for part, text in PARTS.items() if differs[part]]
        unknown = [part.replace("_", " ") for part, one in differs.items() if one is None]
        said = ", and ".join(found) if found else "nothing shows that patients, baseline risk or effects differ"
        untested = f" (not testable: {', '.join(unknown)})" if unknown else ""
        return f"{said} ({1 - self.level:.2g} level, Holm){untested}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; what is undefined is null."""
        own = {one.name: _plain(getattr(self, one.name)) for one in fields(self)}
        return {**own, "differs": self.differs, "sentence": self.sentence}


def transfer_of(
    mix: CaseMix,
    model: str,
    y: NDArray[np.int64],
    p: NDArray[np.float64],
    table: pd.DataFrame,
    *,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
    replicates: int = 1000,
) -> Transfer | None:
    """Compare a model's patients here with those of development; None where the bundle tells nothing of the model.

    y : (n,) outcomes 0/1; p : (n,) predicted risks; table : (n, k) clinical columns by `bundle.describing.coded`
    rng, replicates : of the bootstrap of the standardised AUC
    """
    home = mix.linear_predictors.get(model)
    if home is None:
        return None
    lp = linear_predictor(p)
    areas = _both(home.auc, auc(y, p, level=level), level)
    concordance = _both(home.concordance, model_based_concordance(p, level=level), level)
    gap = _both(home.gap, concordance_gap(y, p, level=level), level)
    baseline = _both(home.baseline, calibration_in_the_large(y, p, level=level), level)
    group = _membership(mix, table, level)
    mean, sd = _lp_mean(home, lp), _lp_sd(home, lp)
    effects, columns = _effects(home, y, p, table)
    of_patients = [mean.p_value, sd.p_value, *([group.test.p_value] if group else [])]
    p_values = {
        "case_mix": _smallest(of_patients),
        "baseline": _normal_p(baseline["difference"]),
        "effects": effects.p_value,
    }
    return Transfer(
        model=model,
        n=len(y),
        n_events=int(y.sum()),
        auc=areas,
        concordance=concordance,
        gap=gap,
        baseline=baseline,
        standardised=_standardised(home, y, p, level, rng, replicates),
        membership=group,
        lp={
            "mean_there": _number(home.all.mean),
            "mean_here": float(lp.mean()),
            "sd_there": _number(home.all.sd),
            "sd_here": float(lp.std(ddof=1)) if len(lp) > 1 else NAN,
        },
        lp_mean=mean,
        lp_sd=sd,
        effects=effects,
        columns=columns,
        p_values=p_values,
        p_adjusted=_holm(p_values),
        level=level,
    )


def transfer_record(
    locked: Locked, data: Cohort, predictions: pd.DataFrame, *, level: float, seed: int, replicates: int
) -> dict[str, Any]:
    """stages/transfer.json: every model of the bundle, or why nothing can be compared.

    predictions : of this centre's patients, with the columns of `validkit.unit.COLUMNS`
    """
    mix = locked.manifest.case_mix
    if mix is None:
        why = "the bundle is of format 1: it tells nothing of how its patients were spread"
        return {"why": why, "models": {}}
    table = clinical_columns(locked.protocol, locked.needs, data)
    found: dict[str, Any] = {}
    for name, risk in mean_risks(predictions).items():
        y = data.outcome.loc[risk.index].to_numpy(np.int64)
        p = risk.to_numpy(np.float64)
        rng = np.random.default_rng([seed, len(found)])
        one = transfer_of(mix, name, y, p, table.loc[risk.index], level=level, rng=rng, replicates=replicates)
        if one is not None:
            home = mix.linear_predictors[name]
            curves = {
                "calibration": calibration_at_home(home, level=level),
                "decision": decision_at_home(home, level=level),
            }
            found[name] = one.to_dict() | {"home": {key: c.to_dict() for key, c in curves.items() if c is not None}}
    return {"why": "", "patients": {"there": mix.n, "here": len(data)}, "models": found}


# --- the parts -------------------------------------------------------------------------------------


def _both(there: Told | None, here: Estimate, level: float) -> dict[str, Estimate]:
    """There, here, and here minus there: two groups of patients, so that variances add up."""
    home = Estimate(NAN, level=level, note="undefined at home, or not told")
    if there is not None:
        se = _number(there.se)
        half = z_of(level) * se
        home = Estimate(there.value, there.value - half, there.value + half, level, "normal, as told", se)
    value, se = here.value - home.value, math.hypot(here.se, home.se)
    half = z_of(level) * se
    difference = Estimate(value, value - half, value + half, level, "normal, of two groups of patients", se, n=here.n)
    return {"there": home, "here": here, "difference": difference}


def _membership(mix: CaseMix, table: pd.DataFrame, level: float) -> Membership | None:
    """By the clinical columns that both have, of patients here who have all of them."""
    told = mix.predictors
    if told is None:
        return None
    shared = [name for name in told.columns if name in table]
    rows = table[shared].dropna()
    if not shared or len(rows) < 2:
        return None
    at = [told.columns.index(name) for name in shared]
    mean, covariance = np.array(told.mean)[at], np.array(told.covariance)[np.ix_(at, at)]
    values = rows.to_numpy(np.float64)
    return membership(values, mean=mean, covariance=covariance, n=told.n, names=shared, level=level)


def _lp_mean(home: LinearPredictor, lp: NDArray[np.float64]) -> TestResult:
    """Welch's test of the linear predictor's mean."""
    method, n, m = "Welch's t, linear predictor", len(lp), home.all.n
    sd, other = float(lp.std(ddof=1)) if n > 1 else NAN, _number(home.all.sd)
    parts = np.array([sd**2 / n, other**2 / max(m, 1)])
    if not (np.isfinite(parts).all() and parts.sum() > 0):
        return TestResult(NAN, NAN, None, method, n=n, note="undefined: a spread is 0 or unknown")
    t = (float(lp.mean()) - _number(home.all.mean)) / math.sqrt(parts.sum())
    df = float(parts.sum() ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)))
    return TestResult(t, float(2 * special.stdtr(df, -abs(t))), df, method, n=n)


def _lp_sd(home: LinearPredictor, lp: NDArray[np.float64]) -> TestResult:
    sd = float(lp.std(ddof=1)) if len(lp) > 1 else NAN
    return compare_spreads(sd, _number(sd_error(lp)), _number(home.all.sd), _number(home.sd_se))


def _effects(
    home: LinearPredictor, y: NDArray[np.int64], p: NDArray[np.float64], table: pd.DataFrame
) -> tuple[TestResult, tuple[str, ...]]:
    """Beside all clinical columns where both centres could fit them, else of the linear predictor alone."""
    alone, beside = effects_here(y, p, table)
    if home.effects is not None and home.effects.columns == beside.columns:
        return compare_effects(beside, _fitted(home.effects)), beside.columns
    if home.slope is None:
        note = "undefined: the bundle tells no effect of the linear predictor"
        return TestResult(NAN, NAN, None, "Wald, coefficients of two centres", n=len(y), note=note), ()
    return compare_effects(alone, _fitted(home.slope)), alone.columns


def _fitted(told: Effects) -> PredictorEffects:
    covariance = np.array(told.covariance, dtype=np.float64)
    return PredictorEffects(told.columns, told.coefficients, covariance, NAN, told.n, told.events)


def _standardised(
    home: LinearPredictor,
    y: NDArray[np.int64],
    p: NDArray[np.float64],
    level: float,
    rng: np.random.Generator | int | None,
    replicates: int,
) -> Estimate:
    if not home.all.quantiles:
        return Estimate(NAN, level=level, n=len(y), note="undefined: the bundle tells no quantiles of so few patients")
    edges = special.expit(np.array(home.all.quantiles))
    shares = np.diff(np.array([0.0, *home.all.reached, 1.0]))
    return standardised_auc(y, p, edges=edges, shares=shares, level=level, rng=rng, replicates=replicates)


# --- p values --------------------------------------------------------------------------------------


def _smallest(p_values: list[float]) -> float:
    """Of several tests of one hypothesis, Bonferroni's p value; NaN where there is none."""
    there = [p for p in p_values if not math.isnan(p)]
    return min(1.0, len(there) * min(there)) if there else NAN


def _normal_p(difference: Estimate) -> float:
    if not difference.se > 0:
        return NAN
    return two_sided_p(difference.value / difference.se)


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    adjusted = adjust_p_values(list(p_values.values()), method="holm")
    return dict(zip(p_values, adjusted.tolist(), strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> float:
    return NAN if value is None else value
