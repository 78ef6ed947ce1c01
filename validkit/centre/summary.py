"""site-summary.json: the one file that leaves a centre. Estimates and rounded counts; no row, date, identifier or text.

Counts are at least BASE or not told, all numbers are rounded at random (see `rounding`), and LEFT_OUT patients drawn at
random are in none of the estimates.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from validkit import stats
from validkit.bundle.describing import linear_predictor
from validkit.bundle.manifest import unreadable
from validkit.centre.measures import MEASURES
from validkit.centre.rounding import BASE, SHARE, Rounding
from validkit.errors import InputError
from validkit.sections import Section
from validkit.sections.base import Sha256
from validkit.stats.membership import sd_error
from validkit.stats.results import Estimate
from validkit.stats.scales import on_scale, scale_of
from validkit.store import to_json

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = ["NAME", "SiteSummary", "disclosed", "labels_of", "read_summary", "site_label", "site_summary", "to_text"]

NAME = "site-summary.json"
SCHEMA: Literal["urn:validkit:schema:site-summary:1"] = "urn:validkit:schema:site-summary:1"
"""what the file bears under "schema"; see `validkit.schemas`"""
FOREIGN = re.compile(r"[^A-Za-z0-9 _./-]+")
"""what no name of a model has in a summary: it would be free text"""
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}")
MOST = 10_000_000
"""bytes above which a file is no summary"""
REGISTERED = {"oe": "observed_expected", "slope": "calibration_slope"}
"""names of measures in the registry, where they are others"""
LEFT_OUT = 10
"""patients, drawn at random and others for every cohort, who count in no number but the two totals: so that what two
nested cohorts differ in is never one patient"""
BINS = 10
RESAMPLES = 300
"""bootstrap samples behind the correlations"""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, multiple_of=BASE)]


class Measure(Section):
    """An estimate and its standard error, both on the scale on which centres are pooled."""

    value: Finite
    se: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    scale: Literal["identity", "logit", "log"]


class Bin(Section):
    """Patients of like risk: how many, how many with the event, and their mean risk."""

    n: Count
    events: Count
    risk: Annotated[float, Field(ge=0, le=1)]


class Benefit(Section):
    """Net benefit at a threshold, of the model and of treating everybody; true and false positives, null if few."""

    threshold: Annotated[float, Field(ge=0, le=1)]
    model: Measure | None
    treat_all: Finite
    true_positives: Count | None
    false_positives: Count | None


class LogOdds(Section):
    """How the predicted log odds are spread: what centres differ in when their patients do."""

    mean: Measure
    sd: Measure


class ModelSummary(Section):
    """One model. correlations : of the estimates, in the order of `correlated`; log_odds : null where undefined."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _./-]{0,99}$")]
    measures: dict[str, Measure]
    correlated: tuple[str, ...]
    correlations: tuple[tuple[Finite, ...], ...]
    bins: tuple[Bin, ...]
    benefits: tuple[Benefit, ...]
    log_odds: LogOdds | None = None

    @model_validator(mode="after")
    def _square(self) -> ModelSummary:
        k = len(self.correlated)
        if len(self.correlations) != k or any(len(row) != k for row in self.correlations):
            raise ValueError("`correlated` and `correlations` must belong together")
        return self


class Judged(Section):
    """What was judged: a locked model by its bundle's digest, or a procedure by its protocol's.

    harmonised : whether the centre's measurements were brought to those of development
    """

    kind: Literal["bundle", "procedure"]
    digest: Sha256
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    harmonised: bool = False


def _named(schema: object) -> object:
    """The first summaries bore the number of their version alone."""
    return SCHEMA if schema == 1 and schema is not True else schema


class SiteSummary(Section):
    """One centre. fingerprint : the same for the same cohort and model, and not to be turned back into either."""

    schema_: Annotated[Literal["urn:validkit:schema:site-summary:1"], BeforeValidator(_named)] = Field(alias="schema")
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}$")]
    judged: Judged
    fingerprint: Sha256
    synthetic: bool
    n: Count
    events: Count
    counts_rounded_to: Literal[5] = 5
    left_out: Literal[10] = 10
    estimates_rounded_to: Annotated[float, Field(gt=0)] = SHARE
    models: tuple[ModelSummary, ...]
    withheld: tuple[Literal["too few events", "too few patients without the event"], ...] = ()


def labels_of(names: Sequence[str]) -> dict[str, str]:
    """A label for each site's name that may be sent and be a file's name, no two alike."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9 _.-]+", "-", name).strip("- ._")[:36] or "site"
        label, number = plain, 2
        while label.casefold() in {other.casefold() for other in found.values()}:
            label, number = f"{plain}-{number}", number + 1
        found[name] = label
    return found


def site_label(name: str | None, fingerprint: str) -> str:
    """The centre's name as it may be sent; without one, `site-` and eight digits that only the centre can trace."""
    if name is None:
        return f"site-{fingerprint[:8]}"
    if not LABEL.fullmatch(name):
        raise InputError(f"--site is a name of up to 40 letters, digits, spaces, dots, hyphens; got {name!r}")
    return name


