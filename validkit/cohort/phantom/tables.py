"""Phantoms without images: clinical columns, some of their values missing, and risks predicted well and badly."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

from validkit.cohort.phantom.patients import (
    CLINICAL,
    DIAMETER_MEAN,
    DIAMETER_RANGE,
    DIAMETER_SCALE,
    DIAMETER_SD,
    DIAMETER_SHAPE,
    OR_DIAMETER,
    OR_RBC,
    RBC_MEAN,
    RBC_SD,
    phantom_record,
    simulate_table,
)
from validkit.cohort.phantom.sites import Site, draw_sites
from validkit.cohort.phantom.staging import whole_folder, write_record
from validkit.errors import InputError

Floats = NDArray[np.float64]
TableKind = Literal["clinical", "predictions"]

STRETCH, NOISE_SD, SHIFT = 1.8, 0.5, 0.5
"""`risk_overfitted`: factor on the logit about its mean, and standard deviation of the noise; `risk_shifted`: the logit
by which it is too low"""
MISSING_ON_SIZE = 0.6
"""log odds of a missing value per standard deviation of the diameter"""
MOST_MISSING = 0.8


def write_table_phantom(
    out: Path, kind: TableKind, *, patients: int = 421, sites: int = 1, seed: int = 42, missing: float = 0.0
) -> Path:
    """Write a simulated table and return its folder, with `cohort.csv` and `phantom.json`.

    out : the folder to make; it must not exist, or be empty; it appears under its name only when complete
    kind : "clinical", the columns of `simulate_table`; "predictions", these and the columns of `predicted_risks`
    missing : "clinical" only, the share of missing values; see `remove_values`
    """
    if kind not in ("clinical", "predictions"):
        raise InputError(f"kind must be 'clinical' or 'predictions'; got {kind!r}")
    if missing and kind != "clinical":
        raise InputError(f"only the phantom 'clinical' has missing values; got kind {kind!r} and missing {missing}")
    table = simulate_table(patients, sites, seed)
    table = remove_values(table, missing, seed)
    if kind == "predictions":
        table = pd.concat([table, predicted_risks(table, sites, seed)], axis=1)
    with whole_folder(Path(out)) as folder:
        write_record(folder, table, _record(kind, patients, sites, seed, missing))
    return Path(out)


def true_risk(table: pd.DataFrame, sites: int, seed: int) -> Floats:
    """P(metastasis | diameter, red cells, site) in (0, 1) by Bayes' theorem from the densities the patients are drawn
    from; the prior is the site's own share of metastases.

    table : of `simulate_table(len(table), sites, seed)`
    """
    logit = np.empty(len(table))
    by_name = {site.name: site for site in draw_sites(sites, seed)}
    for name, rows in table.groupby("site").indices.items():
        part = table.iloc[rows]
        prior = special.logit(part["plnm"].mean())
        evidence = _diameter_evidence(part["max_diameter"].to_numpy(float), by_name[str(name)])
        logit[rows] = prior + evidence + _rbc_evidence(part["rbc"].to_numpy(float), by_name[str(name)])
    return np.asarray(special.expit(logit))


def _diameter_evidence(diameter: Floats, site: Site) -> Floats:
    """Log likelihood ratio of the two densities of the diameter, each cut to the range of measurable lesions."""
    scale = DIAMETER_SCALE * site.diameter_scale
    negative, positive = (
        stats.gamma(DIAMETER_SHAPE, scale=s) for s in (scale, scale / (1 - math.log(OR_DIAMETER) * scale))
    )
    low, high = DIAMETER_RANGE
    kept = [math.log(density.cdf(high) - density.cdf(low)) for density in (positive, negative)]
    return np.asarray(positive.logpdf(diameter) - negative.logpdf(diameter) - kept[0] + kept[1])


def _rbc_evidence(rbc: Floats, site: Site) -> Floats:
    mean, difference = RBC_MEAN + site.rbc_shift, math.log(OR_RBC) * RBC_SD**2
    return np.asarray(stats.norm.logpdf(rbc, mean + difference, RBC_SD) - stats.norm.logpdf(rbc, mean, RBC_SD))


def predicted_risks(table: pd.DataFrame, sites: int, seed: int) -> pd.DataFrame:
    """Three predictions in (0, 1) for each patient, of 6 significant digits.

    risk : the true risk, which is calibrated; risk_overfitted : its logit stretched about its mean, with noise: too
    extreme; risk_shifted : its logit lowered: too low everywhere
    """
    risk = true_risk(table, sites, seed)
    logit = special.logit(risk)
    noise = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(5,))).normal(0.0, NOISE_SD, len(table))
    stretched = logit.mean() + STRETCH * (logit - logit.mean()) + noise
    columns = {
        "risk": risk,
        "risk_overfitted": special.expit(stretched),
        "risk_shifted": special.expit(logit - SHIFT),
    }
    return pd.DataFrame({name: [float(f"{value:.6g}") for value in values] for name, values in columns.items()})


def remove_values(table: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The table with values missing at random given the diameter: patients with larger lesions lack more.

    share : of the values of each predictor but the diameter that is missing in expectation, in [0, 0.8]
    """
    if not 0 <= share <= MOST_MISSING:
        raise InputError(f"missing must lie in [0, {MOST_MISSING}]; got {share}")
    if share == 0:
        return table
    size = MISSING_ON_SIZE * (table["max_diameter"].to_numpy(float) - DIAMETER_MEAN) / DIAMETER_SD
    constant = optimize.brentq(lambda a: special.expit(a + size).mean() - share, -30.0, 30.0)
    names = [name for name in CLINICAL if name != "max_diameter"]
    chance = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4,))).random((len(table), len(names)))
    gone = pd.DataFrame(chance < special.expit(constant + size)[:, None], index=table.index, columns=names)
    whole = {name: "Int64" for name in names if table[name].dtype.kind == "i"}
    result = table.astype(whole)
    result[names] = result[names].mask(gone)
    return result


_DESCRIPTION = (
    "Simulated patients, not real ones: clinical columns{more} were drawn by validkit's phantom after the published "
    "effects of Wang et al., Front Oncol 2025, 10.3389/fonc.2025.1681029."
)


def _record(kind: TableKind, patients: int, sites: int, seed: int, missing: float) -> dict[str, Any]:
    description = _DESCRIPTION.format(more=" and predicted risks" if kind == "predictions" else "")
    record = phantom_record(description, patients, sites, seed, kind=kind)
    if missing:
        record["missing"] = {"share": missing, "log_odds_per_sd_of_diameter": MISSING_ON_SIZE}
    if kind == "predictions":
        record["predictions"] = {
            "risk": "the true risk given diameter, red cells and site",
            "risk_overfitted": f"logit x {STRETCH} about its mean, plus noise of standard deviation {NOISE_SD}",
            "risk_shifted": f"logit lower by {SHIFT}",
        }
    return record
