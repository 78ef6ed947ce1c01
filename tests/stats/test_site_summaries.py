"""Metrics pooled over sites: the scales, what is left out, and agreement with the pooling functions."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.stats import METRICS
from validkit.stats.pooling import probability_new_site, random_effects
from validkit.stats.pooling_scales import pool_auc, pool_net_benefit, pool_observed_expected, pool_slope
from validkit.stats.results import Estimate
from validkit.stats.scales import SCALES
from validkit.stats.site_summaries import pool_sites

VALUES, ERRORS, SITES = [0.82, 0.75, 0.78, 0.7], [0.02, 0.03, 0.04, 0.03], ["a", "b", "c", "d"]


def at_sites(values: list[float] = VALUES, errors: list[float] = ERRORS, **more: object) -> dict[str, Estimate]:
    return {s: Estimate(v, se=e, **more) for s, v, e in zip(SITES, values, errors, strict=False)}  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["reml", "dl"])
@pytest.mark.parametrize("adjustment", ["knapp-hartung", "none"])
def test_it_is_the_pooling_of_each_measure(method: str, adjustment: str) -> None:
    options = {"method": method, "adjustment": adjustment, "level": 0.9}
    found = pool_sites(
        {
            "auc": at_sites(),
            "calibration_slope": at_sites(),
            "net_benefit": at_sites(),
            "observed_expected": at_sites(method="normal on the log scale; se of the log"),
        },
        **options,
    )
    auc = pool_auc(VALUES, se=ERRORS, sites=SITES, **options)
    assert found["auc"] == auc
    assert found["auc"].prediction.low == auc.prediction.low
    assert found["calibration_slope"] == pool_slope(VALUES, se=ERRORS, sites=SITES, **options)
    assert found["net_benefit"] == pool_net_benefit(VALUES, se=ERRORS, sites=SITES, **options)
    ratio = pool_observed_expected(VALUES, se_log=ERRORS, sites=SITES, **options)
    assert found["observed_expected"].estimate == ratio.estimate
    assert found["observed_expected"].scale == "log"
    assert list(found) == ["auc", "calibration_slope", "net_benefit", "observed_expected"]


def test_options_reach_the_pooling() -> None:
    found = pool_sites({"brier": at_sites()}, prediction_df="k-2")["brier"]
    assert found.prediction == random_effects(VALUES, se=ERRORS, sites=SITES, prediction_df="k-2").prediction
    with pytest.raises(InputError, match="`method` must be one of"):
        pool_sites({"brier": at_sites()}, method="guess")
    with pytest.raises(InputError, match="`level` must lie strictly"):
        pool_sites({"brier": at_sites()}, level=95)


def test_fishers_z_is_pooled_and_predicted() -> None:
    values, errors = np.array([0.4, 0.5, 0.3]), np.array([0.05, 0.04, 0.06])
    found = pool_sites({"kappa": at_sites(list(values), list(errors))})["kappa"]
    plain = random_effects(np.arctanh(values), se=errors / (1 - values**2))
    assert found.estimate.value == pytest.approx(math.tanh(plain.pooled.value))
    assert found.estimate.low == pytest.approx(math.tanh(plain.pooled.low))
    assert found.estimate.se == pytest.approx(plain.pooled.se * (1 - found.estimate.value**2))
    assert found.prediction.high == pytest.approx(math.tanh(plain.prediction.high))
    assert found.tau2 == plain.tau2
    assert probability_new_site(found, 0.2) == pytest.approx(probability_new_site(plain, math.atanh(0.2)))
    with pytest.raises(InputError, match="must lie between -1 and 1 for a measure pooled on the fisher-z scale"):
        probability_new_site(found, 1.0)


def test_undefined_sites_are_left_out_and_named() -> None:
    sites = at_sites(VALUES[:2], ERRORS[:2])
    sites |= {"e": Estimate(math.nan, note="undefined: no event"), "f": Estimate(1.0, se=0.0)}
    sites |= {"g": Estimate(0.6, se=0.0), "h": Estimate(0.7, note="no interval without `rng`")}
    found = pool_sites({"auc": sites})["auc"]
    assert found.sites == ("a", "b")
    assert found.n_missing == 4
    assert found.note == (
        "left out for want of an estimate or standard error: e, f, g, h; e: undefined: no event; f: 1 has no finite "
        "logit; g: its standard error is 0, as if it were known for certain; h: no interval without `rng`"
    )
    assert found.estimate.value == pool_auc(VALUES[:2], se=ERRORS[:2]).estimate.value


def test_where_no_site_remains() -> None:
    found = pool_sites({"auc": {"a": Estimate(math.nan, note="undefined: no event")}, "brier": at_sites()}, level=0.9)
    assert math.isnan(found["auc"].estimate.value)
    assert found["auc"].note == "undefined: no site has an estimate and a standard error; a: undefined: no event"
    assert found["auc"].estimate.note == found["auc"].note
    assert (found["auc"].sites, found["auc"].n_missing, found["auc"].scale) == ((), 1, "logit")
    assert found["auc"].estimate.level == 0.9
    assert math.isnan(probability_new_site(found["auc"], 0.7))
    assert math.isfinite(found["brier"].estimate.value)
    json.dumps(found["auc"].to_dict(), allow_nan=False)
    assert "0 sites" in repr(found["auc"]) or "0 site" in repr(found["auc"])


def test_one_site_and_intervals_instead_of_standard_errors() -> None:
    one = pool_sites({"auc": {"a": Estimate(0.8, 0.7, 0.88)}})["auc"]
    assert one.se_source == ("confidence interval",)
    assert one.estimate == pool_auc([0.8], low=[0.7], high=[0.88]).estimate


def test_own_measures_need_a_scale() -> None:
    with pytest.raises(InputError, match="no scale is known for 'gain': it is no registered metric"):
        pool_sites({"gain": at_sites()})
    own = pool_sites({"gain": at_sites()}, scales={"gain": "log"})["gain"]
    assert own.scale == "log"
    assert pool_sites({"auc": at_sites()}, scales={"auc": "identity"})["auc"].scale == "identity"
    with pytest.raises(InputError, match="`scales` names 'acu', of which `estimates` holds nothing"):
        pool_sites({"auc": at_sites()}, scales={"acu": "identity"})
    with pytest.raises(InputError, match="`estimates` holds no site for 'auc'"):
        pool_sites({"auc": {}})
    with pytest.raises(InputError, match=r"`estimates\['auc'\]` must hold Estimates; that of 'a' is 0.8"):
        pool_sites({"auc": {"a": 0.8}})  # type: ignore[dict-item]


def test_every_registered_metric_can_be_pooled_over_sites() -> None:
    rng = np.random.default_rng(5)
    table: dict[str, dict[str, Estimate]] = {}
    for site in SITES:
        p = rng.beta(1, 2, 250)
        y = (rng.random(250) < p).astype(int)
        for name, metric in METRICS.items():
            options = {"threshold": 0.3} if metric.needs_threshold else {}
            table.setdefault(name, {})[site] = metric.function(y, p, **options)
    found = pool_sites(table)
    without = {name for name, one in found.items() if math.isnan(one.estimate.value)}
    assert without == {"partial_auc", "eci", "ici", "e50", "e90", "emax", "ece"}  # no interval without the bootstrap
    for name in set(METRICS) - without:
        assert found[name].scale == SCALES[name].name
        low, high = (f(e.value for e in table[name].values()) for f in (min, max))
        assert low <= found[name].estimate.value <= high


def test_coverage_of_a_new_site() -> None:
    """The prediction interval holds a new site's AUC at its level; the interval of the mean does not."""
    rng, inside, mean = np.random.default_rng(6), [], []
    for _ in range(300):
        truth = 1.2 + rng.normal(size=9) * 0.3
        se = rng.uniform(0.1, 0.2, 8)
        value = 1 / (1 + np.exp(-(truth[:8] + rng.normal(size=8) * se)))
        table = {
            str(i): Estimate(float(v), se=float(e * v * (1 - v)))
            for i, (v, e) in enumerate(zip(value, se, strict=True))
        }
        found = pool_sites({"auc": table})["auc"]
        new = 1 / (1 + math.exp(-truth[8]))
        inside.append(found.prediction.low < new < found.prediction.high)
        mean.append(found.estimate.low < new < found.estimate.high)
    assert 0.92 < np.mean(inside) < 0.985
    assert np.mean(mean) < 0.75
