"""Table 1: patients of two groups side by side, each characteristic with the test that its distribution calls for.

Numbers that Shapiro and Wilk's test finds normal in both groups are shown as mean (SD) and compared by a t test;
others as median [quartiles], by Mann and Whitney's test. Categories are counted and compared by Pearson's chi-square
test, or by Fisher's exact test where an expected count is below 5. Table 2 is in `screening`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, check_choice
from validkit.stats.coding import as_levels, check_predictors, declared_levels, kind_of, numbers
from validkit.stats.contingency import independence
from validkit.stats.results import NAN, Estimate, Record, Table, TestResult
from validkit.stats.screening import PredictorScreen, screen_predictors, table_two
from validkit.stats.text import named, p_text, spread_digits

__all__ = ["Characteristic", "PredictorScreen", "describe", "screen_predictors", "table_one", "table_two"]

Groups = tuple[NDArray[np.bool_], NDArray[np.bool_]]
SHAPIRO_LARGEST = 5000
_MOST_PAIRS = 20_000_000


@dataclass(frozen=True)
class Characteristic(Record):
    """One characteristic in two groups.

    summary : "mean (SD)", "median [IQR]" or "n (%)"; levels : the shown levels, one empty name for a number;
    cells : for each level, the text of all patients and of each group; missing : patients without a value, by group;
    normality : the test of each group, none for categories; smd : standardised mean difference, second group minus
    first (of several levels its size only); effect : effect size that belongs to the test
    """

    name: str
    label: str
    unit: str
    kind: str
    summary: str
    levels: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    missing: tuple[int, int]
    normality: tuple[TestResult, ...]
    test: TestResult
    smd: float
    effect: Estimate


def table_one(
    data: pd.DataFrame,
    groups: ArrayLike,
    *,
    kinds: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    levels: Mapping[str, Sequence[str]] | None = None,
    title: str = "Characteristics of patients",
    alpha: float = 0.05,
    t_test: str = "welch",
) -> Table:
    """The characteristics of patients in two groups as a table of finished cells; arguments as in `describe`.

    >>> import pandas as pd
    >>> data = pd.DataFrame({"age": [50.0, 61, 47, 70, 66, 58, 73, 49]})
    >>> table_one(data, ["a", "b"] * 4).rows[0][:5]
    ('age', 'mean (SD)', '59.25 (9.97)', '59.0 (12.5)', '59.50 (8.66)')
    """
    order, member = _groups(data, groups)
    described = describe(
        data, groups, kinds=kinds, labels=labels, units=units, levels=levels, alpha=alpha, t_test=t_test
    )
    heads = [f"{name} (n = {int(mask.sum())})" for name, mask in zip(order, member, strict=True)]
    rows: list[tuple[Any, ...]] = []
    for item in described:
        head = named(item.label, item.unit)
        missing = str(sum(item.missing)) + (f" ({item.missing[0]} + {item.missing[1]})" if sum(item.missing) else "")
        smd = "" if math.isnan(item.smd) else f"{item.smd:.3f}"
        p = p_text(item.test.p_value) or item.test.note
        tail = (missing, smd, p, item.test.method)
        if item.levels == ("",):
            rows.append((head, item.summary, *item.cells[0], *tail))
            continue
        rows.append((head, item.summary, "", "", "", *tail))
        rows += [
            (f"  {level}", "", *texts, "", "", "", "") for level, texts in zip(item.levels, item.cells, strict=True)
        ]
    note = (
        f"Normality by Shapiro and Wilk's test at {alpha:g} in both groups; SMD: standardised mean difference, "
        f"{order[1]} minus {order[0]}; patients without a value are left out of that row only; p values are not "
        "adjusted for multiplicity."
    )
    columns = ("characteristic", "summary", f"all (n = {len(data)})", *heads, "missing", "SMD", "p", "test")
    return Table(title, columns, tuple(rows), note)


def describe(
    data: pd.DataFrame,
    groups: ArrayLike,
    *,
    kinds: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    levels: Mapping[str, Sequence[str]] | None = None,
    alpha: float = 0.05,
    t_test: str = "welch",
) -> tuple[Characteristic, ...]:
    """Every column of `data` described in two groups and compared.

    data : (n, p) numeric and Categorical columns; missing values are counted and left out of their row
    groups : (n,) the group of each patient, exactly two; their order is a Categorical's, else the sorted one
    kinds : "continuous", "ordinal", "categorical" or "binary" by column; levels : names of the levels of an ordinal
    column that holds their places, from 0; alpha : level of the Shapiro-Wilk test
    t_test : "welch" or "student" (equal variances)

    >>> import pandas as pd
    >>> data = pd.DataFrame({"age": [50.0, 61, 47, 70, 66, 58, 73, 49]})
    >>> describe(data, ["a", "b"] * 4)[0].cells
    (('59.25 (9.97)', '59.0 (12.5)', '59.50 (8.66)'),)
    """
    check_choice(t_test, ("welch", "student"), "t_test")
    check_predictors(data, [str(c) for c in data.columns], missing=True)
    _, member = _groups(data, groups)
    found = []
    for name in map(str, data.columns):
        kind = kind_of(data[name], (kinds or {}).get(name))
        if kind == "continuous":
            facts = _number_row(data[name], member, alpha, t_test)
        else:
            facts = _level_row(data[name], kind, member, t_test, tuple((levels or {}).get(name, ())))
        found.append(Characteristic(name, (labels or {}).get(name) or name, (units or {}).get(name, ""), kind, *facts))
    return tuple(found)


def _groups(data: pd.DataFrame, groups: Any) -> tuple[tuple[str, str], Groups]:
    if isinstance(groups, pd.Series) and not groups.index.equals(data.index):
        raise InputError("`data` and `groups` are indexed by different patients or in another order; align them first")
    column = groups if isinstance(groups, pd.Series) else pd.Series(groups, index=data.index)
    if column.isna().any():
        raise InputError(f"`groups` is missing for {int(column.isna().sum())} patients; leave them out and report it")
    present = as_levels(column)
    order = [level for level in declared_levels(column) if level in set(present)]
    if len(order) != 2:
        raise InputError(f"`groups` must hold exactly two groups; it has {len(order)}: {', '.join(order[:6])}")
    return (order[0], order[1]), (present == order[0], present == order[1])


# --- numbers ---------------------------------------------------------------------------------


def _number_row(column: pd.Series[Any], member: Groups, alpha: float, t_test: str) -> tuple[Any, ...]:
    values = numbers(column, "continuous")
    split = [values[mask][np.isfinite(values[mask])] for mask in member]
    missing = tuple(int(mask.sum()) - part.size for mask, part in zip(member, split, strict=True))
    normality = tuple(_normality(part) for part in split)
    normal = all(test.p_value >= alpha for test in normality)
    test, effect = _compare(split[1], split[0], normal, t_test)
    every = np.concatenate(split)
    cells = (tuple(_summary(part, normal) for part in (every, *split)),)
    smd = _mean_difference(split[1], split[0])
    return ("mean (SD)" if normal else "median [IQR]", ("",), cells, missing, normality, test, smd, effect)


def _normality(values: FloatArray) -> TestResult:
    """Shapiro-Wilk; above 5,000 values, for which its p value was not made, D'Agostino and Pearson's test."""
    import pingouin
    from scipy.stats import shapiro

    n = values.size
    if n < 3 or np.ptp(values) == 0:
        return TestResult(NAN, NAN, None, "Shapiro-Wilk", n, None, "fewer than three values" if n < 3 else "constant")
    large = n > SHAPIRO_LARGEST
    if n == 3:  # pingouin asks for four; the test itself for three
        found = shapiro(values)
        return TestResult(float(found.statistic), float(found.pvalue), None, "Shapiro-Wilk", n)
    frame = pingouin.normality(values, method="normaltest" if large else "shapiro")
    method = "D'Agostino-Pearson" if large else "Shapiro-Wilk"
    return TestResult(float(frame["W"].iloc[0]), _cell(frame, "pval"), None, method, n)


def _compare(a: FloatArray, b: FloatArray, normal: bool, t_test: str) -> tuple[TestResult, Estimate]:
    """Test of a against b and its effect size, by pingouin."""
    import pingouin

    n = a.size + b.size
    method = ("Welch t" if t_test == "welch" else "Student t") if normal else "Mann-Whitney U"
    if min(a.size, b.size) < 1 or np.ptp(np.concatenate([a, b])) == 0:
        why = "a group without values" if min(a.size, b.size) < 1 else "all values are equal"
        return TestResult(NAN, NAN, None, method, n, None, why), Estimate(NAN, method="none", note=why)
    if normal:
        frame = pingouin.ttest(a, b, correction=t_test == "welch")
        test = TestResult(_cell(frame, "t"), _cell(frame, "pval"), _cell(frame, "dof"), method, n)
        d = _cell(frame, "cohend")
        return test, Estimate(math.copysign(d, float(a.mean() - b.mean())), method="Cohen's d", n=n)
    if a.size * b.size > _MOST_PAIRS:  # pingouin makes a table of all pairs
        from scipy import stats

        u, p = stats.mannwhitneyu(a, b)
        share = float(u) / (a.size * b.size)
    else:
        frame = pingouin.mwu(a, b)
        u, p, share = _cell(frame, "uval"), _cell(frame, "pval"), _cell(frame, "cles")
    return TestResult(float(u), float(p), None, method, n), Estimate(share, method="common language effect size", n=n)


def _cell(frame: pd.DataFrame, key: str) -> float:
    """A cell of pingouin's one-row answer; its column names have changed between versions (p-val, p_val)."""
    for column in frame.columns:
        if "".join(c for c in str(column).lower() if c.isalnum()) == key:
            return float(frame[column].iloc[0])
    raise KeyError(f"pingouin's answer has no column {key!r}: {', '.join(map(str, frame.columns))}")


