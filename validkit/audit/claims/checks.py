"""Every check of a study's claims: what is printed against itself, and against what such a study can show."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import special

from validkit import stats
from validkit.audit.claims import arithmetic
from validkit.audit.claims.study import REPORTED, Auc, Claims, Sample, decimals, number
from validkit.audit.findings import plain
from validkit.stats.intervals import two_sided_p, wilson, z_of

__all__ = ["VERDICTS", "ClaimFinding", "check_claims"]

Verdict = Literal["impossible", "contradiction", "implausible", "inadequate", "missing", "consistent", "not checked"]
VERDICTS: dict[Verdict, str] = {
    "impossible": "no data give this number",
    "contradiction": "it is told otherwise elsewhere",
    "implausible": "hardly any data of this size give it",
    "inadequate": "the study cannot bear the conclusion",
    "missing": "the report does not tell it",
    "consistent": "it agrees with what is printed",
    "not checked": "what is printed does not suffice to check it",
}
CORRELATIONS = (0.3, 0.5, 0.8)
"""of two models' scores on the same patients: hardly alike, as usual, nested in one another"""
WANTED = 100
EVENTS_EACH = 10
FALLS = 0.05
SIMULATED = 1000
"""studies behind the power of a Hosmer-Lemeshow test"""


@dataclass(frozen=True)
class ClaimFinding:
    """One answer. what : the claim; effect : on the conclusion; method : with its reference"""

    code: str
    verdict: Verdict
    what: str
    why: str
    evidence: dict[str, Any] = field(default_factory=dict)
    effect: str = ""
    method: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self) | {"evidence": plain(self.evidence)}


def check_claims(claims: Claims) -> list[ClaimFinding]:
    """Every check, in the order in which a reader meets the claims."""
    checks: Sequence[Callable[[Claims], Iterator[ClaimFinding]]] = (
        _samples, _shares, _sums, _contradictions, _predictors, _areas, _proportions, _odds_ratios, _differences,
        _optimism, _development, _validation, _multiplicity, _choices, _hosmer_lemeshow, _reported,
    )  # fmt: skip
    return [finding for check in checks for finding in check(claims)]


# --- counts and percentages ------------------------------------------------------------------------


GRIM = "counts behind a printed percentage (GRIM for proportions), Brown and Heathers (2017)"


def _percent(code: str, what: str, percent: str, part: int | None, whole: int, effect: str) -> ClaimFinding:
    """A printed percentage against the counts that could be behind it."""
    possible = arithmetic.counts_behind(percent, whole)
    evidence: dict[str, Any] = {"percent": percent, "part": part, "whole": whole, "possible": list(possible[:10])}
    if part is not None:
        true = 100 * part / whole
        evidence["exact"] = true
        if part in possible:
            return ClaimFinding(code, "consistent", what, f"{part} of {whole} is {true:.3f} %", evidence, method=GRIM)
        why = f"{part} of {whole} is {true:.3f} %, printed {percent} %"
        return ClaimFinding(code, "impossible", what, why, evidence, effect, GRIM)
    if possible:
        counts = f"{possible[0]}" if len(possible) == 1 else f"{possible[0]} to {possible[-1]}"
        return ClaimFinding(code, "consistent", what, f"{counts} of {whole} gives {percent} %", evidence, method=GRIM)
    nearest = [round(100 * k / whole, decimals(percent) + 1) for k in _around(percent, whole)]
    evidence["nearest"] = nearest
    why = f"no count of {whole} gives {percent} %; the nearest give {' and '.join(f'{x:g} %' for x in nearest)}"
    return ClaimFinding(code, "impossible", what, why, evidence, effect, GRIM)


def _around(percent: str, whole: int) -> list[int]:
    middle = number(percent) * whole / 100
    return sorted({max(0, math.floor(middle)), min(whole, math.ceil(middle))})


MISCOUNTED = "the patients behind this figure are not those that are described"


