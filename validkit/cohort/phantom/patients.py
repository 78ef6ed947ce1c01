"""The clinical columns of the phantom, and the truth behind them.

Patients are drawn by outcome: first the numbers with and without metastasis, then everything else
given the outcome. Within each outcome group diameter and red cells are independent, with

    diameter | negative  ~  gamma(shape, scale), cut to the range of measurable lesions
    diameter | positive  ~  the same density tilted by exp(b_d x diameter): gamma(shape, scale / (1 - b_d scale))
    rbc | negative ~ N(mean, sd^2),   rbc | positive ~ N(mean + b_r sd^2, sd^2)

so that by Bayes' theorem, exactly and whatever the latent variables do,

    logit P(metastasis | diameter, rbc) = constant + b_d diameter + b_r rbc,   b_d = ln 1.055, b_r = ln 0.646.

Drawing by outcome moves only the constant (Prentice and Pyke, Biometrika 66 (1979) 403-411). The latent
aggressiveness is N(0, 1) without and N(`shift`, 1) with metastasis, which is a logistic model of metastasis on
aggressiveness with slope `shift`; it is tied to the diameter by a Gaussian copula inside each outcome group, which
leaves both densities above as they are, and to heterogeneity and margin roughness linearly. A site's
case mix scales the densities of the diameter and shifts those of the red cells, and keeps both effects. The other
columns depend on the recorded diameter only (and parity a little on age): they are associated with metastasis one at a
time, as the paper reports, and add nothing once diameter and red cells are known, as its Table 2 reports. Their
strengths come from the paper's p-values, |z| = strength x standardized difference in diameter x sqrt(n p (1 - p)).
The paper's text gives no means; the marginals here are plausible ones for operable cervical cancer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from validkit.cohort.phantom.sites import Site, draw_sites, site_sizes
from validkit.errors import InputError

Floats = NDArray[np.float64]

OR_DIAMETER = 1.055
OR_RBC = 0.646
DIAMETER_SHAPE, DIAMETER_SCALE = 7.5, 3.9
DIAMETER_RANGE = (8.0, 80.0)
DIAMETER_MEAN, DIAMETER_SD = 31.0, 12.0
"""the standardization of the diameter where other columns depend on it"""
RBC_MEAN, RBC_SD = 4.25, 0.62
AGGRESSIVENESS_SHIFT = 1.6
LOADINGS = {"diameter": 0.25, "heterogeneity": 0.62, "roughness": 0.52}
"""correlation with aggressiveness inside an outcome group"""


@dataclass(frozen=True)
class Column:
    """A clinical column that depends on the diameter: a normal score, turned into the column's marginal."""

    strength: float
    """correlation of the normal score with the diameter"""
    family: str
    """normal (mean, sd), lognormal (median, sd of the log), poisson (mean, largest)"""
    a: float
    b: float
    decimals: int
    unit: str
    low: float = -math.inf
    high: float = math.inf


COLUMNS = {
    "age": Column(0.05, "normal", 50.0, 10.0, 0, "years", 24, 82),
    "parity": Column(0.40, "poisson", 2.3, 8, 0, "births"),
    "abortions": Column(0.08, "poisson", 1.3, 7, 0, "abortions"),
    "bmi": Column(-0.06, "normal", 23.5, 3.0, 1, "kg/m^2", 15.5, 42),
    "wbc": Column(0.39, "lognormal", 6.2, 0.30, 2, "10^9/L"),
    "eosinophils": Column(0.03, "lognormal", 0.11, 0.70, 2, "10^9/L"),
    "alp": Column(0.52, "lognormal", 72.0, 0.28, 0, "U/L"),
    "ca125": Column(0.62, "lognormal", 16.0, 0.70, 1, "U/mL"),
    "ca153": Column(0.14, "lognormal", 11.0, 0.45, 1, "U/mL"),
    "ca199": Column(0.08, "lognormal", 11.0, 0.80, 1, "U/mL"),
    "cea": Column(0.54, "lognormal", 2.2, 0.75, 2, "ng/mL"),
    "scc": Column(0.70, "lognormal", 2.0, 1.00, 2, "ng/mL"),
}
HISTOLOGY_STRENGTH = 0.05
PARITY_ON_AGE = 0.30
CLINICAL = (
    *("age", "parity", "abortions", "bmi", "rbc", "wbc", "eosinophils", "alp"),
    *("ca125", "ca153", "ca199", "cea", "scc", "histology", "max_diameter"),
)


def simulate_table(patients: int = 421, sites: int = 1, seed: int = 42) -> pd.DataFrame:
    """Clinical part of a phantom: patient_id, site, plnm (1 = metastasis) and the clinical columns.

    The same rows as in the `cohort.csv` that `write_phantom` writes for the same arguments. With one site exactly
    round(patients x 107 / 421) patients are positive.
    """
    return simulate_patients(patients, sites, seed)[0]


