"""How the model was validated: who was held out from what, how often, by which chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validkit.report import text
from validkit.report.methods.saying import (
    Sentence,
    cite,
    fraction,
    named,
    patients,
    quoted,
    said,
    spelled,
    told,
)  # fmt: skip
from validkit.report.methods.transfer import EXTERNAL
from validkit.report.records import HELD_OUT, NotAvailable, Run, dig, need
from validkit.report.subject import subject
from validkit.report.values import count

__all__ = ["design_text", "looked"]

SETTLED = {
    "average": "The predictions of one patient in different repeats were averaged before they were judged.",
    "per-repeat": "Each repeat was judged by itself, and the results were averaged over repeats.",
    "pool": "The predictions of all repeats were judged together, and intervals came from drawing patients.",
}


def design_text(run: Run) -> str:
    """The design in a few sentences; a kind that is not known is told in the words of its record."""
    own = DESIGNS.get(run.design, (_recorded,))
    return told(run, (*own, _together, _inside, _repeats, _final))


def looked(run: Run) -> list[str]:
    """The stages in which held-out outcomes were used for a choice, each once."""
    return list(dict.fromkeys(said(look.get("stage")) for look in run.info.get("looks") or []))


def _seed(run: Run) -> str:
    found = count(dig(run.info, "seeds.split"))
    return "" if found is None else f" (seed {found})"


def _stratified(run: Run) -> str:
    return ", stratified by outcome" if run.setting("design.stratify") == "outcome" else ""


def _recorded(run: Run) -> str:
    return f"{text.capital(said(need(dig(run.info, 'design.sentence'), 'a design'))).rstrip('.')}."


# --- one kind each ---------------------------------------------------------------------------------------------


def _holdout(run: Run) -> str:
    held_out = patients(run, "cohort.held_out")
    by = run.setting("design.by")
    how = {"random": f" at random{_stratified(run)}{_seed(run)}", "date": _since(run), "device": _devices(run)}
    chosen = how.get(str(by), _stratified(run))
    return f"Performance was evaluated in {held_out}, who had been held out once{chosen}."


def _since(run: Run) -> str:
    since = run.setting("design.since")
    return f", those examined from {said(since)} on" if since else ", the latest to be examined"


def _devices(run: Run) -> str:
    found = run.setting("design.held_out") or []
    return f", those examined with {named(found)}" if found else ", those of some devices"


def _training(run: Run) -> str:
    share = ""
    if run.setting("design.by") == "random" and run.setting("design.test") is not None:
        share = f" The share to be held out had been declared as {fraction(run.setting('design.test'))}."
    return f"The model was developed in the other {patients(run, 'cohort.training')}.{share}"


def _folds(run: Run) -> str:
    kind = {"nested": "nested cross-validation"}.get(run.design, "cross-validation")
    folds = count(run.setting("design.folds"))
    repeats = count(run.setting("design.repeats")) or 1
    often = f", in {text.whole(repeats)} repeats with other folds" if repeats > 1 else ""
    fold = f"{folds}-fold {kind}" if folds else kind
    return (
        f"Performance was estimated by {fold}{_stratified(run)}{_seed(run)}, of {patients(run, 'cohort.held_out')}"
        f"{often}: each patient was predicted by fits that had not seen that patient."
    )


def _nested(run: Run) -> str:
    inner = count(run.setting("model.cross_fitting.folds"))
    within = f" ({inner} inner folds)" if inner else ""
    apart = "" if looked(run) else ", so that held-out patients took no part in them"
    return (
        f"All choices were made again inside each of the {text.whole(run.splits)} training sets{within}{apart} "
        f"{cite('Varma2006')}."
    )


def _resamples(run: Run) -> str:
    everybody = patients(run, "cohort", "patients")
    return (
        f"Performance was corrected for optimism by the bootstrap {cite('Harrell1996')}: the whole modelling procedure "
        f"was repeated in {text.whole(run.splits)} resamples drawn with replacement{_stratified(run)}{_seed(run)} from "
        f"all {everybody}, and each fit was judged in its resample and in all patients."
    )


def _optimism(run: Run) -> str:
    found = subject(run).model.get("optimism") or {}
    several = {"point632", "point632_plus"} <= set((found.get("metrics") or {}).get("auc") or {})
    more = f"The .632 and .632+ estimators {cite('Efron1997')} were computed as well." if several else ""
    reasons = {why: n for why, value in (found.get("failures") or {}).items() if (n := count(value))}
    lost = sum(reasons.values())
    which = "resample" if lost == 1 else "resamples"
    failed = f"{spelled(lost)} {which} gave no result ({named(list(reasons))})." if lost else ""
    return " ".join(filter(None, [more, failed]))


def _sites(run: Run) -> str:
    return (
        f"For internal-external validation {cite('Steyerberg2016')}, each of {text.whole(run.splits)} sites was left "
        "out in turn: the model was developed on the patients of all other sites and judged on those of the site left "
        f"out. Together, {patients(run, 'cohort.held_out')} were judged."
    )


def _smallest(run: Run) -> str:
    least = count(run.setting("design.smallest"))
    if least is None or least < 2:
        raise NotAvailable("every site was judged by itself")
    return f"Only sites with at least {least} patients of each outcome were judged by themselves."


def _pooled(run: Run) -> str:
    found: dict[str, Any] = need(subject(run).model.get("pooled"), "pooled sites")
    methods = " ".join(str(dig(one, "estimate.method") or "") for one in found.values())
    how = f" by restricted maximum likelihood {cite('Viechtbauer2005')}" if "REML" in methods else ""
    interval = f", with intervals after Knapp and Hartung {cite('Knapp2003')}" if "Knapp" in methods else ""
    logit = any(one.get("scale") == "logit" for one in found.values())
    scale = f" The AUC was pooled on the logit scale {cite('Snell2018')}." if logit else ""
    return (
        f"Results of the sites were pooled by random-effects meta-analysis{how}{interval}; prediction intervals give "
        f"the range expected at a new site.{scale}"
    )


def _given(run: Run) -> str:
    return (
        f"The predictions were judged in {patients(run, 'cohort.held_out')}; whether these patients took part in the "
        "making of the model is not known from the predictions."
    )


# --- what any design may have ----------------------------------------------------------------------------------


def _together(run: Run) -> str:
    column = run.setting("cohort.group")
    if not column or run.design in ("external", "as-given"):
        raise NotAvailable("patients are not grouped")
    where = "were drawn together" if run.design == "bootstrap" else "stayed together in every split"
    return f"Patients with the same value of {quoted(column)} {where}."


def _inside(run: Run) -> str:
    if run.design in ("external", "as-given"):
        raise NotAvailable("nothing was fitted")
    where = {
        "holdout": "on training patients alone",
        "bootstrap": "anew in each resample",
    }.get(run.design, "anew in each split, on its training patients alone")
    return f"Every step that learns from data was fitted {where}{_except(run)}."


def _except(run: Run) -> str:
    """What was not learnt inside the split."""
    before = run.setting("model.before_split") or run.records_of("estimators").get("before_split") or []
    looks = looked(run)
    leaks = [f"{named(before)}, learnt from all patients before the split"] if before else []
    leaks += [f"choices that used held-out outcomes (stage{'s' * (len(looks) > 1)} {named(looks)})"] if looks else []
    return f", but for {', and '.join(leaks)}" if leaks else ""


def _repeats(run: Run) -> str:
    found = subject(run).model["sets"].get(HELD_OUT) or {}
    if not found.get("repeats") or not run.several:
        raise NotAvailable("nobody was predicted twice")
    combine = str(dig(run.evaluation, "design.combine") or run.setting("evaluation.combine"))
    return SETTLED.get(combine, "")


def _final(run: Run) -> str:
    if not dig(run.info, "design.final") or run.splits == 1:
        raise NotAvailable("there is one fit")
    if run.design == "bootstrap":
        return "The model itself was fitted to all patients; its apparent figures were corrected."
    return "The model was also fitted to all patients; the figures describe the procedure, not that one fit."


DESIGNS: Mapping[str, tuple[Sentence, ...]] = {
    "holdout": (_holdout, _training),
    "kfold": (_folds,),
    "repeated-kfold": (_folds,),
    "nested": (_folds, _nested),
    "bootstrap": (_resamples, _optimism),
    "internal-external": (_sites, _smallest, _pooled),
    "external": EXTERNAL,
    "as-given": (_given,),
}
"""the sentences of each kind of design"""