def _samples(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.sample:
        if one.others is not None:
            total = one.events + one.others
            what = f"{one.name}: patients with and without the event"
            evidence = {"events": one.events, "others": one.others, "n": one.n}
            if total == one.n:
                yield ClaimFinding("sum", "consistent", what, f"{one.events} + {one.others} = {one.n}", evidence)
            else:
                why = f"{one.events} + {one.others} = {total}, printed {one.n}"
                yield ClaimFinding("sum", "impossible", what, why, evidence, MISCOUNTED)
        others = one.n - one.events
        for printed, part, words in ((one.percent, one.events, "with"), (one.percent_others, others, "without")):
            if printed is not None:
                yield _percent("percentage", f"{one.name}: share {words} the event", printed, part, one.n, MISCOUNTED)
    yield from _whole(claims)


def _whole(claims: Claims) -> Iterator[ClaimFinding]:
    """Training and test patients make up all of them, where all three are told."""
    roles = {role: [one for one in claims.sample if one.role == role] for role in ("training", "test", "all")}
    if any(len(found) != 1 for found in roles.values()):
        return
    (train,), (test,), (everyone,) = roles["training"], roles["test"], roles["all"]
    for words, key in (("patients", "n"), ("events", "events")):
        parts, total = [getattr(one, key) for one in (train, test)], getattr(everyone, key)
        what, evidence = f"{words} of both sets", {"parts": parts, "total": total}
        verdict: Verdict = "consistent" if sum(parts) == total else "impossible"
        why = f"{parts[0]} + {parts[1]} = {sum(parts)}" + ("" if verdict == "consistent" else f", printed {total}")
        yield ClaimFinding("sum", verdict, what, why, evidence, "" if verdict == "consistent" else MISCOUNTED)


def _shares(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.share:
        if one.exact:
            yield _percent("percentage", one.what, one.percent, one.part, one.whole, MISCOUNTED)
            continue
        planned, true = number(one.percent), 100 * one.part / one.whole
        evidence = {"planned": planned, "exact": true}
        near = abs(one.part - planned * one.whole / 100) < 1 + arithmetic.SLACK
        why = f"{one.part} of {one.whole} is {true:.2f} %, planned {one.percent} %"
        verdict: Verdict = "consistent" if near else "contradiction"
        yield ClaimFinding("percentage", verdict, one.what, why, evidence, "" if near else MISCOUNTED)


def _sums(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.parts:
        total = sum(one.parts.values())
        words = " + ".join(f"{count} {name}" for name, count in one.parts.items())
        evidence = {"parts": dict(one.parts), "total": one.total}
        if total == one.total:
            yield ClaimFinding("sum", "consistent", one.what, f"{words} = {total}", evidence)
        else:
            why = f"{words} = {total}, printed {one.total}"
            yield ClaimFinding("sum", "impossible", one.what, why, evidence, "what is counted is not what is described")


# --- one place against another ---------------------------------------------------------------------


def _contradictions(claims: Claims) -> Iterator[ClaimFinding]:
    for quantity, found in itertools.groupby(sorted(claims.value, key=lambda v: v.quantity), key=lambda v: v.quantity):
        told = list(found)
        if len(told) < 2:
            continue
        evidence = {"told": [{"printed": one.printed, "where": one.where} for one in told]}
        words = "; ".join(f"{one.printed} ({one.where})" for one in told)
        effects = list(dict.fromkeys(one.effect for one in told if one.effect))
        if len({one.printed for one in told}) == 1:
            yield ClaimFinding("sections", "consistent", quantity, words, evidence)
        else:
            effect = "; ".join(effects) or "one of the two was not what was done, so that the study cannot be repeated"
            yield ClaimFinding("sections", "contradiction", quantity, words, evidence, effect)


def _predictors(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.predictor:
        what, evidence = f"predictor {one.name}", {"alone": one.alone, "independent": one.independent}
        if one.independent and one.alone == "does not differ":
            yield ClaimFinding(
                "predictor",
                "contradiction",
                what,
                f"no difference between patients with and without the event ({one.where}), yet called independent",
                evidence,
                "a predictor that matters only beside others was chosen on these patients; expect less of it on others",
                "Sun, Shook and Kay, J Clin Epidemiol 49 (1996) 907-916",
            )
        else:
            yield ClaimFinding("predictor", "consistent", what, f"{one.alone} ({one.where})", evidence)


# --- areas -----------------------------------------------------------------------------------------


def _areas(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.auc:
        if one.low is not None:
            yield _area(one, claims.of(one.sample))


def _area(one: Auc, sample: Sample) -> ClaimFinding:
    assert one.low is not None
    assert one.high is not None
    what = f"AUC of {one.model} on {one.sample}: {one.value} [{one.low}, {one.high}]"
    v, a, b = number(one.value), number(one.low), number(one.high)
    m, others = sample.events, sample.n - sample.events
    method = "Hanley and McNeil (1982); Newcombe, Stat Med 25 (2006) 559-573; DeLong's variance has this bound"
    if not 0 <= a <= v <= b <= 1:
        why = "an AUC and its interval lie between 0 and 1, and the value between the ends"
        return ClaimFinding("auc", "impossible", what, why, {}, "the figure the conclusion rests on is none", method)
    if min(m, others) < 2 or not 0 < v < 1:
        why = "one outcome alone, or an AUC of 0 or 1, has no interval of this kind"
        return ClaimFinding("auc", "not checked", what, why, {}, "", method)
    width = arithmetic.interval_width(one.value, one.low, one.high, one.level)
    expected, most = arithmetic.hanley_mcneil(v, m, others), arithmetic.largest_error(v, m, others)
    newcombe = stats.auc_standard_error([v], n=[sample.n], n_events=[m])
    evidence = {
        "se": width.se,
        "even_on": width.scale,
        "hanley_mcneil": expected,
        "newcombe": float(np.asarray(newcombe)[0]),
        "largest_possible": most,
        "ratio": width.se / expected,
        "expected_interval": [v - z_of(one.level) * expected, v + z_of(one.level) * expected],
    }
    said = f"its standard error is {width.se:.4f}; {m} events and {others} others give about {expected:.4f}"
    if width.least > most:
        why = f"{said}, and none above {most:.4f}"
        return ClaimFinding("auc", "impossible", what, why, evidence, "the AUC's certainty is not that printed", method)
    low, high = arithmetic.RATIOS
    if width.most < low * expected or width.least > high * expected:
        why = f"{said}; 99 of 100 samples lie between {low:g} and {high:g} times that"
        effect = "the AUC's certainty is hardly that printed, or it is of other patients"
        return ClaimFinding("auc", "implausible", what, why, evidence, effect, method)
    return ClaimFinding("auc", "consistent", what, said, evidence, "", method)


def _proportions(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.proportion:
        sample = claims.of(one.sample)
        whole = {"all": sample.n, "events": sample.events, "others": sample.n - sample.events}[one.of]
        if whole == 0:
            yield ClaimFinding("proportion", "impossible", one.what, "there is nobody to be a share of", {})
            continue
        found = _percent("proportion", one.what, one.percent, one.count, whole, "the rates belong to other patients")
        if found.verdict != "consistent":
            yield found
            continue
        count = one.count if one.count is not None else found.evidence["possible"][0]
        low, high = map(float, wilson(count, whole, 0.95))
        yield ClaimFinding(
            "proportion",
            "consistent",
            one.what,
            f"{found.why}; 95 % interval {100 * low:.1f} to {100 * high:.1f} % (Wilson)",
            {**found.evidence, "low": 100 * low, "high": 100 * high},
            "",
            GRIM,
        )


def _odds_ratios(claims: Claims) -> Iterator[ClaimFinding]:
    method = "Wald's interval is even about the estimate on the log scale; p from z = ln OR / se"
    for one in claims.odds_ratio:
        what = f"odds ratio of {one.predictor}: {one.value} [{one.low}, {one.high}]"
        v, a, b = number(one.value), number(one.low), number(one.high)
        if not 0 < a <= v <= b:
            why = "an odds ratio is positive, and lies between the ends of its interval"
            yield ClaimFinding("odds-ratio", "impossible", what, why, {}, "the effect is not the one printed", method)
            continue
        off, slack = arithmetic.log_middle(one.value, one.low, one.high)
        se = (math.log(b) - math.log(a)) / (2 * z_of(one.level))
        z = math.log(v) / se if se > 0 else math.inf
        p = two_sided_p(z)
        evidence = {"se_log": se, "z": z, "p": p, "off_middle": off, "rounding": slack, "printed_p": one.p}
        contradiction = _p_against(one.p, z, se, slack)
        if contradiction:
            why = f"its interval gives p {_p_words(p)}, printed {one.p}{contradiction}"
            effect = "whether the predictor matters is told in two ways"
            yield ClaimFinding("odds-ratio", "contradiction", what, why, evidence, effect, method)
        elif off > slack + 0.25 * se:
            why = f"the value lies {off / se:.2f} standard errors from the middle of its interval on the log scale"
            effect = "the value or an end of its interval is misprinted, or the interval is of another kind"
            yield ClaimFinding("odds-ratio", "implausible", what, why, evidence, effect, method)
        else:
            why = f"even on the log scale; se {se:.4f}, z {z:.2f}, p {_p_words(p)}"
            yield ClaimFinding("odds-ratio", "consistent", what, why, evidence, "", method)


def _p_against(printed: str | None, z: float, se: float, slack: float) -> str:
    """Why a printed p value does not go with z, allowing for rounding; "" where it does, or none is printed."""
    if printed is None:
        return ""
    text = printed.replace(" ", "")
    spread = slack / se + 0.02 * abs(z) if se > 0 else math.inf
    least, most = (two_sided_p(max(abs(z) + d, 0.0)) for d in (spread, -spread))
    if text.startswith("<"):
        return "" if least < float(text[1:]) else ": it is no smaller"
    if text.startswith(">"):
        return "" if most > float(text[1:]) else ": it is no larger"
    value, half = float(text.lstrip("=")), arithmetic.half_unit(text.lstrip("="))
    return "" if value - half <= most and least <= value + half else ": more than rounding"


def _p_words(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


# --- differences -----------------------------------------------------------------------------------


def _differences(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.difference:
        first, second = (number(claims.area(model, one.sample).value) for model in (one.better, one.worse))
        half = sum(arithmetic.half_unit(claims.area(m, one.sample).value) for m in (one.better, one.worse))
        what = f"{one.better} over {one.worse} on {one.sample}: {first:g} against {second:g}"
        if one.printed is not None:
            yield _size(what, first - second, second, half, one.printed, one.unit)
        if one.claim == "better":
            yield _power(what, first, second, claims.of(one.sample), tested=one.tested)


def _size(what: str, difference: float, second: float, half: float, printed: str, unit: str) -> ClaimFinding:
    points, percent = 100 * difference, 100 * difference / second
    claimed, slack = number(printed), arithmetic.half_unit(printed)
    fits = {
        "points": abs(points - claimed) <= slack + 100 * half + arithmetic.SLACK,
        "percent": abs(percent - claimed) <= slack + 100 * half * (1 + percent / 100) / second + arithmetic.SLACK,
    }
    evidence = {"points": points, "percent": percent, "printed": printed, "unit": unit}
    if fits[unit]:
        why = f"{points:.2f} points of 100, {percent:.2f} % of the worse"
        return ClaimFinding("difference", "consistent", what, why, evidence)
    other = "percent" if unit == "points" else "points"
    if fits[other]:
        meant = "points of 100" if other == "points" else "percent of the worse"
        sign = "%" if unit == "percent" else "points"
        why = f"printed {printed} {sign}; it is {claimed:g} {meant}, and {percent:.1f} % of the worse"
        effect = "the unit is not the one printed; the size is as the AUCs say"
        return ClaimFinding("difference", "contradiction", what, why, evidence, effect)
    why = f"printed {printed} {unit}; the AUCs give {points:.2f} points, {percent:.2f} %"
    return ClaimFinding("difference", "impossible", what, why, evidence, "the improvement is not the one printed")


def _power(what: str, first: float, second: float, sample: Sample, *, tested: bool) -> ClaimFinding:
    """The power to tell the two AUCs apart with so many patients, and the smallest difference that could be told."""
    m, others = sample.events, sample.n - sample.events
    method = "binormal AUCs on the same patients, DeLong's test; Obuchowski and McClish, Stat Med 16 (1997) 1529-1542"
    what = f"{what}: is one better?"
    if m < 2 or others < 2 or not (0.5 < second < 1 and 0.5 < first < 1) or first <= second:
        why = "the AUCs, or so few patients, have no such power"
        return ClaimFinding("power", "not checked", what, why, {}, "", method)
    powers, smallest = {}, {}
    for r in CORRELATIONS:
        powers[r] = _power_of(first, second, r, m, others)
        smallest[r] = _smallest(second, r, m, others)
    evidence = {"power": powers, "smallest": smallest, "events": m, "others": others, "tested": tested}
    best = max(powers.values())
    spread = f"{100 * min(powers.values()):.0f} to {100 * best:.0f} %"
    told = [x for x in smallest.values() if math.isfinite(x)]
    reach = f"{min(told):.3f} to {max(told):.3f}" if told else "none"
    why = (
        f"{m} events and {others} others find a difference of {first - second:.3f} in {spread} of studies (scores' "
        f"correlations {CORRELATIONS[0]:g} to {CORRELATIONS[-1]:g}); four in five find one of {reach}"
    )
    if not tested:
        why += "; no test is reported"
    if best < 0.8:
        effect = "that one model is better is not shown: so few patients cannot tell them apart"
        return ClaimFinding("power", "inadequate", what, why, evidence, effect, method)
    if not tested:
        effect = "that one model is better was not tested"
        return ClaimFinding("power", "missing", what, why, evidence, effect, method)
    return ClaimFinding("power", "consistent", what, why, evidence, "", method)


def _power_of(first: float, second: float, r: float, m: int, others: int) -> float:
    design = stats.binormal_design(
        first, second, correlation_events=r, correlation_others=r, ratio=others / m, null="both"
    )
    return float(stats.comparison_power(design, n_events=m).power)


def _smallest(second: float, r: float, m: int, others: int) -> float:
    """The smallest difference above `second` that four of five studies find; NaN where even an AUC near 1 is not."""
    from scipy.optimize import brentq

    top = 0.9995
    if second >= top or _power_of(top, second, r, m, others) < 0.8:
        return math.nan
    found = brentq(lambda a: _power_of(a, second, r, m, others) - 0.8, second + 1e-4, top)
    return float(found) - second


def _optimism(claims: Claims) -> Iterator[ClaimFinding]:
    samples = {one.name: one for one in claims.sample}
    trained = {one.model: one for one in claims.auc if samples[one.sample].role == "training"}
    for one in claims.auc:
        other = trained.get(one.model)
        if other is None or samples[one.sample].role != "test":
            continue
        there, here = number(other.value), number(one.value)
        fall = there - here
        errors = []
        for auc in (other, one):
            sample = samples[auc.sample]
            errors.append(arithmetic.hanley_mcneil(number(auc.value), sample.events, sample.n - sample.events))
        se = math.hypot(*errors)
        low, high = fall - z_of(0.95) * se, fall + z_of(0.95) * se
        what = f"AUC of {one.model}: {other.value} in training, {one.value} on {one.sample}"
        evidence = {"fall": fall, "low": low, "high": high}
        why = f"it falls by {fall:.3f} [{low:.3f}, {high:.3f}] (Hanley and McNeil)"
        if fall > FALLS:
            effect = "the model is fitted to its own patients; its figures there say nothing of others"
            yield ClaimFinding("optimism", "inadequate", what, why, evidence, effect)
        else:
            yield ClaimFinding("optimism", "consistent", what, why, evidence)


# --- how large, how many, chosen by what -----------------------------------------------------------


def _development(claims: Claims) -> Iterator[ClaimFinding]:
    told = claims.development
    if told is None:
        why = "neither candidates nor their number are told"
        yield ClaimFinding("development-size", "not checked", "events per candidate", why)
        return
    sample = claims.of(told.sample)
    rarer = min(sample.events, sample.n - sample.events)
    each = rarer / told.candidates
    what = f"{rarer} events for {told.candidates} candidates"
    prevalence = sample.events / sample.n
    areas = [number(one.value) for one in claims.auc if one.sample == told.sample]
    auc = min(max(areas, default=0.8), 0.95)
    needed = stats.development_sample_size(parameters=told.candidates, prevalence=prevalence, c_statistic=auc)
    evidence = {"events": rarer, "candidates": told.candidates, "each": each, "needed": needed.n, "c_statistic": auc}
    method = "Riley et al., BMJ 368 (2020) m441, at the AUC that is printed for training"
    why = f"{each:.3g} for each; Riley's criteria ask for {needed.n:,} patients, the study has {sample.n}"
    if each < EVENTS_EACH or sample.n < needed.n:
        effect = "what was chosen and fitted is in large part chance; expect it to do worse elsewhere"
        yield ClaimFinding("development-size", "inadequate", what, why, evidence, effect, method)
    else:
        yield ClaimFinding("development-size", "consistent", what, why, evidence, "", method)


def _validation(claims: Claims) -> Iterator[ClaimFinding]:
    for sample in claims.sample:
        if sample.role != "test":
            continue
        m, others = sample.events, sample.n - sample.events
        rarer = min(m, others)
        what = f"{sample.name}: {m} events and {others} others"
        areas = [number(one.value) for one in claims.auc if one.sample == sample.name]
        evidence: dict[str, Any] = {"events": m, "others": others, "wanted": WANTED}
        why = f"{rarer} of the rarer outcome; at least {WANTED} are wanted"
        if areas and 0.5 < max(areas) < 1 and rarer > 0:
            prevalence = m / sample.n
            size = stats.c_statistic_size(c_statistic=max(areas), prevalence=prevalence, width=0.1)
            oe = stats.observed_expected_size(prevalence=prevalence, width=0.2)
            evidence |= {"needed_auc": size.n, "needed_oe": oe.n}
            why += f"; an AUC known to 0.1 takes {size.n:,} patients, an O:E known to 0.2 {oe.n:,}"
        method = "Collins et al., Stat Med 35 (2016) 214-226; Riley et al., Stat Med 40 (2021) 4230-4251"
        if rarer < WANTED:
            effect = "performance is known too vaguely to be used for decisions"
            yield ClaimFinding("validation-size", "inadequate", what, why, evidence, effect, method)
        else:
            yield ClaimFinding("validation-size", "consistent", what, why, evidence, "", method)


def _multiplicity(claims: Claims) -> Iterator[ClaimFinding]:
    for sample in claims.sample:
        models = {one.model for one in claims.auc if one.sample == sample.name}
        among = sum(one.among for one in claims.choice if one.sample == sample.name)
        count = max(len(models), among)
        if sample.role != "test" or count < 2:
            continue
        m, others = sample.events, sample.n - sample.events
        if min(m, others) < 2:
            continue
        expected = _best_of(count) * arithmetic.hanley_mcneil(0.7, m, others)
        evidence = {"models": count, "flattery": expected}
        yield ClaimFinding(
            "multiplicity",
            "inadequate",
            f"{count} models on the one sample {sample.name!r}",
            f"the best of {count} equal models with independent figures would look {expected:.3f} better than it is",
            evidence,
            "the best model's figure is too good, the more so the more models were tried",
            "expected maximum of so many normal figures, at Hanley and McNeil's standard error for an AUC of 0.7",
        )


def _best_of(count: int) -> float:
    """Expected largest of so many standard normal numbers."""
    x = np.linspace(-8, 10, 20001)
    density = count * special.ndtr(x) ** (count - 1) * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(x * density, x))


def _choices(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.choice:
        role = claims.of(one.sample).role
        what = f"{one.what}, the best of {one.among} by {one.by} on {one.sample}"
        evidence = {"among": one.among, "by": one.by, "sample": one.sample}
        if role == "test":
            why = "chosen by the very patients on whom its performance is then reported"
            effect = "the sample is no test of it any more: its figures are those of the luckiest"
            yield ClaimFinding(
                "choice", "inadequate", what, why, evidence, effect, "Cawley and Talbot, JMLR 11 (2010) 2079-2107"
            )
        else:
            yield ClaimFinding("choice", "consistent", what, "chosen on training patients", evidence)


def _hosmer_lemeshow(claims: Claims) -> Iterator[ClaimFinding]:
    for one in claims.hosmer_lemeshow:
        sample = claims.of(one.sample)
        what = f"Hosmer-Lemeshow p {one.p} on {one.sample}"
        if not 0 <= number(one.p) <= 1:
            yield ClaimFinding("hosmer-lemeshow", "impossible", what, "a p value lies between 0 and 1", {})
            continue
        power = _hl_power(sample.n, sample.events)
        evidence = {"power": power, "slope": HL_SLOPE, "simulated": SIMULATED}
        why = (
            f"with {sample.n} patients and {sample.events} events it notices risks that are too extreme (slope "
            f"{HL_SLOPE:g}) in {100 * power:.0f} % of {SIMULATED:,} simulated studies"
        )
        method = "simulated: AUC about 0.75, ten groups; Hosmer et al., Stat Med 16 (1997) 965-980"
        if power < 0.8:
            effect = "a p above 0.05 does not show calibration; slope, O:E and a curve with its band would"
            yield ClaimFinding("hosmer-lemeshow", "inadequate", what, why, evidence, effect, method)
        else:
            yield ClaimFinding("hosmer-lemeshow", "consistent", what, why, evidence, "", method)


HL_SLOPE = 0.7


def _hl_power(n: int, events: int) -> float:
    """How often the test rejects risks whose log odds lie 1 / HL_SLOPE times too far from their mean."""
    rng = np.random.default_rng([1729, n, events])
    base = float(special.logit((events + 0.5) / (n + 1)))
    rejected = 0
    for _ in range(SIMULATED):
        lp = base + rng.normal(0, 1.05, n)
        y = (rng.random(n) < special.expit(lp)).astype(np.int64)
        extreme = special.expit(base + (lp - base) / HL_SLOPE)
        if 0 < y.sum() < n:
            rejected += stats.hosmer_lemeshow(y, extreme, groups=10, fitted_here=False).p_value < 0.05
    return rejected / SIMULATED


def _reported(claims: Claims) -> Iterator[ClaimFinding]:
    for item, why in REPORTED.items():
        there = claims.reported.get(item)
        method = "TRIPOD+AI, Collins et al., BMJ 385 (2024) e078378"
        if there is None:
            yield ClaimFinding("reporting", "not checked", item, "the claims file does not say", {}, "", method)
        elif there:
            yield ClaimFinding("reporting", "consistent", item, "reported", {}, "", method)
        else:
            yield ClaimFinding("reporting", "missing", item, "not reported", {}, why, method)
