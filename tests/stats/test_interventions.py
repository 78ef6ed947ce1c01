from __future__ import annotations

import math

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.stats.interventions import interventions_avoided, interventions_avoided_curve
from validkit.stats.utility import net_benefit, treat_all

Y = np.array([0] * 14 + [1] * 10)  # at 0.4: 9 true and 5 false negatives, 5 true and 5 false positives
P = np.array([0.1] * 9 + [0.5] * 5 + [0.2] * 5 + [0.7] * 5)
Z = 1.959963984540054


def test_every_field_by_hand() -> None:
    u = 100 * np.repeat([1, 0, -1.5, 0], [9, 5, 5, 5])
    value, se = u.mean(), u.std(ddof=1) / math.sqrt(24)
    found = interventions_avoided(Y, P, threshold=0.4)
    assert found.value == pytest.approx(100 * (9 - 5 * 1.5) / 24)
    assert [found.se, found.low, found.high] == pytest.approx([se, value - Z * se, value + Z * se])
    assert (found.level, found.n, found.n_events, found.note) == (0.95, 24, 10, "")
    assert found.method == "normal, from each patient's contribution"
    ten = interventions_avoided(Y, P, threshold=0.4, per=10, level=0.9)
    assert [ten.value, ten.se, ten.level] == pytest.approx([value / 10, se / 10, 0.9])
    harmed = interventions_avoided(Y, P, threshold=0.4, harm=0.02)
    assert harmed.value == pytest.approx(value - 100 * 0.02 * 1.5)
    assert harmed.high == pytest.approx(value - 3 + Z * se)


@pytest.mark.parametrize("prevalence", [None, 0.2])
def test_it_is_the_gain_over_treating_everybody(prevalence: float | None) -> None:
    for t in (0.15, 0.4, 0.6):
        model = net_benefit(Y, P, threshold=t, harm=0.01, prevalence=prevalence)
        gain = model.value - treat_all(Y, thresholds=[t], prevalence=prevalence).y[0]
        found = interventions_avoided(Y, P, threshold=t, harm=0.01, prevalence=prevalence)
        assert found.value == pytest.approx(100 * gain * (1 - t) / t)
    curve = interventions_avoided_curve(Y, P, thresholds=[0.15, 0.4, 0.6], harm=0.01, prevalence=prevalence)
    assert curve.y[2] == pytest.approx(found.value)
    assert curve.y_name == "interventions avoided per 100 patients"
    assert curve.method.startswith("model against treat all; normal, ")


def test_the_curve() -> None:
    curve = interventions_avoided_curve(Y, P, thresholds=[0, 0.15, 0.4], per=1000, level=0.9)
    single = interventions_avoided(Y, P, threshold=0.4, per=1000, level=0.9)
    assert (curve.y[2], curve.low[2], curve.high[2]) == (single.value, single.low, single.high)
    assert (curve.y_name, curve.level) == ("interventions avoided per 1000 patients", 0.9)
    assert math.isnan(curve.y[0])
    assert curve.note == (
        "undefined at a threshold of 0: the weight (1 - t)/t is infinite; "
        "fewer than 5 true or false negatives at 1 of 3 thresholds (0.15 to 0.15): "
        "the normal interval is too narrow there"
    )
    band = interventions_avoided_curve(Y, P, thresholds=[0, 0.15, 0.4], band="simultaneous", rng=3, replicates=400)
    assert np.isfinite(band.low).tolist() == [False, False, True]
    assert "400 draws" in band.method


def test_undefined_and_bounds() -> None:
    at_zero = interventions_avoided(Y, P, threshold=0)
    assert math.isnan(at_zero.value)
    assert at_zero.note == "undefined at a threshold of 0: the weight (1 - t)/t is infinite"
    assert math.isnan(interventions_avoided(np.zeros(24), P, threshold=0.4, prevalence=0.3).value)
    assert "no event" in interventions_avoided(np.zeros(24), P, threshold=0.4, prevalence=0.3).note
    few = interventions_avoided([0, 0, 1], [0.1, 0.2, 0.9], threshold=0.5, level=0.99)
    assert (few.high, few.note.split(";")[0]) == (100.0, "interval cut at its bound")
    assert few.note.endswith("fewer than 5 true or false negatives: the normal interval is too narrow")
    everybody = interventions_avoided([0, 0, 1], [0.6, 0.7, 0.9], threshold=0.5)
    assert (everybody.value, everybody.note) == (0.0, "all contribute alike: no interval")


def test_incomplete_patients_and_weights() -> None:
    found = interventions_avoided(np.append(Y, 1), np.append(P, math.nan), threshold=0.4, missing="complete-case")
    assert (found.n, found.n_missing) == (24, 1)
    assert interventions_avoided(Y, P, threshold=0.4, weights=np.full(24, 2)).n == 48
    assert interventions_avoided_curve(Y, P, weights=np.full(24, 2)).n == 48


@pytest.mark.parametrize("per", [0, -1, math.inf, True, "100"])
def test_bad_denominators(per: object) -> None:
    for function, where in ((interventions_avoided, {"threshold": 0.4}), (interventions_avoided_curve, {})):
        with pytest.raises(InputError, match="`per` must be a positive number of patients"):
            function(Y, P, per=per, **where)