def site_summary(
    judged: Judged,
    data: Cohort,
    predictions: pd.DataFrame,
    *,
    site: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    also: tuple[float, ...] = (),
) -> SiteSummary:
    """What a centre may send of its patients.

    predictions : with the columns of `validkit.unit.COLUMNS`, of these patients; thresholds : of decisions, by model
    """
    fingerprint = hashlib.sha256(f"validkit site/{judged.digest}/{data.digest}".encode()).hexdigest()
    means = predictions.groupby(["model", "patient"], sort=True)["probability"].mean()
    models, withheld = [], set()
    patients = means.index.unique("patient")
    y = data.outcome.loc[patients].to_numpy(np.int64)
    rounding = Rounding(_secret(means, y))
    kept = np.sort(rounding.rng("left out").permutation(len(y))[min(LEFT_OUT, len(y)) :])
    events, others = int(y[kept].sum()), int(len(kept) - y[kept].sum())
    few = [why for count, why in ((events, FEW[0]), (others, FEW[1])) if count < 2 * BASE]
    withheld |= set(few)
    for name in () if few else means.index.unique("model"):
        risk = means.loc[name].dropna()
        if len(risk) == len(patients):
            cut = dict.fromkeys((*([thresholds[name]] if thresholds and name in thresholds else []), *also))
            p = risk.loc[patients].to_numpy(np.float64)[kept]
            models.append(_model(str(name), y[kept], p, tuple(cut), rounding))
    return SiteSummary(
        schema=SCHEMA,
        site=site_label(site, fingerprint),
        judged=judged,
        fingerprint=fingerprint,
        synthetic=data.synthetic,
        n=rounding.count(len(y), "n"),
        events=rounding.count(int(y.sum()), "events"),
        models=tuple(models),
        withheld=tuple(sorted(withheld)),  # type: ignore[arg-type]
    )


def _secret(means: pd.Series, y: NDArray[np.int64]) -> str:
    """What the chance of the rounding follows from: risks and outcomes, which never leave the centre."""
    rows = [f"{key!r}/{risk!r}" for key, risk in means.items()]
    return hashlib.sha256("\n".join([*rows, y.tobytes().hex()]).encode()).hexdigest()


FEW = ("too few events", "too few patients without the event")


def to_text(summary: SiteSummary) -> str:
    """As it is written."""
    return to_json(summary.model_dump(mode="json", by_alias=True))


