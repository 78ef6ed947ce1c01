"""What some studies learn from all patients before they split them: a leak, declared so that it can be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from validkit.errors import InputError
from validkit.sections import Estimators, Imputation, Predictor
from validkit.tabular.imputation import Imputer
from validkit.tabular.inputs import TableInputs
from validkit.tabular.preparation import Preparation, Prepared, with_values
from validkit.tabular.steps import Scale, Univariable

__all__ = ["BeforeSplit", "learn_before_split"]


@dataclass(frozen=True, eq=False)
class BeforeSplit:
    """Learnt from all patients.

    imputer : None where imputation stays inside the split
    scaling : (means, standard deviations) of columns by model; selection : the chosen columns by model
    """

    imputer: Imputer | None
    scaling: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]
    selection: Mapping[str, tuple[str, ...]]


def learn_before_split(
    settings: Estimators,
    inputs: TableInputs,
    y: np.ndarray | None,
    *,
    predictors: Mapping[str, Predictor],
    imputation: Imputation,
    impute: bool,
    copy: int,
    seed_of: Callable[..., int],
) -> BeforeSplit | None:
    """What `settings.before_split` names, learnt from all patients; None where it names nothing.

    y : (n,) every outcome, held-out ones too; needed, and used, for selection alone
    Where imputation stays inside the split, missing values take no part in scaling and selection.
    """
    named = settings.before_split
    if not named:
        return None
    if "selection" in named and y is None:
        raise InputError('before_split names "selection", which looks at all outcomes; give them as `y`')
    preparation = Preparation(predictors, imputation, impute, copy, seed_of)
    imputer = preparation.imputer(inputs) if "imputation" in named else None
    prepared = Prepared(preparation, imputer, with_values(inputs.predictors))
    tables = prepared.tables(inputs)
    scaling, selection = {}, {}
    for one in settings.estimators:
        columns = prepared.columns(one, tables, gaps=True)
        if one.scale and "scaling" in named:
            learnt = Scale().fit(columns)
            scaling[one.name] = (learnt.mean_, learnt.spread_)
        if one.select is not None and "selection" in named:
            chosen = Univariable(keep=one.select.keep, alpha=one.select.alpha).fit(columns, np.asarray(y))
            selection[one.name] = tuple(chosen.selected_)
    return BeforeSplit(imputer, scaling, selection)
