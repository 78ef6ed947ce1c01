"""The study's limits in plain words, derived from the records: what each design shows and what it does not."""

from __future__ import annotations

from validkit.report import text
from validkit.report.frontpage import NOT_FITTED
from validkit.report.notices import AFTER
from validkit.report.records import CORRECTED, NotAvailable, Run, dig
from validkit.report.values import count, number

ADVISED = 100
"""events, and patients without it, that a validation should have at least (Vergouwe et al., J Clin Epidemiol 2005)"""
FOLDS = ("kfold", "repeated-kfold", "nested")


def limits(run: Run) -> list[str]:
    """The study's limits, most serious first."""
    found: list[str] = []
    if run.synthetic:
        found.append(
            "The patients are simulated. The figures show that the procedure works; they say nothing about how well "
            "the model predicts in people."
        )
    found += _looks(run) + _openings(run) + _numbers(run) + _design(run) + _sites(run) + _stages(run)
    found.append(intervals(run))
    if run.design not in NOT_FITTED:
        found.append(
            "Figures on training patients (apparent) are flattered by the fit. They are shown so that the fall to "
            f"{'corrected figures' if run.primary == CORRECTED else 'held-out patients'} can be seen."
        )
    found.append(
        "A Hosmer-Lemeshow p-value above 0.05 is not evidence of good calibration: the test has little power in small "
        "samples. Read the slope, the calibration in the large and the curve."
    )
    return found


def intervals(run: Run) -> str:
    """What the intervals of this design contain, and what they leave out."""
    if run.design in NOT_FITTED:
        return "Intervals describe the chance in which patients were judged, for the predictions as they are."
    if run.primary == CORRECTED:
        return (
            "Intervals of corrected figures are those of the apparent figure moved by the optimism: they describe the "
            "chance in which patients came into the study; the uncertainty of the optimism itself is not in them."
        )
    if run.design == "holdout":
        return (
            "Intervals describe the chance in which patients were held out, for the model as fitted; they do not "
            "contain the variation that fitting the model on other training patients would bring."
        )
    return (
        "Intervals describe the chance in which patients were judged, for the models as fitted in the splits. The fits "
        "share training patients, so what fitting on other patients would bring is not fully in them."
    )


def _looks(run: Run) -> list[str]:
    stages = list(dict.fromkeys(str(look.get("stage")) for look in run.info.get("looks") or []))
    return [
        f"Held-out outcomes were looked at before the final evaluation ({stage}): figures on held-out patients that "
        "depend on this choice are optimistic."
        for stage in stages
    ]


def _openings(run: Run) -> list[str]:
    found = []
    opening = run.info.get("opening") or {}
    others, share = (count(opening.get("protocols")) or 1) - 1, number(opening.get("share"))
    if others > 0 or share > 0:
        how = f"{text.percent(share)} of the held-out outcomes" if share > 0 else "Held-out outcomes"
        under = f" under {others} other protocol{'s' if others > 1 else ''}" if others > 0 else ""
        found.append(
            f"{how} had been opened before{under}. If this protocol was written with those results in mind, its "
            "figures are optimistic; no interval contains that."
        )
    state = dig(run.info, "sealed.state")
    if state == "unsealed":
        found.append(
            "The protocol was not sealed, so that it was written before the outcomes were seen rests on its authors' "
            "word alone."
        )
    elif state == AFTER:
        found.append("The protocol was sealed only after these outcomes had been opened: it is no declaration ahead.")
    return found


def _numbers(run: Run) -> list[str]:
    held_out = dig(run.info, "cohort.held_out") or {}
    n, events = count(held_out.get("n")), count(held_out.get("events"))
    if n is None or events is None or min(events, n - events) >= ADVISED:
        return []
    few, word = (events, "had the event") if events <= n - events else (n - events, "did not have the event")
    whom = "patients" if run.primary == CORRECTED or run.design in NOT_FITTED else "held-out patients"
    return [
        f"Only {few} of {n} {whom} {word}. At least {ADVISED} with and {ADVISED} without the event are "
        "advised for a validation (Vergouwe et al. 2005); with fewer, calibration in particular is uncertain."
    ]