def read_summary(path: Path) -> SiteSummary:
    """A summary from its file; what `site_summary` does not write is an InputError."""
    try:
        if path.stat().st_size > MOST:
            raise InputError(f"{path} has {path.stat().st_size} bytes; it is no site summary")
        return SiteSummary.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"the summary {path} cannot be read: {error.strerror or error}") from error
    except (ValidationError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        why = unreadable(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{path} is no site summary: {why}") from error


def disclosed(summary: SiteSummary) -> list[str]:
    """In plain words, everything that the file tells whoever reads it."""
    told = summary.judged
    lines = [
        f"The centre is called {summary.site!r}; nothing else names it, its staff, its files or its patients.",
        f"It judged the {'locked model' if told.kind == 'bundle' else 'procedure'} {told.name!r} ({told.digest[:12]})"
        f"{', after its measurements were harmonised with those of development' if told.harmonised else ''}.",
        f"About {summary.n} patients, about {summary.events} with the event: counts are rounded at random to "
        f"multiples of {BASE}, up or down, so that no single patient can be subtracted out.",
    ]
    lines.append(
        f"All other numbers leave {LEFT_OUT} patients out who were drawn at random: two summaries never differ by one."
    )
    lines += [f"Nothing more is told of this centre: {', '.join(summary.withheld)}."] if summary.withheld else []
    if summary.models:
        measures = sorted({key for model in summary.models for key in model.measures})
        bins, cuts = (max(len(getattr(one, what)) for one in summary.models) for what in ("bins", "benefits"))
        lines += [
            f"Of {len(summary.models)} models ({', '.join(one.name for one in summary.models)}):",
            f"  {', '.join(measures)}, each with its standard error, rounded at random to {SHARE:g} of it; how these "
            "estimates go together (correlations);",
            f"  at most {bins} groups of like risk: how many patients, how many with the event (at least {BASE} of "
            "either outcome in each), and their mean risk;",
            f"  net benefit at {cuts} thresholds, and the true and false positives there unless they are few;",
            "  mean and standard deviation of the predicted log odds, rounded at random in the same way.",
        ]
    lines.append("No row, date, age, image, predictor value, file name or column name of yours is in it.")
    return lines


# --- one model -------------------------------------------------------------------------------------


def _model(
    name: str, y: NDArray[np.int64], p: NDArray[np.float64], thresholds: tuple[float, ...], rounding: Rounding
) -> ModelSummary:
    found = {key: _measure(measure(y, p), key, rounding, f"{name}/{key}") for key, measure in MEASURES.items()}
    plain = FOREIGN.sub("-", name).lstrip(" _./-")[:100] or "model"
    measures = {key: one for key, one in found.items() if one is not None}
    names, matrix = _correlations(y, p, tuple(measures), rounding, name)
    return ModelSummary(
        name=plain,
        measures=measures,
        correlated=names,
        correlations=matrix,
        bins=tuple(_bins(y, p, rounding, name)),
        benefits=tuple(_benefit(y, p, threshold, rounding, name) for threshold in thresholds),
        log_odds=_log_odds(p, rounding, name),
    )


def _log_odds(p: NDArray[np.float64], rounding: Rounding, name: str) -> LogOdds | None:
    lp = linear_predictor(p)
    error, sd = sd_error(lp), float(lp.std(ddof=1))
    if error is None or not (error > 0 and sd > 0):
        return None
    found = {"mean": (float(lp.mean()), sd / math.sqrt(len(lp))), "sd": (sd, error)}
    return LogOdds(
        **{
            key: Measure(
                value=rounding.estimate(value, se, f"{name}/log odds/{key}"), se=rounding.error(se), scale="identity"
            )
            for key, (value, se) in found.items()
        }
    )


def _measure(estimate: Estimate, key: str, rounding: Rounding, name: str) -> Measure | None:
    scale = scale_of(REGISTERED.get(key, key))
    value, se, _, why = on_scale(estimate, scale)
    if why or not (np.isfinite([value, se]).all() and se > 0) or scale == "fisher-z":
        return None
    return Measure(value=rounding.estimate(value, se, name), se=rounding.error(se), scale=scale)  # type: ignore[arg-type]


def _correlations(
    y: NDArray[np.int64], p: NDArray[np.float64], keys: tuple[str, ...], rounding: Rounding, name: str
) -> tuple[tuple[str, ...], tuple[tuple[float, ...], ...]]:
    """Of the estimates on their pooling scales, over bootstrap samples, to the nearest twentieth."""
    rng = rounding.rng(f"{name}/correlations")
    events, others = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    rows = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(events, events.size), rng.choice(others, others.size)])
        rows.append(
            [on_scale(MEASURES[key](y[drawn], p[drawn]), scale_of(REGISTERED.get(key, key)))[0] for key in keys]
        )
    table = np.array(rows, dtype=np.float64).reshape(RESAMPLES, len(keys))
    table = table[np.isfinite(table).all(axis=1)]
    if len(keys) < 2 or not RESAMPLES or len(table) < RESAMPLES // 2 or not (table.std(axis=0) > 0).all():
        return (), ()
    matrix = np.round(np.corrcoef(table, rowvar=False) * 20) / 20
    return keys, tuple(tuple(float(x) for x in row) for row in matrix)


def _bins(y: NDArray[np.int64], p: NDArray[np.float64], rounding: Rounding, name: str) -> list[Bin]:
    """Groups of rising risk, joined until each has BASE patients of either outcome."""
    order = np.argsort(p, kind="stable")
    parts: list[NDArray[np.intp]] = []
    waiting: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    for part in np.array_split(order, BINS):
        waiting = np.concatenate([waiting, part])
        events = int(y[waiting].sum())
        if min(events, len(waiting) - events) >= BASE:
            parts.append(waiting)
            waiting = np.empty(0, dtype=np.intp)
    if len(waiting) and parts:
        parts[-1] = np.concatenate([parts[-1], waiting])
    found = []
    for k, rows in enumerate(parts):
        spread = float(p[rows].std()) / np.sqrt(len(rows))
        risk = rounding.estimate(float(p[rows].mean()), max(spread, 0.01), f"{name}/bin {k}/risk")
        counts = (
            rounding.count(value, f"{name}/bin {k}/{what}")
            for what, value in (("n", len(rows)), ("events", int(y[rows].sum())))
        )
        n, events = counts
        found.append(Bin(n=n, events=min(events, n), risk=min(max(risk, 0.0), 1.0)))
    return found


def _benefit(y: NDArray[np.int64], p: NDArray[np.float64], threshold: float, rounding: Rounding, name: str) -> Benefit:
    place, cut = f"{name}/{threshold!r}", threshold
    estimate = stats.net_benefit(y, p, threshold=cut)
    treated = p >= cut
    true, false = int(y[treated].sum()), int(treated.sum() - y[treated].sum())
    prevalence = float(y.mean())
    everybody = prevalence - (1 - prevalence) * cut / (1 - cut) if cut < 1 else 0.0
    error = float(np.sqrt(prevalence * (1 - prevalence) / len(y))) / (1 - cut) if cut < 1 else 1.0
    told = min(true, false, int(y.sum()) - true, int((1 - y).sum()) - false) >= BASE
    return Benefit(
        threshold=cut,
        model=_measure(estimate, "net_benefit", rounding, f"{place}/net benefit"),
        treat_all=rounding.estimate(everybody, error, f"{place}/all"),
        true_positives=rounding.count(true, f"{place}/true") if told else None,
        false_positives=rounding.count(false, f"{place}/false") if told else None,
    )
