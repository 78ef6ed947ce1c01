"""A new centre's measurements brought to those of development by ComBat, and what that does to a locked model.

Outcomes are not looked at. The reference is what the bundle tells of its patients, and never changes; location and
scale are fitted to the patients of this centre, whom nobody had seen before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.bundle.case_mix import CaseMix
from validkit.bundle.describing import coded
from validkit.bundle.lineage import moved
from validkit.centre.measures import MEASURES, loss_differences
from validkit.errors import InputError
from validkit.sections import Harmonisation, Predictor
from validkit.stats import compare_auc
from validkit.stats.combat import CombatReference, CombatSite, combat_reference, combat_site
from validkit.wording import nearest

if TYPE_CHECKING:
    from validkit.bundle import Locked

__all__ = ["effect_record", "harmonised", "site_record"]

WHERE = "model.harmonisation"
SAME = 1e-12
"""difference of two risks below which they are one"""


def harmonised(locked: Locked, inputs: Any, setting: Harmonisation) -> tuple[Any, CombatSite]:
    """The inputs as the centre of development would have measured them, and how this centre differs.

    inputs : `validkit.plnm.inputs.Inputs`, whose radiomic features are harmonised, or `validkit.tabular.inputs.
        TableInputs`, whose continuous predictors are
    Raises InputError where the bundle does not tell what that takes, or the setting names what it cannot be done with.
    """
    mix = locked.manifest.case_mix
    declared = {name: locked.protocol.cohort.predictors[name] for name in locked.needs}
    if any(step.measured for step in locked.updates):
        raise InputError(
            f"{WHERE}: the bundle was updated at a centre whose measurements it already brings to those of "
            "development; take the bundle that it comes from"
        )
    if mix is None:
        raise InputError(f"{WHERE}: the bundle is of format 1 and tells nothing of its patients; ask for a new one")
    unknown = [name for name in setting.covariates if name not in declared]
    if unknown:
        raise InputError(
            f"{WHERE}.covariates names {unknown[0]!r}, which the model does not look at"
            f"{nearest(unknown[0], list(declared))}"
        )
    images = hasattr(inputs, "radiomics")
    table = inputs.radiomics if images else inputs.predictors
    columns = coded(inputs.predictors, {name: declared[name] for name in setting.covariates})
    features = _features(setting, list(map(str, table.columns)) if images else None, declared)
    reference = (_of_features if images else _of_predictors)(mix, features, list(map(str, columns.columns)))
    covariates = columns.to_numpy(np.float64) if len(columns.columns) else None
    values = table[list(features)].to_numpy(np.float64)
    try:
        site = combat_site(values, reference=reference, covariates=covariates, shrink=setting.shrink)
    except InputError as error:
        raise InputError(f"{WHERE}: {error}") from error
    return moved(inputs, site, covariates), site


def _features(
    setting: Harmonisation, radiomics: Sequence[str] | None, declared: Mapping[str, Predictor]
) -> tuple[str, ...]:
    """The columns that are harmonised: all radiomic features of the model unless some are named."""
    if radiomics is None and not setting.features:
        raise InputError(f"{WHERE}.features: name the continuous predictors that depend on how a centre measures")
    continuous = [name for name, spec in declared.items() if spec.kind == "continuous"]
    known = continuous if radiomics is None else list(radiomics)
    what = "continuous predictors" if radiomics is None else "radiomic features"
    for name in setting.features:
        if name not in known:
            raise InputError(
                f"{WHERE}.features names {name!r}, which is none of the model's {what}{nearest(name, known)}"
            )
        if name in setting.covariates:
            raise InputError(f"{WHERE}: {name!r} is harmonised and a covariate; it can be one of the two")
    return setting.features or tuple(known)


def _of_features(mix: CaseMix, features: Sequence[str], columns: Sequence[str]) -> CombatReference:
    told = mix.harmonisable
    if told is None:
        raise InputError(f"{WHERE}: the bundle does not tell how its features go together; ask for one of format 3")
    told = told.of(features)
    order = [told.features.index(name) for name in features]
    at = [told.columns.index(name) for name in columns]
    return combat_reference(
        n=told.n,
        mean=np.array(told.mean)[order],
        variance=np.array(told.variance)[order],
        covariate_mean=np.array(told.centre)[at],
        covariance=np.array(told.covariance)[np.ix_(at, at)] if at else None,
        cross=np.array(told.cross)[np.ix_(order, at)] if at else None,
        features=features,
        covariates=columns,
    )


def _of_predictors(mix: CaseMix, features: Sequence[str], columns: Sequence[str]) -> CombatReference:
    told = mix.predictors
    if told is None:
        raise InputError(f"{WHERE}: the bundle does not tell the moments of its predictors, of too few patients")
    order = [told.columns.index(name) for name in features]
    at = [told.columns.index(name) for name in columns]
    mean, covariance = np.array(told.mean), np.array(told.covariance)
    return combat_reference(
        n=told.n,
        mean=mean[order],
        variance=np.diag(covariance)[order],
        covariate_mean=mean[at],
        covariance=covariance[np.ix_(at, at)] if at else None,
        cross=covariance[np.ix_(order, at)] if at else None,
        features=features,
        covariates=columns,
    )


# --- what is recorded ------------------------------------------------------------------------------


def site_record(site: CombatSite, setting: Harmonisation) -> dict[str, Any]:
    """How this centre differs, feature by feature; no row of anyone."""
    told = site.to_dict()
    rows = [
        {"name": name} | {key: told[key][j] for key in ("shift", "scale", "raw_shift", "raw_scale")}
        for j, name in enumerate(site.reference.features)
        if name not in site.left_out
    ]
    return {
        "method": setting.method,
        "covariates": list(setting.covariates),
        "shrunk": site.shrunk,
        "n": site.n,
        "n_there": site.reference.n,
        "features": rows,
        "left_out": dict(site.left_out),
    }


def effect_record(
    y: pd.Series, plain: Mapping[str, pd.Series], changed: Mapping[str, pd.Series], *, level: float
) -> dict[str, Any]:
    """Every model with and without harmonisation, by name: its measures both ways and their differences, with less
    without; models that do not look at what was harmonised are named in `unmoved`.

    y : outcomes 0/1, indexed by patient; plain, changed : each model's risks by patient, without and with
    """
    models: dict[str, Any] = {}
    unmoved: list[str] = []
    for name, risk in changed.items():
        shared = risk.index.intersection(plain[name].index)
        with_, without = risk.loc[shared], plain[name].loc[shared]
        if float((with_ - without).abs().max()) <= SAME:
            unmoved.append(name)
            continue
        outcome = y.loc[with_.index].to_numpy(np.int64)
        p, q = with_.to_numpy(np.float64), without.to_numpy(np.float64)
        losses = loss_differences(outcome, p[None], q[None], level)
        models[name] = {
            "without": {key: one(outcome, q, level=level).to_dict() for key, one in MEASURES.items()},
            "with": {key: one(outcome, p, level=level).to_dict() for key, one in MEASURES.items()},
            "difference": {
                "auc": compare_auc(outcome, p, q, level=level).difference.to_dict(),
                **{key: one.to_dict() for key, one in losses.items()},
            },
        }
    return {"models": models, "unmoved": unmoved}
