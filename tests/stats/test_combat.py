"""ComBat to a reference known by its moments: equal to R's sva, by laws, and by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.combat import CombatReference, combat_moments, combat_reference, combat_site

FOLDER = Path(__file__).parents[1] / "reference"
DATA = pd.read_csv(FOLDER / "combat_data.csv")
REFERENCE = pd.read_csv(FOLDER / "combat_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
PARTS = {name: part.reset_index(drop=True) for name, part in DATA.groupby("place")}
FEATURES, GIVEN = [f"f{j}" for j in range(1, 8)], ["age", "stage"]


def reference_of(X: np.ndarray, C: np.ndarray | None = None, **names: Any) -> CombatReference:
    return combat_reference(**combat_moments(X, C), **names)


def found(kind: str) -> dict[str, list[float]]:
    home, here = PARTS["home"], PARTS["here"]
    covariates = GIVEN if kind == "given" else []
    known, new = (part[covariates].to_numpy(float) if covariates else None for part in (home, here))
    reference = reference_of(home[FEATURES].to_numpy(), known, covariates=covariates, features=FEATURES)
    site = combat_site(here[FEATURES], reference=reference, covariates=new)
    adjusted = site.apply(here[FEATURES], new)
    return {
        f"{kind}.raw": [*site.raw_shift, *site.raw_scale],
        f"{kind}.shrunk": [*site.shift, *site.scale],
        f"{kind}.adjusted": adjusted.ravel(order="F").tolist(),
        **({"whole": adjusted.ravel(order="F").tolist()} if kind == "plain" else {}),
    }


@pytest.mark.parametrize("kind", ["plain", "given"])
def test_equal_to_r(kind: str) -> None:
    ours = found(kind)
    for name, values in ours.items():
        rows = REFERENCE[REFERENCE["id"] == name]
        assert len(rows) == len(values)
        assert np.abs(np.array(values) - rows["value"].to_numpy()).max() <= rows["tolerance"].max()
    assert set(found("plain")) | set(found("given")) == set(REFERENCE["id"])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(2, 12),
    p=st.integers(1, 5),
    shift=st.floats(-50, 50),
    scale=st.floats(0.01, 100),
)
def test_without_shrinkage_the_centre_gets_the_reference_s_mean_and_variance(
    seed: int, m: int, p: int, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    home = rng.normal(size=(30, p))
    here = shift + scale * rng.normal(size=(m, p))
    reference = reference_of(home)
    site = combat_site(here, reference=reference, shrink=False)
    moved = site.apply(here)
    assert np.allclose(moved.mean(axis=0), home.mean(axis=0), atol=1e-7 * (1 + abs(shift)))
    assert np.allclose(moved.std(axis=0, ddof=1), home.std(axis=0), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), unit=st.floats(1e-3, 1e3), origin=st.floats(-100, 100), shrink=st.booleans())
def test_units_do_not_matter(seed: int, unit: float, origin: float, shrink: bool) -> None:
    rng = np.random.default_rng(seed)
    home, here = rng.normal(size=(25, 4)), rng.normal(0.5, 1.5, size=(9, 4))
    C, D = rng.normal(size=(25, 2)), rng.normal(size=(9, 2))
    plain = combat_site(here, reference=reference_of(home, C, covariates="ab"), covariates=D, shrink=shrink)
    other = combat_site(
        origin + unit * here,
        reference=reference_of(origin + unit * home, 3 * C, covariates="ab"),
        covariates=3 * D,
        shrink=shrink,
    )
    assert np.allclose(plain.shift, other.shift, rtol=1e-5, atol=1e-6)
    assert np.allclose(origin + unit * plain.apply(here, D), other.apply(origin + unit * here, 3 * D), rtol=1e-5)


def test_a_patient_s_numbers_do_not_depend_on_the_order_and_gaps_stay() -> None:
    rng = np.random.default_rng(4)
    reference, here = reference_of(rng.normal(size=(40, 3))), rng.normal(1, 2, size=(11, 3))
    here[3, 1] = np.nan
    turn = rng.permutation(11)
    one = combat_site(here, reference=reference).apply(here)
    other = combat_site(here[turn], reference=reference).apply(here[turn])
    assert np.allclose(one[turn], other, equal_nan=True)
    assert np.isnan(one[3, 1])
    assert np.isfinite(np.delete(one.ravel(), 10)).all()


def test_what_a_covariate_explains_is_no_difference_of_centres() -> None:
    rng = np.random.default_rng(5)
    age, older = rng.normal(50, 8, 400), rng.normal(65, 8, 400)
    home, here = (0.1 * x[:, None] + rng.normal(size=(400, 4)) for x in (age, older))
    blind = combat_site(here, reference=reference_of(home))
    seeing = combat_site(
        here, reference=reference_of(home, age[:, None], covariates=["age"]), covariates=older[:, None]
    )
    assert (blind.shift > 1).all()
    assert (np.abs(seeing.shift) < 0.25).all()


def test_shrinkage_comes_nearer_to_the_truth() -> None:
    rng, p, m = np.random.default_rng(6), 30, 8
    lost = np.zeros(2)
    for _ in range(200):
        truth = rng.normal(0.8, 0.3, p)
        reference = reference_of(rng.normal(size=(150, p)))
        site = combat_site(truth + rng.normal(size=(m, p)), reference=reference)
        lost += [np.mean((one - truth) ** 2) for one in (site.shift, site.raw_shift)]
    assert lost[0] < 0.75 * lost[1]


def test_what_cannot_be_harmonised_is_left_as_it_is() -> None:
    rng = np.random.default_rng(7)
    home, here = rng.normal(size=(20, 4)), rng.normal(2, 1, size=(6, 4))
    home[:, 0], here[:, 1], here[1:, 2] = 3.1, 0.1, np.nan
    site = combat_site(here, reference=reference_of(home, features=["flat", "still", "rare", "fine"]))
    assert set(site.left_out) == {"flat", "still", "rare"}
    assert not site.shrunk
    assert np.array_equal(site.apply(here)[:, :3], here[:, :3], equal_nan=True)
    alone = combat_site(here[:1], reference=reference_of(home))
    assert len(alone.left_out) == 4
    assert np.array_equal(alone.apply(here[:1]), here[:1], equal_nan=True)


def test_features_of_one_scale_and_one_shift_are_shrunk_onto_them() -> None:
    home = np.random.default_rng(8).normal(size=(30, 1)) @ np.ones((1, 3))
    here = np.array([[1.0], [2.0], [4.0], [4.5]]) @ np.ones((1, 3))
    site = combat_site(here, reference=reference_of(home))
    assert np.allclose(site.shift, site.raw_shift)
    assert np.allclose(site.scale, site.raw_scale)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 1}, "`n`"),
        ({"variance": [1.0]}, "`variance` must have the shape"),
        ({"variance": [1.0, -1.0]}, "negative"),
        ({"mean": [1.0, np.nan]}, "`mean` holds values that are not finite"),
        ({"covariate_mean": [1.0]}, "belong together"),
        ({"features": ["a"]}, "`features` must have the shape"),
        ({"covariates": ["a"]}, "`covariates` must have the shape"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"n": 9, "mean": [0.0, 1.0], "variance": [1.0, 2.0]}
    with pytest.raises(InputError, match=words):
        combat_reference(**{**good, **change})


def test_patients_that_do_not_fit_are_refused() -> None:
    reference = reference_of(np.random.default_rng(9).normal(size=(9, 2)))
    with pytest.raises(InputError, match="as the reference has it"):
        combat_site([[1.0], [2.0]], reference=reference)
    with pytest.raises(InputError, match="infinite"):
        combat_site([[1.0, np.inf], [2.0, 1.0]], reference=reference)
    aged = combat_reference(n=9, mean=[0.0], variance=[1.0], covariate_mean=[50.0], covariance=[[4.0]], cross=[[1.0]],
                            covariates=["age"])  # fmt: skip
    with pytest.raises(InputError, match="gaps in 1 rows"):
        combat_site([[1.0], [2.0]], reference=aged, covariates=[[50.0], [np.nan]])
    with pytest.raises(InputError, match="needed are two"):
        combat_moments([[1.0], [np.nan]])
    with pytest.raises(InputError, match="same patients"):
        combat_moments([[1.0], [2.0]], [[1.0]])
