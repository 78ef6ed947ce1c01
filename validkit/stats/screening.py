"""Table 2: each predictor alone, then those that pass together, by logistic regression with odds ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import check_choice, check_level, check_outcome
from validkit.stats.coding import Coding, learn_coding
from validkit.stats.collinearity import VarianceInflation, logistic_variance_inflation
from validkit.stats.regression import (
    PENALTIES,
    LogisticFit,
    dependent_columns,
    likelihood_ratio_test,
    logistic_regression,
)
from validkit.stats.results import Estimate, Record, Table, TestResult
from validkit.stats.text import interval_text, p_text, ratio_text


@dataclass(frozen=True)
class Effect(Record):
    """A predictor in one regression: an odds ratio and p value for each of its columns, and the test of all of them."""

    odds_ratios: tuple[Estimate, ...]
    p_values: tuple[float, ...]
    test: TestResult


@dataclass(frozen=True)
class ScreenedPredictor(Record):
    """A predictor alone and, where it was entered, among the others.

    levels : of a categorical predictor, the reference first; columns : its columns in the regression; inflation : its
    variance inflation in the multivariable model
    """

    name: str
    label: str
    unit: str
    kind: str
    levels: tuple[str, ...]
    columns: tuple[str, ...]
    univariable: Effect | None
    multivariable: Effect | None
    selected: bool
    note: str = ""
    inflation: VarianceInflation | None = None


@dataclass(frozen=True)
class PredictorScreen(Record):
    """Univariable, then multivariable logistic regression.

    selected : predictors with p < multivariable_alpha among those with p < univariable_alpha alone; model : the
    multivariable regression, None where no predictor entered
    """

    predictors: tuple[ScreenedPredictor, ...]
    selected: tuple[str, ...]
    model: LogisticFit | None
    univariable_alpha: float
    multivariable_alpha: float
    level: float
    n: int
    n_events: int
    note: str = ""

    def table(self, title: str = "Predictors of the outcome: logistic regression") -> Table:
        """The finished Table 2."""
        ci = f"{100 * self.level:g} % CI"
        measures = ("OR", ci, "p")
        columns = ("predictor", "unit", *(f"{how} {m}" for how in ("univariable", "multivariable") for m in measures))
        columns = (*columns, "VIF")
        rows: list[tuple[Any, ...]] = []
        for item in self.predictors:
            rows += _rows(item)
        note = (
            f"n = {self.n}, {self.n_events} events. Predictors with p < {self.univariable_alpha:g} alone entered the "
            f"multivariable model; selected: {', '.join(self.selected) or 'none'} (p < {self.multivariable_alpha:g}). "
            f"Categorical predictors: likelihood ratio test of all levels. {_intervals(self.predictors)}VIF: variance "
            "inflation in the multivariable model. p values after selection are optimistic."
        )
        return Table(title, columns, tuple(rows), " ".join(text for text in (note, self.note) if text))


def table_two(
    data: pd.DataFrame,
    y: ArrayLike,
    *,
    kinds: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    univariable_alpha: float = 0.05,
    multivariable_alpha: float = 0.05,
    level: float = 0.95,
    penalty: str = "if-separated",
    interval: str | None = None,
) -> Table:
    """Univariable and multivariable odds ratios as a table of finished cells; arguments as in `screen_predictors`.

    >>> import pandas as pd
    >>> data = pd.DataFrame({"age": [50.0, 61, 47, 70, 66, 58, 73, 49]})
    >>> table_two(data, [0, 0, 1, 0, 1, 0, 1, 1]).rows[0][:5]
    ('age', '', '0.989', '[0.852, 1.147]', '0.880')
    """
    return screen_predictors(
        data,
        y,
        kinds=kinds,
        labels=labels,
        units=units,
        univariable_alpha=univariable_alpha,
        multivariable_alpha=multivariable_alpha,
        level=level,
        penalty=penalty,
        interval=interval,
    ).table()


def screen_predictors(
    data: pd.DataFrame,
    y: ArrayLike,
    *,
    kinds: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    univariable_alpha: float = 0.05,
    multivariable_alpha: float = 0.05,
    level: float = 0.95,
    penalty: str = "if-separated",
    interval: str | None = None,
) -> PredictorScreen:
    """Logistic regression of y on each predictor alone, then on all that have p < univariable_alpha.

    data : (n, p) numeric and Categorical columns, nothing missing; y : (n,) in {0, 1}
    penalty : "none", "firth", or "if-separated": Firth's where maximum likelihood has no estimate, stated in the note
    interval : "wald" or "profile"; by default Wald for maximum likelihood and profile for Firth's
    p belongs to the interval: Wald's for one column with a Wald interval by maximum likelihood, else that of the
    (penalised) likelihood ratio test, jointly for the levels of a categorical predictor. A predictor that does not
    vary, or follows exactly from those before it in the multivariable model, is left out with the reason in its note.

    >>> import pandas as pd
    >>> data = pd.DataFrame({"age": [50.0, 61, 47, 70, 66, 58, 73, 49]})
    >>> screen_predictors(data, [0, 0, 1, 0, 1, 0, 1, 1]).selected
    ()
    """
    check_choice(penalty, PENALTIES, "penalty")
    if interval is not None:
        check_choice(interval, ("wald", "profile"), "interval")
    for name, alpha in (("univariable_alpha", univariable_alpha), ("multivariable_alpha", multivariable_alpha)):
        if not 0 < alpha <= 1:
            raise InputError(f"`{name}` must lie in (0, 1]; it is {alpha!r}")
    if isinstance(y, pd.Series) and not y.index.equals(data.index):
        raise InputError(
            "`data` and `y` are indexed by different patients or in another order; align: y.loc[data.index]"
        )
    outcome = check_outcome(y, "y")
    coding = learn_coding(data, kinds=kinds)
    if len(data) != outcome.size:
        raise InputError(f"`data` has {len(data)} rows and `y` has {outcome.size}; they must be the same patients")
    columns = coding.encode(data)
    level = check_level(level)
    alone = [
        _alone(name, coding, columns, outcome, level, penalty, interval, labels or {}, units or {})
        for name in coding.predictors
    ]
    passing = [item for item in alone if item.univariable and item.univariable.test.p_value < univariable_alpha]
    entered, aliased = _independent(passing, columns)
    model: LogisticFit | None = None
    effects: dict[str, Effect] = {}
    inflation: tuple[VarianceInflation, ...] = ()
    if entered:
        table = columns.loc[:, [column for item in entered for column in item.columns]]
        model = logistic_regression(table, outcome, level=level, penalty=penalty, interval=interval)
        inflation = logistic_variance_inflation(model, terms={item.name: item.columns for item in entered})
        effects = {item.name: _effect(model, item.columns, table, outcome, penalty) for item in entered}
    chosen = tuple(name for name, effect in effects.items() if effect.test.p_value < multivariable_alpha)
    predictors = tuple(
        replace(
            item,
            multivariable=effects.get(item.name),
            selected=item.name in chosen,
            note="; ".join(text for text in (item.note, aliased.get(item.name, "")) if text),
            inflation=next((v for v in inflation if v.term == item.name), None),
        )
        for item in alone
    )
    return PredictorScreen(
        predictors,
        chosen,
        model,
        univariable_alpha,
        multivariable_alpha,
        level,
        outcome.size,
        int(outcome.sum()),
        _remarks(predictors, model, chosen, univariable_alpha, multivariable_alpha),
    )


def _alone(
    name: str,
    coding: Coding,
    columns: pd.DataFrame,
    y: np.ndarray[Any, np.dtype[np.int64]],
    level: float,
    penalty: str,
    interval: str | None,
    labels: Mapping[str, str],
    units: Mapping[str, str],
) -> ScreenedPredictor:
    own = coding.columns(name)
    levels = coding.levels.get(name, ())
    notes = [f"no patient with {', '.join(map(repr, coding.unseen[name]))}"] if coding.unseen.get(name) else []
    effect = None
    table = columns.loc[:, list(own)]
    if not own or any(table[column].nunique() < 2 for column in own):
        notes.append("does not vary")
    else:
        fit = logistic_regression(table, y, level=level, penalty=penalty, interval=interval)
        effect = _effect(fit, own, table, y, penalty)
        notes += [fit.note] if fit.note else []
    return ScreenedPredictor(
        name,
        labels.get(name) or name,
        units.get(name, ""),
        coding.kinds[name],
        levels,
        own,
        effect,
        None,
        False,
        "; ".join(notes),
    )


def _effect(
    fit: LogisticFit, own: Sequence[str], table: pd.DataFrame, y: np.ndarray[Any, np.dtype[np.int64]], penalty: str
) -> Effect:
    terms = [fit.term(column) for column in own]
    tests = fit.likelihood_ratio if fit.penalty == "firth" or fit.interval == "profile" else fit.wald
    joint = tests[terms[0]] if len(own) == 1 else likelihood_ratio_test(table, y, own, penalty=penalty)
    return Effect(tuple(fit.odds_ratios[t] for t in terms), tuple(tests[t].p_value for t in terms), joint)


def _independent(
    passing: Sequence[ScreenedPredictor], columns: pd.DataFrame
) -> tuple[list[ScreenedPredictor], dict[str, str]]:
    """The predictors whose columns do not follow from those before them, and why the others are left out."""
    kept: list[ScreenedPredictor] = []
    aliased: dict[str, str] = {}
    for item in passing:
        names = [column for other in (*kept, item) for column in other.columns]
        values = columns.loc[:, names].to_numpy()
        centred = np.hstack([np.ones((len(values), 1)), (values - values.mean(axis=0)) / values.std(axis=0)])
        if dependent_columns(centred):
            aliased[item.name] = "not entered: follows exactly from the predictors before it"
        else:
            kept.append(item)
    return kept, aliased


def _remarks(
    predictors: Sequence[ScreenedPredictor],
    model: LogisticFit | None,
    chosen: Sequence[str],
    univariable_alpha: float,
    multivariable_alpha: float,
) -> str:
    notes = [f"{item.label}: {item.note}." for item in predictors if item.note]
    if model is None:
        notes.append(f"No predictor has p < {univariable_alpha:g} alone; there is no multivariable model.")
    elif model.note:
        notes.append(f"Multivariable model: {model.note}.")
    if model is not None and not chosen:
        notes.append(f"No predictor has p < {multivariable_alpha:g} in the multivariable model.")
    if model is not None and model.defined:
        terms = len(model.names) - 1
        per = min(model.n_events, model.n - model.n_events) / terms
        notes.append(
            f"{per:.1f} patients of the rarer outcome for each of the {terms} terms of the multivariable model."
        )
    return " ".join(notes)


def _rows(item: ScreenedPredictor) -> list[tuple[Any, ...]]:
    if item.univariable is None:
        return [(item.label, item.unit, item.note, None, None, None, None, None, None)]
    vif = inflation_text(item.inflation)
    if item.kind != "categorical":
        return [(item.label, item.unit, *_cells(item.univariable, 0), *_cells(item.multivariable, 0), vif)]
    joint = [p_text(effect.test.p_value) if effect else None for effect in (item.univariable, item.multivariable)]
    rows: list[tuple[Any, ...]] = [(item.label, item.unit, None, None, joint[0], None, None, joint[1], vif)]
    rows.append((f"  {item.levels[0]} (reference)", "", None, None, None, None, None, None, None))
    for i, level in enumerate(item.levels[1:]):
        rows.append((f"  {level}", "", *_cells(item.univariable, i), *_cells(item.multivariable, i), None))
    return rows


def inflation_text(inflation: VarianceInflation | None) -> str | None:
    """A variance inflation factor; for several columns the generalised one, with its degrees of freedom."""
    if inflation is None or np.isnan(inflation.gvif):
        return None
    return f"{inflation.gvif:.2f}" + (f" (GVIF, df {inflation.df})" if inflation.df > 1 else "")


def _intervals(predictors: Sequence[ScreenedPredictor]) -> str:
    """`Intervals: Wald. `; empty where there is none."""
    effects = [e for item in predictors for e in (item.univariable, item.multivariable) if e]
    kinds = sorted({ratio.method for effect in effects for ratio in effect.odds_ratios if ratio.method != "undefined"})
    return f"Intervals: {', '.join(kinds)}. " if kinds else ""


def _cells(effect: Effect | None, i: int) -> tuple[str | None, str | None, str | None]:
    if effect is None:
        return None, None, None
    ratio = effect.odds_ratios[i]
    return ratio_text(ratio.value) or "undefined", interval_text(ratio), p_text(effect.p_values[i])
