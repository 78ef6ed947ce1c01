"""Why a model does otherwise elsewhere, equal to R: tests/reference/transport_reference.csv."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from validkit.stats.membership import Membership, membership
from validkit.stats.predictor_effects import PredictorEffects, compare_effects, effects_given_risk
from validkit.stats.standardised import standardised_auc
from validkit.stats.transport import concordance_gap, model_based_concordance

FOLDER = Path(__file__).parents[1] / "reference"
DATA = pd.read_csv(FOLDER / "transport_data.csv")
REFERENCE = pd.read_csv(FOLDER / "transport_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
PARTS = {name: part.reset_index(drop=True) for name, part in DATA.groupby("place")}
SHARES = np.diff([0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0])


def effects(place: str) -> PredictorEffects:
    part = PARTS[place]
    return effects_given_risk(part["y"], part["p"], part[["a", "b"]], names=["a", "b"])


def told_apart(columns: list[str]) -> Membership:
    home = PARTS["home"][columns].to_numpy()
    moments = {"mean": home.mean(axis=0), "covariance": np.atleast_2d(np.cov(home.T)), "n": len(home)}
    return membership(PARTS["here"][columns].to_numpy(), **moments)


def of_effects(place: str) -> list[float]:
    found = effects(place)
    return [*found.coefficients, *found.covariance.ravel()]


def standardised() -> list[float]:
    edges, here = wanted("edges"), PARTS["here"]
    found = standardised_auc(here["y"], here["p"], edges=edges, shares=SHARES)
    return [found.value, float(re.search(r"worth (\d+)", found.note)[1])]  # type: ignore[index]


def wanted(name: str) -> list[float]:
    return REFERENCE.loc[REFERENCE["id"] == name, "value"].tolist()


def test_of(found: object) -> list[float]:
    return [found.statistic, found.p_value]  # type: ignore[attr-defined]


test_of.__test__ = False  # type: ignore[attr-defined]
CALLS: dict[str, Callable[[], list[float]]] = {
    "effects.compared": lambda: test_of(compare_effects(effects("here"), effects("home"))),
    "membership.one": lambda: test_of(told_apart(["a"]).test),
    "membership.three": lambda: test_of(told_apart(["a", "b", "c"]).test),
    "membership.concordance": lambda: [told_apart(["a", "b", "c"]).concordance.value],
    "edges": lambda: np.quantile(PARTS["home"]["p"], np.cumsum(SHARES)[:-1]).tolist(),
    "standardised": standardised,
}
for _place in ("home", "here"):
    CALLS |= {
        f"concordance.{_place}": lambda place=_place: [model_based_concordance(PARTS[place]["p"]).value],
        f"concordance.se.{_place}": lambda place=_place: [model_based_concordance(PARTS[place]["p"]).se],
        f"gap.{_place}": lambda place=_place: [concordance_gap(PARTS[place]["y"], PARTS[place]["p"]).value],
        f"gap.se.{_place}": lambda place=_place: [concordance_gap(PARTS[place]["y"], PARTS[place]["p"]).se],
        f"effects.{_place}": lambda place=_place: of_effects(place),
    }


def test_every_entry_has_a_call() -> None:
    assert set(REFERENCE["id"]) == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_equal_to_r(name: str) -> None:
    entry = REFERENCE[REFERENCE["id"] == name]
    tolerance = 0.5 if name == "standardised" else 0.0  # the note has whole patients
    expected, found = entry["value"].to_numpy(), np.array(CALLS[name]())
    np.testing.assert_allclose(
        found[:1], expected[:1], rtol=entry["tolerance"].iloc[0], atol=entry["tolerance"].iloc[0]
    )
    np.testing.assert_allclose(found, expected, rtol=entry["tolerance"].iloc[0], atol=max(tolerance, 1e-9))


def test_the_data_are_of_a_model_that_was_right_at_home() -> None:
    home = PARTS["home"]
    np.testing.assert_allclose(
        expit(logit(home["p"])), expit(-0.7 + home[["a", "b", "c"]].to_numpy() @ [0.9, -0.5, 0.6]), atol=1e-4
    )