def _mean_difference(a: FloatArray, b: FloatArray) -> float:
    """(mean a - mean b) over the root of the mean of the two variances; NaN without spread."""
    if min(a.size, b.size) < 2:
        return NAN
    spread = math.sqrt((float(a.var(ddof=1)) + float(b.var(ddof=1))) / 2)
    return float(a.mean() - b.mean()) / spread if spread > 0 else NAN


def _summary(values: FloatArray, normal: bool) -> str:
    if values.size == 0:
        return "no value"
    digits = spread_digits(values)
    if normal:
        sd = float(values.std(ddof=1)) if values.size > 1 else NAN
        return f"{values.mean():.{digits}f} ({sd:.{digits}f})"
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


# --- levels ----------------------------------------------------------------------------------


def _level_row(
    column: pd.Series[Any], kind: str, member: Groups, t_test: str, names: tuple[str, ...]
) -> tuple[Any, ...]:
    """Counts by level; ordered levels are compared by Mann and Whitney's test on their order."""
    present = as_levels(column)
    levels = declared_levels(column)
    if names and not isinstance(column.dtype, pd.CategoricalDtype):
        places = {str(place): name for place, name in enumerate(names)}
        odd = [level for level in levels if level not in places]
        if odd:
            raise InputError(f"column {column.name!r} holds {odd[0]}, which is not the place of one of {list(names)}")
        present = np.array([value if value is None else places[value] for value in present], dtype=object)
        levels = names
    counts = np.array([[int((present[mask] == level).sum()) for mask in member] for level in levels]).reshape(-1, 2)
    missing = tuple(int(sum(value is None for value in present[mask])) for mask in member)
    if kind == "ordinal":
        values = numbers(column, kind)
        split = [values[mask][np.isfinite(values[mask])] for mask in member]
        test, effect = _compare(split[1], split[0], False, t_test)
    else:
        test, effect = independence(counts), Estimate(_cramer(counts), method="Cramer's V", n=int(counts.sum()))
    cells = tuple(_counted(row, counts.sum(axis=0)) for row in counts)
    shown = (levels, cells)
    if kind == "binary" and set(levels) <= {"0", "1"}:
        ones = counts[levels.index("1")] if "1" in levels else np.zeros(2, np.int64)
        shown = (("",), (_counted(ones, counts.sum(axis=0)),))
    return ("n (%)", *shown, missing, (), test, _share_difference(counts, kind), effect)


