"""The first page: of whom the question was asked, how binding the protocol was, and what came out."""

from __future__ import annotations

from validkit.report import text, views
from validkit.report.acceptance import declared
from validkit.report.locked import locked_words
from validkit.report.notices import FAILED, findings, opening_words
from validkit.report.page import Block, Card
from validkit.report.records import CORRECTED, NotAvailable, Run, dig
from validkit.report.subject import Subject, score, spoken, subject
from validkit.report.values import Estimate, count, estimate

HEADLINE = (
    ("auc", "AUC", "0.5 is chance, 1 is perfect"),
    ("slope", "Calibration slope", "ideal 1; below 1, risks are too extreme"),
    ("calibration_in_the_large", "Calibration in the large", "ideal 0; above 0, risks are too low"),
    ("brier", "Brier score", "0 is perfect; lower is better"),
)
NOT_FITTED = ("as-given", "external")
RESAMPLED = "bootstrap"
NO_DESIGN = "not recorded: the folder was written before designs were"
NOT_OPENED = "not recorded: the folder was written before openings were entered in a ledger"


def who(run: Run) -> list[tuple[str, str]]:
    """Of whom the question was asked: cohort, patients, sets, sites; then design, seal, openings, sentinels."""
    sites = dig(run.info, "cohort.sites") or {}
    kind = "simulated patients (synthetic)" if run.synthetic else "real patients"
    named = text.listed([f"{site} ({text.whole(count(n))})" for site, n in sites.items()])
    name, description = (str(dig(run.info, f"cohort.{key}") or "") for key in ("name", "description"))
    return [
        ("Cohort", f"{name or text.DASH}: {kind}. {description}".strip()),
        ("All", _sizes(run, "cohort", "patients")),
        *_sets(run),
        ("Sites", f"{len(sites)}: {named}" if sites else "not recorded"),
        ("Design", text.capital(design_words(run)) + "."),
        *([("Model", locked_words(run))] if run.records_of("bundle") else []),
        ("Protocol", text.capital(str(dig(run.info, "sealed.sentence") or "not recorded whether it was sealed")) + "."),
        ("Outcomes", text.capital(opening_words(run)) + "."),
        *_looks(run),
        *([] if declared(run) else [("Acceptance", "The protocol declares no acceptance criteria.")]),
        ("Sentinels", sentinel_words(run)),
    ]


def _sizes(run: Run, path: str, patients: str = "n") -> str:
    n, events = count(dig(run.info, f"{path}.{patients}")), count(dig(run.info, f"{path}.events"))
    share = f" ({text.percent(events / n)})" if n and events is not None else ""
    return f"{text.whole(n)} patients, {text.whole(events)} with {run.positive}{share}"


def _sets(run: Run) -> list[tuple[str, str]]:
    """Training and held-out patients, as the design made them."""
    if run.design in NOT_FITTED:
        return [("Judged", f"{_sizes(run, 'cohort.held_out')}; nothing was fitted to them in this run")]
    if run.design == RESAMPLED:
        return [("Held-out", "no patient for good: performance is corrected for optimism by resampling")]
    held_out = _sizes(run, "cohort.held_out")
    if run.design == "holdout":
        return [("Training", _sizes(run, "cohort.training")), ("Held-out", held_out)]
    return [("Held-out", f"{held_out}; in turn, each predicted by fits that had not seen them")]


def design_words(run: Run) -> str:
    """The design in a sentence without its full stop."""
    return str(dig(run.info, "design.sentence") or NO_DESIGN)


def _looks(run: Run) -> list[tuple[str, str]]:
    looks = run.info.get("looks")
    if looks is None or (not looks and run.design in NOT_FITTED):
        return []
    stages = list(dict.fromkeys(str(look.get("stage")) for look in looks))
    seen = f"Held-out outcomes were seen while the model was chosen ({', '.join(stages)})."
    none = "None was recorded: no fit chose anything by held-out outcomes."
    return [("Looks", seen if stages else none)]


def sentinel_words(run: Run) -> str:
    """`8 passed, 1 failed, 1 not applicable`."""
    outcomes = [str(finding.get("outcome")) for finding in findings(run)]
    if not outcomes:
        return "None was run."
    names = {"pass": "passed", FAILED: "failed", "not applicable": "not applicable"}
    parts = [f"{outcomes.count(key)} {words}" for key, words in names.items() if key in outcomes]
    others = len([one for one in outcomes if one not in names])
    return text.capital(", ".join(parts + ([f"{others} with an unknown outcome"] if others else []))) + "."


# --- the numbers -------------------------------------------------------------------------------------------


def headline(run: Run) -> list[Card]:
    """The reference model's numbers on the patients that answer the question."""
    found = subject(run)
    return [_card(found, *entry) for entry in HEADLINE]


def _card(found: Subject, key: str, name: str, meaning: str) -> Card:
    tag = found.among.removeprefix("patients ").removesuffix(" patients")
    return card(score(found.scores, key, found.where), name, meaning, tag=tag, sites=_sites(found, key))


def card(e: Estimate, name: str, meaning: str, *, tag: str = "", sites: str = "") -> Card:
    """An estimate as a headline number."""
    reason = e.note or ("" if e.defined else "undefined; no reason was recorded")
    between = f"{text.number(e.low)} to {text.number(e.high)}" if e.defined and e.has_interval else "no interval"
    note = f"{meaning}. {reason}" if reason else f"{meaning}."
    return Card(name, text.number(e.value), between, text.how(e), note, tag, sites)


def _sites(found: Subject, key: str) -> str:
    """What is expected at a site that took no part, where sites were left out in turn."""
    pooled = (found.model.get("pooled") or {}).get(key)
    if not pooled:
        return ""
    mean, new = estimate(pooled.get("estimate")), estimate(pooled.get("prediction"))
    sites = len(pooled.get("sites") or [])
    between = f"{text.number(new.low)} to {text.number(new.high)} ({text.level(new.level)} prediction interval)"
    expected = f"at a new site, {between}" if new.has_interval else "the range at a new site is not known"
    return f"Mean of {sites} sites: {text.estimate(mean)}; {expected}."


def headline_sentence(run: Run) -> str:
    """What the reference model's AUC means, in words; nothing where it is not defined."""
    try:
        found = subject(run)
    except NotAvailable:
        return ""
    auc = score(found.scores, "auc", found.where)
    if not auc.defined:
        return ""
    new = found.where == CORRECTED
    among = "new patients like these" if new else found.among
    return pairs_sentence(auc, among, spoken(found.model), run.positive, would=new)


def pairs_sentence(auc: Estimate, among: str, model: str, event: str, *, would: bool = False) -> str:
    """An AUC in words: how often the model is right about a pair, one of whom has the event."""
    sure = (
        f" ({text.level(auc.level)} interval {100 * auc.low:.1f} to {100 * auc.high:.1f} %)" if auc.has_interval else ""
    )
    return (
        f"Of every pair of {among}, one with and one without {event}, {model} {'would give' if would else 'gives'} the "
        f"higher risk to the one with {event} in {100 * auc.value:.1f} % of pairs{sure}; 50 % would be chance."
    )


def at_thresholds(run: Run) -> list[Block]:
    """The reference model at the declared thresholds."""
    found = subject(run)
    return [views.thresholds(run, found.model, found.where)]