def _design(run: Run) -> list[str]:
    found = []
    words = {
        "holdout": _holdout(run),
        "bootstrap": "Performance is corrected for the optimism of fitting and judging on the same patients. It is "
        "that expected in new patients like these; other case mix, other devices and other times were not examined.",
        "internal-external": "Sites were left out as the cohort names them. They are few and not drawn at random, so "
        "the range at a new site holds for sites like these.",
        "external": "The model was locked before and judged as it is; nothing of it was fitted here. The figures hold "
        "for this cohort's case mix.",
        "as-given": "The predictions were made elsewhere. Nothing is known here about how: whether these patients took "
        "part in making the model, or the outcome was known, cannot be told from the predictions.",
        **dict.fromkeys(
            FOLDS,
            "Each split fitted a model of its own. The figures describe the procedure that makes the model, pooled "
            "over these models, and not the one model that is fitted to all patients, which no patient here can judge.",
        ),
    }
    found += [words[run.design]] if run.design in words else []
    found += _small_sites(run)
    before = list(map(str, run.setting("model.before_split") or []))
    if before:
        found.append(
            f"Learnt from all patients before the split, as the protocol declares: {text.listed(before)}. Held-out "
            "figures are optimistic by it."
        )
    excluded = dig(run.info, "cohort.excluded") or []
    if excluded:
        whom = "One patient was" if len(excluded) == 1 else f"{len(excluded)} patients were"
        found.append(f"{whom} excluded; see Patients for the reason.")
    return found


def _small_sites(run: Run) -> list[str]:
    """Sites that are too small to be judged well on their own."""
    if run.design != "internal-external":
        return []
    try:
        model = run.reference
    except NotAvailable:
        return []
    parts = (model.get("by_split") or []) if model else []
    sizes = [(count(one.get("n")) or 0, count(one.get("events")) or 0, str(one.get("site"))) for one in parts]
    small = [site for n, events, site in sizes if min(events, n - events) < ADVISED]
    if not small:
        return []
    return [
        f"{len(small)} of {len(sizes)} sites have fewer than {ADVISED} patients with or without the event "
        f"({text.listed(small)}): their own figures are uncertain."
    ]


def _holdout(run: Run) -> str:
    by = str(run.setting("design.by") or "random")
    if by == "date":
        return "The latest patients were held out, once: the figures hold for that period and no later one."
    if by == "device":
        return "Patients of the named devices were held out, once: devices not in the cohort were not examined."
    return "The patients were split once at random; another split would give other figures."


def _sites(run: Run) -> list[str]:
    sites = dig(run.info, "cohort.sites") or {}
    if run.design in ("internal-external", *NOT_FITTED):
        few = len(sites) == 1
        return ["All patients come from one site. Whether the predictions hold elsewhere was not examined."] * few
    if not sites:
        return ["No site was recorded. Whether the model holds elsewhere was not examined."]
    if len(sites) == 1:
        return ["All patients come from one site. Whether the model holds elsewhere was not examined."]
    return [
        f"The patients come from {len(sites)} sites, and held-out patients from the same sites as training "
        "patients: transport to a new site was not examined."
    ]


def _stages(run: Run) -> list[str]:
    found = []
    if run.records_of("reproducibility").get("perturbed"):
        found.append(
            "Reproducibility was judged on randomised copies of one outline, not on a second reading: differences "
            "between readers may be larger."
        )
    stand_in = [str(b.get("name")) for b in run.records_of("deep").get("backbones") or [] if not b.get("pretrained")]
    if stand_in:
        found.append(f"Trained without pretrained weights: {text.listed(stand_in)}.")
    if run.records_of("nomogram").get("fusion_score") == "resubstituted":
        found.append(
            "The nomogram was fitted to fusion scores of the patients the fusion was fitted to (resubstituted). Such "
            "scores are too sharp, so the nomogram gives them too much weight."
        )
    if run.setting("cohort.missing") == "impute":
        found.append(
            "Missing predictors were imputed as if their absence depended only on what was recorded. Where a value is "
            "missing because of what it would have been, figures may be off in either direction."
        )
    return found