def _counted(counts: NDArray[np.int64], totals: NDArray[np.int64]) -> tuple[str, ...]:
    pairs = [(int(counts.sum()), int(totals.sum())), *zip(counts.tolist(), totals.tolist(), strict=True)]
    return tuple(f"{count} ({100 * count / total:.1f})" if total else "no value" for count, total in pairs)


def _cramer(counts: NDArray[np.int64]) -> float:
    table = counts[counts.sum(axis=1) > 0]
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        return NAN
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return math.sqrt(float(((table - expected) ** 2 / expected).sum()) / float(table.sum()))


def _share_difference(counts: NDArray[np.int64], kind: str) -> float:
    """Standardised difference of shares: Yang and Dalton's for several levels (SAS Global Forum 2012, paper 335).

    Of two levels it is signed, by the share of the second level. NaN without spread or with an empty group.
    """
    if (counts.sum(axis=0) == 0).any() or len(counts) < 2:
        return NAN
    shares = counts / counts.sum(axis=0)
    shares = shares[(shares.sum(axis=1)) > 0]
    if len(shares) < 2:
        return NAN
    first, second = shares[1:, 0], shares[1:, 1]
    spread = sum(np.diag(p) - np.outer(p, p) for p in (first, second)) / 2
    difference = second - first
    if np.linalg.matrix_rank(spread) < len(first):
        return NAN
    size = math.sqrt(float(difference @ np.linalg.solve(spread, difference)))
    return math.copysign(size, float(difference[0])) if len(first) == 1 else size
