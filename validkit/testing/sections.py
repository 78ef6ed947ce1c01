"""The sections of a protocol as TOML would hold them, each sound by itself; the simplest leaves every default out.

Strategies are built once, when the module is imported: building them while drawing is what makes drawing slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from validkit.sections import BACKBONES, CLASSIFIERS
from validkit.testing.tables import VARIABLES

__all__ = [
    "DESIGNS",
    "EVALUATIONS",
    "HEADERS",
    "IMPUTATIONS",
    "OTHERS",
    "PREDICTIONS",
    "Document",
    "cohort_section",
    "estimators",
    "plnm",
]

Document = dict[str, Any]
Drawn = st.SearchStrategy[Document]
YES = st.booleans()
SEEDS = st.integers(0, 2**32 - 1)
ROLES = ("site", "group", "date", "device")


def choices(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values, the first simplest."""
    return st.sampled_from(values)


def subsets(values: Sequence[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    """Some of the values, each once, in any order."""
    return st.lists(st.sampled_from(values), min_size=least, max_size=len(values), unique_by=repr)


@st.composite
def some(draw: st.DrawFn, needed: Mapping[str, st.SearchStrategy[Any]], /, **settings: st.SearchStrategy[Any]) -> Any:
    """A section with what is needed and any of the settings; the simplest has none of these."""
    section = {name: draw(value) for name, value in needed.items()}
    return section | {name: draw(value) for name, value in settings.items() if draw(YES)}


def chosen(draw: st.DrawFn, names: Sequence[str], least: int = 0) -> list[str]:
    """Some of the names in their order; where too few are drawn, the first ones too."""
    drawn = [name for name in names if draw(YES)]
    return drawn if len(drawn) >= least else list(names[:least])


# --- what does not depend on the rest of the protocol ----------------------------------------------

HEADERS: Drawn = some(
    {"name": choices("study", "plnm-2", "A.b_c"), "question": choices("Does it hold?", "Où est l'évènement ?")},
    schema=st.just(1),
    note=choices("", "n = 12"),
    seed=some({}, split=SEEDS, torch=SEEDS),
)
"""[protocol]"""

_SHARE = {"test": choices(0.3, 0.2, 0.5)}
_FOLDS = {"folds": st.integers(2, 20), "stratify": choices("outcome", "none"), "final": YES}
_REPEATS = {**_FOLDS, "repeats": st.integers(1, 50)}


def _of_kind(kind: str, **settings: st.SearchStrategy[Any]) -> Drawn:
    return some({"kind": st.just(kind)}, **settings)


_BY_DATE = {"kind": st.just("holdout"), "by": st.just("date")}
_BY_DEVICE: Mapping[str, st.SearchStrategy[Any]] = {**_BY_DATE, "by": st.just("device"), "held_out": st.just(["B"])}


DESIGNS: Drawn = st.one_of(
    _of_kind("holdout", stratify=choices("outcome", "none"), **_SHARE),
    _of_kind("kfold", **_FOLDS),
    _of_kind("repeated-kfold", **_REPEATS),
    _of_kind("nested", **_REPEATS),
    _of_kind("bootstrap", resamples=st.integers(2, 500)),
    _of_kind("internal-external", smallest=st.integers(1, 30), final=YES),
    some(_BY_DATE, since=choices("2024-01-31"), **_SHARE),
    some(_BY_DEVICE),
)
"""[design] of a model that is fitted"""

_FIXED = some({"choose": st.just("fixed"), "value": choices(0.5, 0.2, 0.35)}, also=subsets((0.1, 0.3)))
_SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "level": choices(0.95, 0.9, 0.99),
    "combine": choices("average", "per-repeat", "pool"),
    "auc": choices("delong", "logit-delong"),
    "bootstrap": some({}, replicates=st.integers(0, 5000), interval=choices("bca"), stratified=YES),
    "hosmer_lemeshow": some({}, groups=st.integers(3, 20)),
    "decision_curve": some({}, step=choices(0.01, 0.05), to=choices(1.0, 0.6), focus=st.just([0.1, 0.4])),
    "precision": some({}, oe=choices(0.2, 0.4), auc=choices(0.1, 0.05)),
}
_COMPARE = some({}, adjust=choices("holm", "bh", "none"))
EVALUATIONS: Mapping[bool, Drawn] = {
    True: some({"compare": _COMPARE, "thresholds": _FIXED}, **_SETTINGS),
    False: some({"compare": _COMPARE}, thresholds=some({}, also=subsets((0.1, 0.3))) | _FIXED, **_SETTINGS),
}
"""[evaluation] without the reference, by whether the threshold must be declared"""

_SEVERAL = {"indicator": YES, "iterations": st.integers(1, 20), "combine": choices("rubin", "average")}
_ITERATIVE = {"method": st.just("iterative")}
IMPUTATIONS: Mapping[bool, Drawn] = {
    True: some({}, indicator=YES) | some(_ITERATIVE, **_SEVERAL),
    False: some({}, indicator=YES) | some(_ITERATIVE, copies=st.integers(1, 20), **_SEVERAL),
}
"""[imputation] by whether one copy alone is allowed, as in a bootstrap design"""

OTHERS: Drawn = some(
    {},
    acceptance=some({}, auc=st.just({"low": 0.65}), brier=st.just({"high": 0.25}), undecided=choices("pass")),
    sentinels=some({}, run=subsets(("duplicates", "proxies", "permuted-outcome")), permutations=st.integers(1, 20)),
)
"""[acceptance] and [sentinels]"""


# --- cohort and model ------------------------------------------------------------------------------

_OUTCOMES = some(
    {"column": st.just("outcome")}, event=choices(1, 0), positive=choices("LNM"), codes=choices({"yes": 1, "no": 0})
)
_PREDICTORS = st.lists(st.sampled_from(VARIABLES), min_size=1, max_size=4, unique=True)
_PICTURES = some({}, border=choices("allow"), pieces=choices("largest"), outline_label=st.integers(1, 255))
_READERS = st.integers(1, 3)
_POLICIES = {True: choices("refuse", "exclude", "impute"), False: choices("refuse", "exclude")}


def cohort_section(draw: st.DrawFn, *, images: bool, role: str, impute: bool) -> Document:
    """[cohort] with the role, one of `ROLES` or "", and any other."""
    section: Document = {"kind": "images" if images else "table", "outcome": draw(_OUTCOMES)}
    section |= {name: name for name in ROLES if name == role or draw(YES)}
    if images:
        section["outlines"] = {f"reader_{letter}": f"mask_{letter}" for letter in "abc"[: draw(_READERS)]}
        section |= draw(_PICTURES)
    if draw(YES):
        section["missing"] = draw(_POLICIES[impute])
    section["predictors"] = {variable.name: variable.role() for variable in draw(_PREDICTORS)}
    return section


_STEPS = (
    {"method": "mann-whitney", "alpha": 0.05},
    {"method": "spearman", "above": 0.9},
    {"method": "lasso", "folds": 5, "rule": "1se"},
)
_AGREEMENT = some({}, minimum=choices(0.75, 0.9), keep=choices("both", "either"))
_PERTURB = some({}, copies=st.integers(1, 5), patients=st.integers(10, 50))
_BRANCHES: Drawn = some(
    {},
    radiomics=some({}, preset=choices("sound2d", "paper1561"), bin_width=choices(25.0), select=subsets(_STEPS)),
    deep=some({}, backbones=subsets(BACKBONES, 1), epochs=st.integers(1, 9), components=st.integers(1, 64)),
    classifiers=some({}, use=subsets(CLASSIFIERS, 1), search=some({}, folds=st.integers(2, 10))),
    nomogram=some({}, score_scale=choices("probability", "logit"), recalibrate=choices("platt", "none")),
)


def plnm(draw: st.DrawFn, *, cohort: Document, nested: bool) -> Document:
    """[model] of kind "plnm" on a cohort; in a nested design everything is chosen inside."""
    model: Document = {"kind": "plnm", "reproducibility": draw(_AGREEMENT), **draw(_BRANCHES)}
    readers = list(cohort["outlines"])
    if len(readers) > 1 and draw(YES):
        model["reproducibility"]["inter"] = readers[:2]
    else:
        model["reproducibility"]["perturb"] = draw(_PERTURB)
    if nested:
        model.setdefault("deep", {})["choose"] = "cross-validation"
    if draw(YES):
        model.setdefault("nomogram", {})["predictors"] = chosen(draw, list(cohort["predictors"]))
    return model


_CLASSES: Drawn = choices(
    {"estimator": "sklearn.linear_model.LogisticRegression", "parameters": {"C": 1.0}},
    {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 10}},
    {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "missing": "native"},
)
_BESIDE = some(
    {}, scale=YES, select=choices({"alpha": 0.1}, {"keep": 1}), recalibrate=choices("none", "platt", "isotonic")
)
_MODELS = st.lists(st.tuples(_CLASSES, _BESIDE, YES), min_size=1, max_size=3)
_FITTED = some({"kind": st.just("estimators")}, cross_fitting=some({}, folds=st.integers(2, 9)))


def estimators(draw: st.DrawFn, *, cohort: Document) -> Document:
    """[model] of kind "estimators": the models "m1", "m2", ..."""
    model = {**draw(_FITTED), "estimators": []}
    for number, (one, settings, narrow) in enumerate(draw(_MODELS), start=1):
        model["estimators"].append({"name": f"m{number}", **one, **settings})
        if narrow:
            model["estimators"][-1]["predictors"] = chosen(draw, list(cohort["predictors"]), 1)
    return model


PREDICTIONS: Drawn = st.integers(1, 3).map(
    lambda count: {
        "kind": "predictions",
        "columns": [{"name": f"m{number}", "column": f"risk_{number}"} for number in range(1, count + 1)],
    }
)
"""[model] of kind "predictions": the models "m1", "m2", ..."""
