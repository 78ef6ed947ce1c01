"""What a run's records show on PROBAST+AI's signalling questions: evidence; the judgement is the assessor's."""

from __future__ import annotations

from collections.abc import Callable

from validkit.report import text
from validkit.report.checklists import answers
from validkit.report.checklists.answers import Answer
from validkit.report.frontpage import design_words, sentinel_words
from validkit.report.notices import opening_words
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.values import count

__all__ = ["SIGNALLED"]

ELSEWHERE = {"bundle": "the model was developed elsewhere", "predictions": "the predictions were made elsewhere"}
REPEATING = ("kfold", "repeated-kfold", "nested", "bootstrap", "internal-external")
WEIGHTS = ("class_weight", "scale_pos_weight", "is_unbalance")


def developed(answer: Answer) -> Answer:
    """The same answer about development, which the records of a model that came from elsewhere do not tell."""

    def told(run: Run) -> str:
        if run.kind in ELSEWHERE:
            raise NotAvailable(f"{ELSEWHERE[run.kind]}: the records of that study tell")
        return answer(run)

    return told


def processing(run: Run) -> str:
    """How inputs were prepared, by one rule for every patient."""
    if run.kind == "plnm":
        return f"One rule for all patients: {answers.radiomics(run)}"
    if run.kind == "estimators":
        scaled = [one["name"] for one in run.setting("model.estimators") or [] if one.get("scale")]
        how = f"scaled on training patients for {', '.join(scaled)}" if scaled else "none is scaled"
        return f"Predictors are coded by the protocol alone, alike in all patients; {how}."
    if run.kind == "bundle":
        return "The bundle's own steps, fitted at development, prepare every patient here."
    raise NotAvailable(ELSEWHERE["predictions"])


def handling(run: Run) -> str:
    """Continuous predictors as they are; categories by their levels."""
    kinds = [str(spec.get("kind")) for spec in (run.setting("cohort.predictors") or {}).values()]
    if not kinds:
        raise NotAvailable("the run does not record predictors")
    told = text.listed([f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))])
    return (
        f"{text.capital(told)}: continuous ones enter undivided, categories by the levels that the protocol declares."
    )


def training_sizes(run: Run) -> str:
    """Patients, events and candidate predictors of development."""
    fitted = run.design in REPEATING
    where, size = ("cohort", "patients") if fitted else ("cohort.training", "n")
    n, events = count(dig(run.info, f"{where}.{size}")), count(dig(run.info, f"{where}.events"))
    if n is None or events is None:
        raise NotAvailable("the run does not record patients and events")
    candidates = _candidates(run)
    per = f", {events / candidates:.2g} events a candidate" if candidates else ""
    more = f" and {text.whole(candidates)} candidate predictors{per}" if candidates else ""
    return f"Developed on {text.whole(n)} patients, {text.whole(events)} with {run.positive}{more}."


def _candidates(run: Run) -> int:
    declared = len(run.setting("cohort.predictors") or {})
    if run.kind != "plnm":
        return declared
    return declared + (count(run.records_of("radiomics").get("n_features")) or 0) + _components(run)


def _components(run: Run) -> int:
    return (count(run.setting("model.deep.components")) or 0) if run.records_of("deep") else 0


def balance(run: Run) -> str:
    """How classes were weighed while fitting, and what was calibrated afterwards."""
    if run.kind == "plnm":
        return (
            f"Network: {run.setting('model.deep.imbalance') or 'not fitted'}. Classifiers may weigh classes where "
            "their grid says so. Their scores are Platt-scaled on training patients as they came, and the nomogram is "
            "fitted to patients as they came."
        )
    weighed = [one for one in run.setting("model.estimators") or [] if _weighs(one)]
    if not weighed:
        return "Not applicable: no declared estimator weighs classes, and patients are never resampled to balance them."
    told = [f"{one['name']} (recalibration: {one.get('recalibrate') or 'none'})" for one in weighed]
    return f"Classes are weighed by {text.listed(told)}."


def _weighs(estimator: dict[str, object]) -> bool:
    given = dict(estimator.get("parameters") or {})  # type: ignore[call-overload]
    searched = dict((estimator.get("search") or {}).get("parameters") or {})  # type: ignore[attr-defined]
    return any(name.rsplit("__", 1)[-1] in WEIGHTS for name in (*given, *searched))


def restraint(run: Run) -> str:
    """What holds the model back, and what tells its optimism."""
    if run.kind == "plnm":
        return f"{answers.selection(run)} {answers.tuning(run)} Networks stop early on patients set aside in training."
    return f"{answers.tuning(run)} {text.capital(design_words(run))}, so optimism is measured and not assumed away."


def judged_sizes(run: Run) -> str:
    """Patients and events that performance was measured on."""
    n, events = (count(dig(run.info, f"cohort.held_out.{key}")) for key in ("n", "events"))
    if n is None or events is None:
        n, events = count(dig(run.info, "cohort.patients")), count(dig(run.info, "cohort.events"))
    if n is None or events is None:
        raise NotAvailable("the run does not record patients and events")
    fewer = min(events, n - events)
    against = "at least" if fewer >= 100 else "fewer than"
    return (
        f"Judged on {text.whole(n)} patients, {text.whole(events)} with {run.positive}: {against} the 100 of either "
        "outcome that are often asked for. The widths of the intervals tell what this size shows."
    )


def judged_balance(run: Run) -> str:
    """That patients were judged as they came."""
    kept = "Where models were judged, no patient was weighted, repeated or left out to balance classes."
    return f"{kept} {answers.sizes(run)}"


def guarded(run: Run) -> str:
    """Who opened held-out outcomes and when, and what the leakage sentinels found."""
    found = f" Leakage sentinels: {sentinel_words(run)}" if run.info.get("sentinels") else " No sentinel was run."
    return f"{text.capital(design_words(run))}. {text.capital(opening_words(run))}.{found}"


def repeated(run: Run) -> str:
    """What each resample fits anew."""
    if run.design not in REPEATING:
        return f"Not applicable: nothing was resampled; {design_words(run)}."
    leaked = run.setting("model.before_split")
    but = f", but for {text.listed(list(leaked))}, learnt from all patients before" if leaked else ""
    looks = sorted({str(look.get("stage")) for look in run.info.get("looks") or []})
    seen = f" Held-out outcomes were looked at: {', '.join(looks)}." if looks else ""
    return f"{text.capital(design_words(run))}; every step that learns is fitted anew in each{but}.{seen}"


def performance(run: Run) -> str:
    """The figures, and how they were measured."""
    return f"{answers.results(run)} {answers.measures(run)}"


_DEVELOPED: dict[str, Callable[[Run], str]] = {
    "developed_from": answers.source,
    "developed_flow": answers.flow,
    "developed_predictors": answers.predictors,
    "developed_processing": processing,
    "developed_outcome": answers.outcome,
    "developed_sizes": training_sizes,
    "developed_handling": handling,
    "developed_missing": answers.missing,
    "developed_balance": balance,
    "developed_restraint": restraint,
}

SIGNALLED: dict[str, Answer] = {
    **{name: developed(answer) for name, answer in _DEVELOPED.items()},
    **{one.__name__: one for one in (processing, judged_sizes, judged_balance, guarded, repeated, performance)},
}
"""every answer to a signalling question, by its name in `items`"""
