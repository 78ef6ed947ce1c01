"""The model under validation: built in stages, estimators, a locked bundle, or predictions made elsewhere."""

from __future__ import annotations

from typing import Any

from validkit.report import text
from validkit.report.methods.plnm import PLNM_SENTENCES
from validkit.report.methods.saying import authors, cite, named, quoted, said, spelled, told
from validkit.report.methods.tools import CITED_AS
from validkit.report.records import NotAvailable, Record, Run, dig, need
from validkit.report.subject import label, spoken
from validkit.report.values import count

__all__ = ["model_text"]

ROOTS = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}
SCORES = {
    "neg-log-loss": "log loss",
    "roc-auc": "AUC",
    "balanced-accuracy": "balanced accuracy",
    "neg-brier": "Brier score",
}
RECALIBRATED = {"platt": f"Platt scaling {cite('Platt1999')}", "isotonic": "isotonic regression"}
SHORT = 12


def model_text(run: Run) -> str:
    """What was validated, as far as the records tell."""
    if run.kind == "plnm":
        return told(run, (*PLNM_SENTENCES, _reference))
    if run.kind == "estimators":
        return told(run, (_estimators, _prepared, _searched, _recalibrated, _reference))
    if run.kind == "bundle":
        return told(run, (_bundle, _developed, _updated, _harmonised, _reference))
    return told(run, (_given, _reference))


def _reference(run: Run) -> str:
    others = len(run.compared()) - 1
    if others < 1 or run.reference is None:
        raise NotAvailable("one model was judged")
    rest = "the other was" if others == 1 else "others were"
    return f"The main model was {said(spoken(run.reference))}; {rest} judged beside it."


# --- estimators ------------------------------------------------------------------------------------------------


def _models(run: Run) -> list[Record]:
    found: list[Record] = need(run.stage("estimators")["models"], "models")
    return found


def _estimators(run: Run) -> str:
    models = _models(run)
    one = len(models) == 1
    listed = "; ".join(_estimator(model) for model in models)
    return f"{'The model was' if one else f'{spelled(len(models))} models were'} fitted: {listed}."


def _estimator(model: Record) -> str:
    path = str(model.get("estimator") or "")
    root, name = path.partition(".")[0], path.rpartition(".")[2]
    columns = model.get("columns") or []
    key = CITED_AS.get(ROOTS.get(root, root))
    facts = [f"{said(name)} of {said(ROOTS.get(root, root))}{f' {cite(key)}' if key else ''}"] if name else []
    facts += [f"{len(columns)} input columns"] if columns else []
    facts += [f"declared settings: {_settings(model['declared'])}"] if model.get("declared") else []
    return f"{quoted(label(model))} ({', '.join(facts)})" if facts else quoted(label(model))


def _settings(found: dict[str, Any]) -> str:
    return ", ".join(f"{said(name)} = {_value(value)}" for name, value in found.items())


def _value(value: Any) -> str:
    return (
        f"{value:.4g}" if isinstance(value, float) else said(value) if isinstance(value, int | str) else "as declared"
    )


def _which(models: list[Record], all_of: list[Record]) -> str:
    if len(models) == len(all_of):
        return "" if len(all_of) == 1 else " for every model"
    return f" for {text.listed([quoted(label(model)) for model in models])}"


def _prepared(run: Run) -> str:
    models = _models(run)
    scaled = [model for model in models if model.get("scaled")]
    selected = [one for one in run.setting("model.estimators") or [] if one.get("select")]
    said_of = [f"Columns were standardised{_which(scaled, models)}."] if scaled else []
    for one in selected:
        rule = one["select"]
        kept = f"the {rule['keep']} columns with" if rule.get("keep") else f"columns with p < {rule.get('alpha')} by"
        said_of.append(f"For {quoted(label(one))}, {kept} the smallest p values of univariable F tests were kept.")
    return " ".join(need(said_of, "scaling or selection"))


def _searched(run: Run) -> str:
    models = _models(run)
    found = [model for model in models if model.get("search")]
    kinds: dict[tuple[str, int | None], list[Record]] = {}
    for model in need(found, "searches"):
        search = model["search"]
        kinds.setdefault((str(search.get("score")), count(search.get("folds"))), []).append(model)
    sentences = []
    for (score, folds), those in kinds.items():
        sizes = [count(model["search"].get("n_candidates")) for model in those]
        of = f" among {_sizes(sizes)}" if None not in sizes else ""
        times = f"{folds}-fold " if folds else ""
        sentences.append(
            f"Hyperparameters{_which(those, models)} were chosen{of} by "
            f"{times}cross-validation on training patients (criterion: {SCORES.get(score, said(score))})."
        )
    return " ".join(sentences)


def _sizes(sizes: list[int | None]) -> str:
    told_sizes = [text.whole(n) for n in sizes]
    if len(set(told_sizes)) == 1:
        return f"{told_sizes[0]} candidates{' each' if len(sizes) > 1 else ''}"
    return f"{text.listed(told_sizes)} candidates, respectively,"


def _recalibrated(run: Run) -> str:
    models = _models(run)
    found: dict[str, list[Record]] = {}
    for model in models:
        how = model.get("recalibration")
        if how:
            found.setdefault(str(how.get("method") or how.get("kind") or ""), []).append(model)
    sentences = []
    for how, those in need(found, "recalibration").items():
        words = RECALIBRATED.get(how, said(how) or "a method not recorded")
        which = _which(those, models)
        sentences.append(f"Risks{which} were recalibrated by {words} on cross-fitted predictions of training patients.")
    return " ".join(sentences)


# --- models from elsewhere -------------------------------------------------------------------------------------


def _bundle(run: Run) -> str:
    digest = said(str(need(run.stage("bundle").get("digest"), "a digest"))[:SHORT])
    name = dig(run.stage("bundle"), "protocol.name")
    of = f" of the run {quoted(name)}" if name else ""
    return f"The model was a locked one{of} (bundle digest {digest}), applied without fitting any of it again."


def _developed(run: Run) -> str:
    n, events = (count(dig(run.stage("bundle"), f"training.{key}")) for key in ("n", "events"))
    if n is None or events is None:
        raise NotAvailable("the bundle does not tell its training patients")
    needs = run.stage("bundle").get("needs") or []
    columns = f" Its clinical predictor{'s were' if len(needs) > 1 else ' was'} {named(needs)}." if needs else ""
    return f"It had been developed on {text.whole(n)} patients, {text.whole(events)} with the event.{columns}"


def _updated(run: Run) -> str:
    steps = need(run.stage("bundle").get("lineage"), "updates")
    listed = text.listed(
        [f"{said(step.get('method'))} on {text.whole(count(step.get('n')))} patients" for step in steps]
    )
    return f"Since then it had been updated: {listed}."


def _harmonised(run: Run) -> str:
    record = run.stage("harmonisation")
    n = len(need(record.get("features"), "features"))
    shrunk = "with" if record.get("shrunk") else "without"
    given = record.get("covariates") or []
    kept = f", keeping what {named(given)} explained" if given else ""
    return (
        f"{spelled(n)} inputs were harmonised with those of development by ComBat {cite('Johnson2007')}, {shrunk} "
        f"empirical Bayes shrinkage{kept}; no outcome was used."
    )


def _given(run: Run) -> str:
    models = need(run.models(), "models")
    listed = text.listed([quoted(label(model)) for model in models])
    words = "a model" if len(models) == 1 else f"{len(models)} models"
    return (
        f"Predicted risks of {words} made elsewhere ({listed}) were judged as they were given; nothing was fitted. "
        f"{authors('the model, its development, and whether these patients took part in it')}"
    )