def simulate_patients(patients: int, sites: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`simulate_table`, and beside it what no cohort shows: the latent variables behind the images.

    The second frame has the columns aggressiveness, heterogeneity, roughness, each of variance 1 inside an
    outcome group and of mean 0 in patients without metastasis.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must lie in [0, 2^32); got {seed}")
    sizes = site_sizes(patients, sites)
    parts = [
        _simulate_site(site, n, seed, number)
        for number, (site, n) in enumerate(zip(draw_sites(sites, seed), sizes, strict=True))
    ]
    table = pd.concat([part[0] for part in parts], ignore_index=True)
    latent = pd.concat([part[1] for part in parts], ignore_index=True)
    width = max(4, len(str(patients)))
    table.insert(0, "patient_id", [f"PH{number:0{width}d}" for number in range(1, patients + 1)])
    return table, latent


def _simulate_site(site: Site, n: int, seed: int, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    noise = _noise(n, seed, number)
    positive = min(max(round(n * site.prevalence), 1), n - 1)
    y = (np.argsort(np.argsort(noise["outcome"])) < positive).astype(np.int64)

    copula = _mix(LOADINGS["diameter"], noise["aggressiveness"], noise["max_diameter"])
    diameter = np.round(_diameter(y, copula, site), 1)
    latent = pd.DataFrame({"aggressiveness": noise["aggressiveness"] + AGGRESSIVENESS_SHIFT * y})
    for name in ("heterogeneity", "roughness"):
        latent[name] = _mix(LOADINGS[name], latent["aggressiveness"].to_numpy(), noise[name])

    rbc = RBC_MEAN + site.rbc_shift + math.log(OR_RBC) * RBC_SD**2 * y + RBC_SD * noise["rbc"]
    columns: dict[str, Any] = {"rbc": np.round(rbc, 2), "max_diameter": diameter}
    size = (diameter - DIAMETER_MEAN) / DIAMETER_SD
    noise["parity"] = _mix(PARITY_ON_AGE, noise["age"], noise["parity"])
    for name, column in COLUMNS.items():
        score = _mix(column.strength, size, noise[name])
        columns[name] = _marginal(score, column, shift=site.age_shift if name == "age" else 0.0)
    columns["histology"] = _histology(_mix(HISTOLOGY_STRENGTH, size, noise["histology"]), site)
    table = pd.DataFrame({"site": site.name, "plnm": y} | {name: columns[name] for name in CLINICAL})
    return table, latent


def _noise(n: int, seed: int, number: int) -> dict[str, Floats]:
    """Independent standard normal scores, every variable of every site from a stream of its own."""
    variables = ("outcome", "aggressiveness", "heterogeneity", "roughness", *CLINICAL)
    streams = np.random.SeedSequence(seed, spawn_key=(0, number)).spawn(len(variables))
    return {name: np.random.default_rng(s).standard_normal(n) for name, s in zip(variables, streams, strict=True)}


def _mix(loading: float, common: Floats, own: Floats) -> Floats:
    return loading * common + math.sqrt(1 - loading**2) * own


def _diameter(y: NDArray[np.int64], score: Floats, site: Site) -> Floats:
    """Tilted gamma densities by outcome, cut to `DIAMETER_RANGE`, at the quantiles of a standard normal score."""
    scale = DIAMETER_SCALE * site.diameter_scale
    scales = np.where(y == 1, scale / (1 - math.log(OR_DIAMETER) * scale), scale)
    low, high = (stats.gamma.cdf(end, DIAMETER_SHAPE, scale=scales) for end in DIAMETER_RANGE)
    return np.asarray(stats.gamma.ppf(low + (high - low) * stats.norm.cdf(score), DIAMETER_SHAPE, scale=scales))


def _marginal(score: Floats, column: Column, shift: float) -> Floats | NDArray[np.int64]:
    if column.family == "poisson":
        counts = stats.poisson.ppf(stats.norm.cdf(score), column.a)
        return np.asarray(np.minimum(counts, column.b), dtype=np.int64)
    if column.family == "lognormal":
        values = column.a * np.exp(column.b * score)
    else:
        values = np.clip(column.a + shift + column.b * score, column.low, column.high)
    return np.round(values).astype(np.int64) if column.decimals == 0 else np.round(values, column.decimals)


def _histology(score: Floats, site: Site) -> NDArray[np.str_]:
    adeno = site.squamous + 0.75 * (1 - site.squamous)
    u = stats.norm.cdf(score)
    return np.select([u < site.squamous, u < adeno], ["squamous", "adeno"], "other")


def describe(sites: int = 1, seed: int = 42) -> dict[str, Any]:
    """The truth of a phantom, as `phantom.json` records it: effects, latent model, marginals and sites."""
    return {
        "outcome": "plnm",
        "odds_ratios": {"max_diameter": OR_DIAMETER, "rbc": OR_RBC},
        "log_odds_ratios": {"max_diameter": math.log(OR_DIAMETER), "rbc": math.log(OR_RBC)},
        "meaning": (
            "Multivariable odds ratios, per mm and per 10^12/L, within a site and marginal over the latent variables; "
            "given diameter and rbc the other clinical columns have odds ratio 1."
        ),
        "diameter_mm": {
            "negative": {"family": "gamma", "shape": DIAMETER_SHAPE, "scale": DIAMETER_SCALE},
            "positive": "the same density times exp(log odds ratio x diameter), normalized",
            "range": list(DIAMETER_RANGE),
        },
        "rbc": {"mean_negative": RBC_MEAN, "sd": RBC_SD, "mean_positive": RBC_MEAN + math.log(OR_RBC) * RBC_SD**2},
        "aggressiveness": {"shift_with_metastasis": AGGRESSIVENESS_SHIFT, "loadings": dict(LOADINGS)},
        "columns": {
            name: {
                "correlation_with_diameter": c.strength,
                "family": c.family,
                "parameters": [c.a, c.b],
                "unit": c.unit,
            }
            for name, c in COLUMNS.items()
        },
        "sites": [site.to_dict() for site in draw_sites(sites, seed)],
    }


def phantom_record(description: str, patients: int, sites: int, seed: int, **kind: str) -> dict[str, Any]:
    """A phantom as `phantom.json` records it; kind : what it is a phantom of, where not of images."""
    truth = describe(sites, seed)
    return {
        "validkit_phantom": True,
        "description": description,
        **kind,
        "seed": seed,
        "patients": patients,
        "sites": sites,
        "version": version("validkit"),
        "site_settings": truth.pop("sites"),
        "truth": truth,
    }
