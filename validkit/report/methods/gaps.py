"""Missing predictor values: how many, and what was done about them."""

from __future__ import annotations

from validkit.report import text
from validkit.report.methods.saying import authors, cite, named, quoted, said, spelled, told
from validkit.report.missing import ALL, missing_rows
from validkit.report.records import NotAvailable, Run, need
from validkit.report.values import count

__all__ = ["missing_text"]

MOST_LACKING = 15
FILLED = {
    "simple": "by the median or the most frequent level",
    "iterative": "by chained equations with predictive mean matching",
}


def missing_text(run: Run) -> str:
    """How missing values were handled, and how many there were."""
    if run.kind == "predictions":
        return f"The predictions were judged as given. {authors('how missing values were handled in making them')}"
    rule = str(run.setting("cohort.missing") or "")
    if not rule:
        return authors("how missing values were handled, and how many there were")
    if rule == "impute":
        made = (_locked,) if run.kind == "bundle" else (_imputed, _copies, _native, _indicator)
        return told(run, (_lacking, *made))
    return told(run, (_refused if rule == "refuse" else _complete, _lacking))


def _refused(run: Run) -> str:
    need(run.setting("cohort.predictors"), "predictors")
    return "No predictor value was missing: the protocol refused a cohort that lacks one."


def _complete(run: Run) -> str:
    return "Patients with a missing predictor value were left out (complete-case analysis)."


def _lacking(run: Run) -> str:
    sizes: dict[str, dict[str, tuple[int, int]]] = {}
    for name, site, n, lost in missing_rows(run):
        sizes.setdefault(name, {})[site] = (n, lost)
    totals = {name: _total(found) for name, found in sizes.items()}
    lacking = {name: found for name, found in totals.items() if found[1]}
    if not lacking:
        raise NotAvailable("no predictor has a missing value")
    most = sorted(lacking, key=lambda name: -lacking[name][1])
    listed = "; ".join(f"{_short(run, name)}, {lacking[name][1]}" for name in most[:MOST_LACKING])
    more = f"; {len(most) - MOST_LACKING} more" if len(most) > MOST_LACKING else ""
    n = max(found[0] for found in totals.values())
    return (
        f"{spelled(len(lacking))} of {len(totals)} predictors had missing values (numbers of {text.whole(n)} patients: "
        f"{listed}{more})."
    )


def _short(run: Run, name: str) -> str:
    """A predictor's label without what its brackets explain."""
    return said(str(run.setting(f"cohort.predictors.{name}.label") or name).partition(" (")[0])


def _total(found: dict[str, tuple[int, int]]) -> tuple[int, int]:
    return found[ALL] if ALL in found else (sum(n for n, _ in found.values()), sum(m for _, m in found.values()))


def _imputed(run: Run) -> str:
    method = str(need(run.setting("imputation.method"), "a method of imputation"))
    keys = f" {cite('White2011', 'Little1988')}" if method == "iterative" else ""
    leaked = "imputation" in (run.setting("model.before_split") or [])
    split = "resample" if run.design == "bootstrap" else "split"
    where = "all patients before the split" if leaked else f"the training patients of each {split} alone"
    how = FILLED.get(method, f"by the method {quoted(method)}")
    return f"Missing values were imputed {how}{keys}, learnt from {where}; the outcome was not used."


def _locked(run: Run) -> str:
    copies = count(run.stage("bundle").get("copies")) or 1
    several = f", {text.whole(copies)} copies of it, over which risks were averaged" if copies > 1 else ""
    return f"Missing values were filled in by the locked model's own imputation, learnt at development{several}."


def _copies(run: Run) -> str:
    copies = count(run.setting("imputation.copies")) or 1
    if run.setting("imputation.method") != "iterative" or copies < 2:
        raise NotAvailable("there is one copy")
    rounds = count(run.setting("imputation.iterations"))
    after = f" after {text.whole(rounds)} rounds of the equations" if rounds else ""
    combined = {
        "rubin": f"the model was fitted and judged in each, and statistics were pooled by Rubin's rules "
        f"{cite('Rubin1987', 'Barnard1999')}",
        "average": "each patient's mean predicted risk over the copies was judged",
    }
    how = combined.get(str(run.setting("imputation.combine")), "the model was fitted in each")
    return f"{spelled(copies)} completed copies were made{after}; {how}."


def _native(run: Run) -> str:
    models = [
        m.get("label") or m.get("name") for m in run.stage("estimators")["models"] if m.get("missing") == "native"
    ]
    which = "which takes" if len(models) == 1 else "which take"
    return f"Nothing was imputed for {named(need(models, 'such models'))}, {which} missing values as they are."


def _indicator(run: Run) -> str:
    if not run.setting("imputation.indicator"):
        raise NotAvailable("there is no indicator")
    return "Indicators of which values were missing entered the models as further predictors."
