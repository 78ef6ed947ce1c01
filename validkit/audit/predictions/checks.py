"""What a sceptical reader asks of predictions made elsewhere: each question with answer, evidence and advice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from validkit.audit.findings import plain
from validkit.audit.predictions.judging import LEAST, TRAINED, Judged, Judging
from validkit.audit.predictions.reading import Audited
from validkit.stats.intervals import clopper_pearson, z_of

__all__ = ["QUESTIONS", "AuditFinding", "check_table"]

Outcome = Literal["pass", "concern", "fail", "not applicable"]
QUESTIONS = {
    "classes": "Does every set, site and subgroup have enough patients of either outcome to be judged?",
    "events": "Are there events enough for the precision that a validation needs?",
    "scores": "Are the numbers risks, between 0 and 1, or scores that can only rank?",
    "direction": "Do higher predictions go with the event?",
    "in-the-large": "Do as many events happen as were predicted?",
    "slope": "Are the risks neither too extreme nor too timid?",
    "apparent": "Are the patients others than those that the model was fitted to?",
    "threshold": "Was the operating threshold declared before these rows were seen?",
    "rounding": "Are the risks told finely, neither rounded nor clipped?",
    "copies": "Is every row another patient?",
    "missing": "Did every row have an outcome and every prediction?",
    "prevalence": "Is the share of events the one that was stated?",
    "comparison": "Are there patients enough to decide which model is better?",
    "hosmer-lemeshow": "Is calibration judged by more than the Hosmer-Lemeshow test?",
}
WANTED = 100
"""events, and non-events, that a validation should have: Collins, Ogundimu and Altman, Stat Med 35 (2016) 214-226"""
OE_LIMITS, SLOPE_LIMITS = (0.8, 1.25), (0.7, 1 / 0.7)
"""an interval that lies wholly beyond them is no mild miscalibration"""
DECIDED = 0.05
"""difference of two AUCs below which models are as good as each other"""
COARSE = 25
"""different values of a continuous risk below which it was rounded, or is a score of few points"""
CLIPPED = 0.01
"""share of risks of exactly 0 or 1 from which on somebody cut them off"""


@dataclass(frozen=True)
class AuditFinding:
    """One answer. model : "" for what concerns the table; evidence : plain JSON; method : with its reference"""

    code: str
    question: str
    outcome: Outcome
    why: str
    model: str = ""
    evidence: Mapping[str, Any] | None = None
    advice: str = ""
    method: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"evidence": plain(dict(self.evidence or {}))}


def check_table(table: Audited, judged: Judged, how: Judging, *, prevalence: float | None = None) -> list[AuditFinding]:
    """Every question, in the order of QUESTIONS; those of single models once for each of them.

    prevalence : share of events that was stated for this population, None where nothing was
    """
    context = _Context(table, judged, how, prevalence)
    checks: Sequence[Callable[[_Context], list[AuditFinding]]] = (
        _classes, _events, _scores, _direction, _in_the_large, _slope, _apparent, _threshold, _rounding, _copies,
        _missing, _prevalence, _comparison, _hosmer_lemeshow,
    )  # fmt: skip
    return [finding for check in checks for finding in check(context)]


@dataclass(frozen=True, eq=False)
class _Context:
    table: Audited
    judged: Judged
    how: Judging
    prevalence: float | None

    @property
    def primary(self) -> dict[str, Any]:
        """The set whose figures answer the question."""
        found: dict[str, Any] = self.judged.record["sets"][self.judged.record["primary"]]
        return found

    @property
    def rows(self) -> np.ndarray:
        """Its rows."""
        return self.judged.parts[self.judged.record["primary"]]

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """The models as judged there."""
        found: dict[str, dict[str, Any]] = self.primary["models"]
        return found

    @property
    def risks(self) -> dict[str, dict[str, Any]]:
        """Those that are risks."""
        return {name: one for name, one in self.models.items() if not one["score"]}


def _finding(code: str, outcome: Outcome, why: str, **more: Any) -> AuditFinding:
    return AuditFinding(code, QUESTIONS[code], outcome, why, **more)


def _all_scores(code: str) -> list[AuditFinding]:
    return [_finding(code, "not applicable", "no column holds risks: scores have no calibration")]


# --- how many, and of what -------------------------------------------------------------------------


def _classes(c: _Context) -> list[AuditFinding]:
    groups: list[tuple[str, int, int]] = []
    for name, one in c.judged.record["sets"].items():
        groups.append((f"set {name!r}", one["n"], one["events"]))
        for column, models in one["subgroups"].items():
            rows = next(iter(models.values()))
            groups += [(f"{column} = {row['group']!r}", row["n"], row["events"]) for row in rows]
        if one["sites"]:
            rows = next(iter(one["sites"].values()))["sites"]
            groups += [(f"site {row['group']!r}", row["n"], row["events"]) for row in rows]
    single = [g for g in groups if g[2] in (0, g[1])]
    tiny = [g for g in groups if g not in single and min(g[2], g[1] - g[2]) < LEAST]
    evidence = {"single_class": [list(g) for g in single], "tiny": [list(g) for g in tiny], "least": LEAST}
    if c.primary["events"] in (0, c.primary["n"]):
        return [
            _finding(
                "classes",
                "fail",
                f"all {c.primary['n']} patients have one outcome: nothing can be judged",
                evidence=evidence,
                advice="look at the outcome column; a validation needs patients with and without the event",
            )
        ]
    if not single and not tiny:
        why = f"each of {len(groups)} groups has at least {LEAST} of either outcome"
        return [_finding("classes", "pass", why, evidence=evidence)]
    named = ", ".join(f"{name} ({events} of {n})" for name, n, events in (*single, *tiny)[:6])
    return [
        _finding(
            "classes",
            "concern",
            f"{len(single)} groups have one outcome alone, {len(tiny)} fewer than {LEAST} of one: {named}",
            evidence=evidence,
            advice="report these groups' numbers with their intervals, and conclude nothing from them",
        )
    ]


def _events(c: _Context) -> list[AuditFinding]:
    events, others = c.primary["events"], c.primary["n"] - c.primary["events"]
    least = min(events, others)
    evidence = {"events": events, "non_events": others, "wanted": WANTED}
    method = (
        "Collins, Ogundimu and Altman, Stat Med 35 (2016) 214-226; Vergouwe et al., J Clin Epidemiol 58 (2005) 475-483"
    )
    said = f"{events} events and {others} non-events"
    if least >= WANTED:
        return [_finding("events", "pass", f"{said}: at least {WANTED} of either", evidence=evidence, method=method)]
    outcome: Outcome = "fail" if least < LEAST else "concern"
    return [
        _finding(
            "events",
            outcome,
            f"{said}; at least {WANTED} of either are wanted, so the intervals are wide",
            evidence=evidence,
            advice="read intervals, not point values; size the next validation by its precision (Riley et al. 2021)",
            method=method,
        )
    ]


def _scores(c: _Context) -> list[AuditFinding]:
    found = []
    for name, one in c.models.items():
        values = c.table.models[name][c.rows]
        evidence = {"lowest": float(values.min()), "highest": float(values.max())}
        if one["score"]:
            found.append(
                _finding(
                    "scores",
                    "concern",
                    f"values run from {values.min():.4g} to {values.max():.4g}: {_kind(values)}, which can "
                    "rank and no more",
                    model=name,
                    evidence=evidence,
                    advice="ask for the risks; until then nothing can be said of calibration or net benefit",
                )
            )
        else:
            why = f"values run from {values.min():.4g} to {values.max():.4g}"
            found.append(_finding("scores", "pass", why, model=name, evidence=evidence))
    return found


def _kind(values: np.ndarray) -> str:
    """A score, or what looks like percent."""
    percent = values.min() >= 0 and 20 < values.max() <= 100
    return "a score (risks in percent? divide by 100)" if percent else "a score"


# --- discrimination and calibration ----------------------------------------------------------------


def _direction(c: _Context) -> list[AuditFinding]:
    found = []
    for name, one in c.models.items():
        area = one["auc"]
        evidence = {"auc": area.to_dict()}
        if math.isnan(area.value):
            found.append(_finding("direction", "not applicable", f"the AUC is {area.note}", model=name))
        elif area.value < 0.5:
            sure = area.high < 0.5
            found.append(
                _finding(
                    "direction",
                    "fail" if sure else "concern",
                    f"the AUC is {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]: "
                    f"{'higher predictions go with fewer events' if sure else 'no better than chance'}",
                    model=name,
                    evidence=evidence,
                    advice="look whether the event is coded the other way round, or the risk is that of no event",
                )
            )
        else:
            outcome: Outcome = "concern" if area.low <= 0.5 else "pass"
            more = ", an interval that holds chance" if area.low <= 0.5 else ""
            why = f"the AUC is {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]{more}"
            found.append(_finding("direction", outcome, why, model=name, evidence=evidence))
    return found


def _in_the_large(c: _Context) -> list[AuditFinding]:
    return _calibrated(
        c,
        "in-the-large",
        "oe",
        OE_LIMITS,
        "observed : expected",
        "recalibrate on patients of this population (stats.recalibrate_in_the_large and its kin)",
        "Riley et al., BMJ 384 (2024) e074820",
    )


def _slope(c: _Context) -> list[AuditFinding]:
    return _calibrated(
        c,
        "slope",
        "slope",
        SLOPE_LIMITS,
        "calibration slope",
        "below 1 the risks are too extreme, the mark of overfitting: shrink or refit; above 1 they are too timid",
        "Van Calster et al., BMC Med 17 (2019) 230",
    )


def _calibrated(
    c: _Context, code: str, key: str, limits: tuple[float, float], words: str, advice: str, method: str
) -> list[AuditFinding]:
    found = []
    for name, one in c.risks.items():
        e = one[key]
        evidence = {key: e.to_dict(), "limits": limits}
        if not math.isfinite(e.value) or not math.isfinite(e.low):
            why = f"{words} is undefined: {e.note or 'no interval'}"
            found.append(_finding(code, "not applicable", why, model=name, evidence=evidence))
            continue
        off = not e.low <= 1 <= e.high
        far = e.low > limits[1] or e.high < limits[0]
        outcome: Outcome = "fail" if far else "concern" if off else "pass"
        more = ", wholly beyond what is mild" if far else ", which is not 1" if off else ""
        why = f"{words} {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]{more}"
        told = advice if off else ""
        found.append(_finding(code, outcome, why, model=name, evidence=evidence, advice=told, method=method))
    return found or _all_scores(code)


# --- how the predictions came about ----------------------------------------------------------------


def _apparent(c: _Context) -> list[AuditFinding]:
    sets = c.judged.record["sets"]
    trained = [name for name in sets if name.strip().casefold() in TRAINED]
    if c.table.split is None:
        why = "no column tells which rows the model was fitted to"
        advice = "ask; figures on training patients flatter a model, and nothing in a table of predictions shows it"
        return [_finding("apparent", "not applicable", why, advice=advice)]
    if len(trained) == len(sets):
        why = f"every row is of {', '.join(map(repr, trained))}: these are apparent figures, and no validation"
        advice = "ask for predictions of patients whom the model had not seen"
        return [_finding("apparent", "fail", why, advice=advice)]
    if not trained:
        why = f"no row is of a training set; the sets are {', '.join(map(repr, sets))}"
        return [_finding("apparent", "pass", why)]
    found = []
    primary = c.judged.record["primary"]
    for name, one in c.models.items():
        there, here = sets[trained[0]]["models"][name]["auc"], one["auc"]
        fall, se = there.value - here.value, math.hypot(there.se, here.se)
        evidence = {"training": there.to_dict(), "judged": here.to_dict(), "set": primary, "difference": fall}
        if not se > 0:
            why = "the AUC of one of the sets has no standard error"
            found.append(_finding("apparent", "not applicable", why, model=name, evidence=evidence))
            continue
        sure = fall > z_of(c.how.setting.level) * se
        why = (
            f"AUC {there.value:.3f} on {trained[0]!r}, {here.value:.3f} on {primary!r}, which is the one reported here"
        )
        advice = "report the figures of the patients held out; the fall is the optimism of the fit" if sure else ""
        outcome: Outcome = "concern" if sure else "pass"
        found.append(_finding("apparent", outcome, why, model=name, evidence=evidence, advice=advice))
    return found


def _threshold(c: _Context) -> list[AuditFinding]:
    if not c.risks:
        return _all_scores("threshold")
    if c.how.threshold is None:
        return [
            _finding(
                "threshold",
                "concern",
                "none was declared: sensitivity and specificity are at one half, which nobody chose",
                advice="declare the threshold that decisions are made at (--threshold); one chosen here flatters",
                method="Ewald, J Clin Epidemiol 59 (2006) 798-801",
            )
        ]
    from validkit import stats

    found = []
    y = c.table.y[c.rows].astype(np.int64)
    for name in c.risks:
        p = c.table.models[name][c.rows]
        if not 0 < y.sum() < len(y):
            found.append(_finding("threshold", "not applicable", "one outcome alone", model=name))
            continue
        best = stats.youden_threshold(y, p)
        same = bool(((p >= best) == (p >= c.how.threshold)).all())
        evidence = {"declared": c.how.threshold, "youden_here": best}
        if same:
            why = f"{c.how.threshold:g} is just where sensitivity + specificity is highest on these very rows"
            advice = "say how the threshold was chosen; chosen here, its sensitivity and specificity are too good"
            found.append(_finding("threshold", "concern", why, model=name, evidence=evidence, advice=advice))
        else:
            why = f"{c.how.threshold:g} was declared; the best on these rows would be {best:.4g}"
            found.append(_finding("threshold", "pass", why, model=name, evidence=evidence))
    return found


def _rounding(c: _Context) -> list[AuditFinding]:
    found = []
    for name in c.risks:
        p = c.table.models[name][c.rows]
        distinct = len(np.unique(p))
        ends = float(((p == 0) | (p == 1)).mean())
        coarse = distinct < min(COARSE, len(p) // 2)
        hundredths = (
            not coarse and len(p) >= 2 * COARSE and bool(np.isclose(p, np.round(p, 2), rtol=0, atol=1e-12).all())
        )
        evidence = {"distinct": distinct, "at_0_or_1": ends, "hundredths": hundredths}
        said = [f"{distinct} different values"]
        said += ["all of them hundredths"] if hundredths else []
        said += [f"{100 * ends:.1f} % are exactly 0 or 1, whose log odds are infinite"] if ends >= CLIPPED else []
        bad = coarse or hundredths or ends >= CLIPPED
        advice = "ask for the risks as the model gives them: ties blunt the AUC, and 0 or 1 cannot be recalibrated"
        why = "; ".join(said)
        outcome: Outcome = "concern" if bad else "pass"
        found.append(_finding("rounding", outcome, why, model=name, evidence=evidence, advice=advice if bad else ""))
    return found or _all_scores("rounding")


# --- the rows --------------------------------------------------------------------------------------


def _copies(c: _Context) -> list[AuditFinding]:
    if c.primary["clusters"] is not None:
        why = f"rows belong to {c.primary['clusters']} clusters, and intervals come from these"
        return [_finding("copies", "not applicable", why)]
    values = np.column_stack([c.table.models[name][c.rows] for name in c.models])
    distinct = len(np.unique(values, axis=0)) if len(values) <= 1_000_000 else None
    n = len(values)
    if distinct is None:
        return [_finding("copies", "not applicable", "more than a million rows: equal ones were not counted")]
    fine = max(len(np.unique(values[:, k])) for k in range(values.shape[1]))
    evidence = {"rows": n, "distinct": distinct, "finest": fine}
    if fine < n / 2:
        return [
            _finding("copies", "not applicable", "the predictions are too coarse to tell copies by", evidence=evidence)
        ]
    copies = n - distinct
    if copies <= 0.01 * n:
        return [_finding("copies", "pass", f"{copies} of {n} rows have the predictions of another", evidence=evidence)]
    return [
        _finding(
            "copies",
            "concern",
            f"{copies} of {n} rows have exactly the predictions of another row",
            evidence=evidence,
            advice="look whether patients are there twice; name the patient (--cluster) where rows share one",
        )
    ]


def _missing(c: _Context) -> list[AuditFinding]:
    gone = {name: count for name, count in c.table.missing.items() if count}
    left_out = c.table.rows - len(c.table)
    evidence = {"rows": c.table.rows, "left_out": left_out, "by_column": gone}
    if not left_out:
        return [_finding("missing", "pass", f"all {c.table.rows} rows are complete", evidence=evidence)]
    named = ", ".join(f"{count} for want of {name!r}" for name, count in gone.items())
    share = left_out / c.table.rows
    return [
        _finding(
            "missing",
            "fail" if share > 0.5 else "concern",
            f"{left_out} of {c.table.rows} rows ({100 * share:.1f} %) were left out: {named}",
            evidence=evidence,
            advice="say why they lack a value: patients who are left out are seldom like the others",
        )
    ]


def _prevalence(c: _Context) -> list[AuditFinding]:
    n, events = c.primary["n"], c.primary["events"]
    if c.prevalence is None:
        why = f"none was stated (--prevalence); here it is {events / n:.3f}"
        return [_finding("prevalence", "not applicable", why)]
    low, high = map(float, clopper_pearson(events, n, c.how.setting.level))
    evidence = {"stated": c.prevalence, "here": events / n, "low": low, "high": high}
    inside = low <= c.prevalence <= high
    why = f"{events / n:.3f} [{low:.3f}, {high:.3f}] here, {c.prevalence:g} stated"
    advice = "PPV, NPV, net benefit and calibration hold for the share of events here; give them for the stated one"
    method = "Clopper and Pearson, Biometrika 26 (1934) 404-413"
    outcome: Outcome = "pass" if inside else "concern"
    return [_finding("prevalence", outcome, why, evidence=evidence, advice="" if inside else advice, method=method)]


# --- models compared, and one test -----------------------------------------------------------------


def _comparison(c: _Context) -> list[AuditFinding]:
    told = c.primary["comparisons"]
    if told is None:
        return [_finding("comparison", "not applicable", "there is one model")]
    auc = told["auc"]
    pairs = auc["pairs"] if isinstance(auc, dict) else auc.pairs
    p_adjusted = auc["p_adjusted"] if isinstance(auc, dict) else auc.p_adjusted
    found = []
    for pair, p in zip(pairs, p_adjusted, strict=True):
        e = pair.difference
        evidence = {"difference": e.to_dict(), "p_adjusted": p, "decided_within": DECIDED}
        name = f"{pair.a} and {pair.b}"
        if not math.isfinite(e.low):
            why = f"the difference is undefined: {e.note}"
            found.append(_finding("comparison", "not applicable", why, model=name, evidence=evidence))
            continue
        said = f"AUC differs by {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"
        if p < 1 - c.how.setting.level:
            found.append(
                _finding("comparison", "pass", f"{said}, p = {p:.3g} corrected", model=name, evidence=evidence)
            )
        elif e.low > -DECIDED and e.high < DECIDED:
            why = f"{said}: less than {DECIDED} either way, so they rank alike"
            found.append(_finding("comparison", "pass", why, model=name, evidence=evidence))
        else:
            advice = "call neither the better one: so few patients could not have told them apart"
            why = f"{said}, p = {p:.3g} corrected: it is open which ranks better"
            found.append(_finding("comparison", "concern", why, model=name, evidence=evidence, advice=advice))
    return found


def _hosmer_lemeshow(c: _Context) -> list[AuditFinding]:
    found = []
    for name, one in c.risks.items():
        test = one["hosmer_lemeshow"]
        evidence = {"p_value": test.p_value, "n": c.primary["n"], "events": c.primary["events"]}
        few = min(c.primary["events"], c.primary["n"] - c.primary["events"]) < WANTED
        p = "undefined" if math.isnan(test.p_value) else f"{test.p_value:.3g}"
        weakness = (
            "with so few events it misses all but gross miscalibration"
            if few
            else "with so many patients it rejects what does no harm"
            if c.primary["n"] > 5000
            else "it says neither how large miscalibration is, nor in which direction"
        )
        found.append(
            _finding(
                "hosmer-lemeshow",
                "concern" if few and test.p_value > 1 - c.how.setting.level else "pass",
                f"p {p}, for the record: {weakness}; O:E, slope and curve are what calibration is judged by here",
                model=name,
                evidence=evidence,
                method="Hosmer et al., Stat Med 16 (1997) 965-980; Van Calster et al., BMC Med 17 (2019) 230",
            )
        )
    return found or _all_scores("hosmer-lemeshow")
