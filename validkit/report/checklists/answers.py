"""What a run's records answer to the items of a guideline, each a sentence; NotAvailable where they tell nothing."""

from __future__ import annotations

from collections.abc import Callable

from validkit.report import text
from validkit.report.frontpage import design_words, sentinel_words
from validkit.report.limits import intervals
from validkit.report.notices import opening_words
from validkit.report.records import NotAvailable, Run, dig, need
from validkit.report.subject import label, subject
from validkit.report.transfer import DRIFTED
from validkit.report.values import count, estimate

__all__ = ["ANSWERS", "Answer"]

Answer = Callable[[Run], str]
MEASURED = (("auc", "AUC"), ("slope", "calibration slope"), ("calibration_in_the_large", "calibration in the large"),
            ("brier", "Brier score"))  # fmt: skip


def question(run: Run) -> str:
    """The protocol's question."""
    return f"Objective as declared: {need(dig(run.info, 'protocol.question'), 'a question')}"


def source(run: Run) -> str:
    """Cohort, its description and digest."""
    name = need(dig(run.info, "cohort.name"), "the cohort")
    kind = "simulated patients" if run.synthetic else "patients"
    described = str(dig(run.info, "cohort.description") or "")
    digest = str(dig(run.info, "cohort.digest") or "")[:12]
    return f"Cohort {name}: {kind}. {described} Digest {digest}.".replace("  ", " ")


def sites(run: Run) -> str:
    """How many sites, and how large."""
    found = need(dig(run.info, "cohort.sites"), "sites")
    named = text.listed([f"{site} ({text.whole(count(n))})" for site, n in found.items()])
    return f"{len(found)} site{'s' if len(found) > 1 else ''}: {named}."


def flow(run: Run) -> str:
    """Patients from the table to the analysis."""
    steps = need(run.stage("cohort").get("flow"), "the flow of patients")
    told = [f"{step['step']} {step['n']}" + (f" ({step['reason']})" if step.get("reason") else "") for step in steps]
    return f"Flow of patients: {'; '.join(told)}."


def eligibility(run: Run) -> str:
    """How patients without some value were handled; the rest of eligibility is the authors'."""
    rule = need(run.setting("cohort.missing"), "a rule for missing values")
    border = run.setting("cohort.border")
    more = f" Lesions that touch the image border: {border}." if border else ""
    return f"Patients with missing values: {rule}.{more} Clinical criteria are for the authors to state."


def outcome(run: Run) -> str:
    """The outcome's column and words."""
    column = need(run.setting("cohort.outcome.column"), "the outcome's column")
    return (
        f"Outcome column {column!r}: {run.positive} (event) against {run.negative}. How it was assessed: the authors."
    )


def predictors(run: Run) -> str:
    """Declared predictors with kind, unit and levels."""
    declared = need(run.setting("cohort.predictors"), "predictors")
    told = []
    for name, spec in sorted(declared.items()):
        unit = f", {spec['unit']}" if spec.get("unit") else ""
        levels = f": {', '.join(spec['levels'])}" if spec.get("levels") else ""
        told.append(f"{spec.get('label') or name} ({spec['kind']}{unit}{levels})")
    return f"Predictors as declared: {'; '.join(told)}."


def sizes(run: Run) -> str:
    """Patients and events of every set."""
    told = []
    for key, words in (("cohort", "all"), ("cohort.training", "training"), ("cohort.held_out", "held out")):
        n = count(dig(run.info, f"{key}.{'patients' if key == 'cohort' else 'n'}"))
        events = count(dig(run.info, f"{key}.events"))
        if n is not None:
            told.append(f"{words} {n} ({text.whole(events)} with {run.positive})")
    return f"Patients: {'; '.join(need(told, 'sizes'))}."


def missing(run: Run) -> str:
    """Missing values: what was done, and how many there were."""
    rule = need(run.setting("cohort.missing"), "a rule for missing values")
    how = f", {run.setting('imputation.method')} imputation inside each split" if rule == "impute" else ""
    excluded = next((s["n"] for s in run.records_of("cohort").get("flow", []) if s["step"] == "excluded"), 0)
    return f"Missing values: {rule}{how}; {excluded} patients excluded for them."


def partition(run: Run) -> str:
    """The design in a sentence."""
    return f"{text.capital(design_words(run))}."


def model(run: Run) -> str:
    """The kind of model, its parts and their choice."""
    if run.kind == "plnm":
        networks = ", ".join(run.setting("model.deep.backbones") or [])
        classifiers = ", ".join(run.setting("model.classifiers.use") or [])
        return (
            f"Radiomic signature (ICC filter, Mann-Whitney, Spearman, LASSO), deep transfer learning ({networks}), "
            f"fusion, classifiers ({classifiers}) and a logistic nomogram; every choice is made on training patients "
            "as the protocol in the run folder declares."
        )
    if run.kind == "estimators":
        told = [f"{one['name']} ({one['estimator']})" for one in run.setting("model.estimators") or []]
        return f"Estimators: {'; '.join(told)}; settings in the protocol of the run folder."
    if run.kind == "bundle":
        return f"A locked model, applied as it is: bundle {str(dig(run.stage('bundle'), 'digest'))[:12]}."
    raise NotAvailable("the predictions were made elsewhere: the authors describe the model")


def measures(run: Run) -> str:
    """Measures, their intervals, and the plots."""
    level = text.level(float(run.evaluation.get("level") or 0.95))
    return (
        "AUC (DeLong), calibration slope and in the large, calibration curve with band, Brier score, decision curve, "
        f"and every measure of the registry, with {level} intervals; {intervals(run)}"
    )


def results(run: Run) -> str:
    """The main model's figures with their intervals."""
    found = subject(run)
    told = [
        f"{words} {text.estimate(estimate(found.scores.get(key)))}" for key, words in MEASURED if found.scores.get(key)
    ]
    return f"{found.label}, {found.among}: {'; '.join(need(told, 'performance'))}."


def compared(run: Run) -> str:
    """The models compared, by AUC."""
    told = []
    for one in run.compared():
        scores = one["sets"].get(run.primary) or {}
        if scores.get("auc"):
            told.append(f"{label(one)} {text.estimate(estimate(scores['auc']))}")
    if len(told) < 2:
        raise NotAvailable("one model alone was judged")
    adjust = run.setting("evaluation.compare.adjust")
    return f"AUCs: {'; '.join(told)}. Differences by DeLong's test, p values adjusted by {adjust}."


def threshold(run: Run) -> str:
    """The operating threshold and how it was chosen."""
    told = subject(run).scores.get("threshold") or {}
    value = need(told.get("value"), "an operating threshold")
    return f"Risks, and decisions at {value:.3g} ({told.get('rule') or 'rule not recorded'})."


def recalibration(run: Run) -> str:
    """What was recalibrated or updated."""
    if run.kind == "bundle" and run.records_of("updating"):
        return "Updating methods were judged by cross-fitting at this centre; none changed the figures reported."
    if run.kind == "plnm":
        return "Classifiers' scores are Platt-scaled on training patients; the nomogram was not updated afterwards."
    raise NotAvailable("the run does not record any updating")


def heterogeneity(run: Run) -> str:
    """Whether performance was looked at by site."""
    if run.design == "internal-external":
        return "Every site was left out in turn; figures by site and pooled by random effects are in the report."
    raise NotAvailable("the design leaves no site out")


def seeds(run: Run) -> str:
    """Protocol digest, seal, seeds and versions: what repeats the run."""
    digest = str(need(dig(run.info, "protocol.digest"), "the protocol's digest"))[:12]
    sealed = str(dig(run.info, "sealed.sentence") or "not sealed")
    return f"Protocol digest {digest}; {sealed}. {text.capital(opening_words(run))}."


def code(run: Run) -> str:
    """The software and its version."""
    version = need(run.info.get("validkit"), "a version")
    packages = ", ".join(f"{name} {v}" for name, v in sorted((run.info.get("versions") or {}).items())[:6])
    return f"validkit {version} (open source) with the protocol in the run folder; {packages} and others in run.json."


def specification(run: Run) -> str:
    """Where the whole model is."""
    if "bundle.zip" in (run.info.get("files") or {}):
        return "The whole model is in bundle.zip: every part with its SHA-256, applicable by `validkit external`."
    raise NotAvailable("the run wrote no bundle")


def table_one(run: Run) -> str:
    """That characteristics were tabulated."""
    rows = need(dig(run.stage("cohort"), "table1.rows"), "characteristics")
    return f"Characteristics of patients with and without {run.positive}: Table 1 of the report, {len(rows)} rows."


def leaks(run: Run) -> str:
    """What the leakage sentinels say."""
    need(run.info.get("sentinels"), "leakage sentinels: none was run (--sentinels)")
    return f"Leakage sentinels: {sentinel_words(run)}"


def drift(run: Run) -> str:
    """How inputs are spread here against development."""
    rows = run.stage("drift")["rows"]
    moved = [row for row in rows if (row.get("p_adjusted") or 1.0) < DRIFTED]
    return f"{len(moved)} of {len(rows)} inputs are spread otherwise than in development ({DRIFTED:g} level, Holm)."


def external(run: Run) -> str:
    """That a locked model was tested at a centre that took no part in it."""
    if run.kind != "bundle":
        raise NotAvailable("the run is no external validation")
    return f"{text.capital(design_words(run))}. {results(run)}"


def radiomics(run: Run) -> str:
    """Extraction: software, preset, discretisation, numbers of features."""
    record = run.stage("radiomics")
    version = (run.info.get("versions") or {}).get("pyradiomics", "version not recorded")
    width = run.setting("model.radiomics.bin_width")
    counted = run.setting("model.radiomics.bin_count")
    bins = f"bin width {width}" if width else f"{counted} bins" if counted else "discretised as the preset declares"
    return (
        f"PyRadiomics {version}, preset {record['preset']}, {bins}; {record['n_features']} features from each outline."
    )


def image_types(run: Run) -> str:
    """Image types of the features."""
    return f"Image types: {', '.join(need(run.stage('radiomics').get('by_image_type'), 'image types'))}."


def feature_classes(run: Run) -> str:
    """Feature classes and how many."""
    told = need(run.stage("radiomics").get("by_class"), "feature classes")
    return f"Features by class: {', '.join(f'{name} {n}' for name, n in told.items())}."


def outlines(run: Run) -> str:
    """The roles of outlines."""
    roles = need(run.setting("cohort.outlines"), "outlines")
    return f"Outlines: {', '.join(sorted(roles))}. Who drew them, with what: the authors."


def reproducibility(run: Run) -> str:
    """The ICC filter."""
    run.stage("reproducibility")
    limit = run.setting("model.reproducibility.icc_min") or run.setting("model.reproducibility.minimum")
    said = f" of at least {limit}" if limit else ""
    return f"Features are kept by an intraclass correlation{said} over repeated outlines, on training patients alone."


def selection(run: Run) -> str:
    """Dimension reduction and what is left."""
    record = run.stage("selection")
    kept = record.get("n_selected") or len(record.get("selected") or record.get("features") or [])
    return (
        f"Mann-Whitney, Spearman and LASSO on training patients; {kept or 'some'} features remain (report, selection)."
    )


def tuning(run: Run) -> str:
    """Choices inside training patients."""
    if run.kind == "plnm":
        return (
            "Hyperparameters by grid search in inner folds of training patients, as declared under [model.classifiers]."
        )
    if run.kind == "estimators":
        return "Hyperparameters as declared; searches run in inner folds of training patients."
    raise NotAvailable("nothing was tuned in this run")


def explained(run: Run) -> str:
    """Grad-CAM and importances."""
    run.stage("deep")
    return "Grad-CAM maps of the network, importances of features and the nomogram are in the report."


ANSWERS: dict[str, Answer] = {
    one.__name__: one
    for one in (
        question, source, sites, flow, eligibility, outcome, predictors, sizes, missing, partition, model, measures,
        results, compared, threshold, recalibration, heterogeneity, seeds, code, specification, table_one, leaks,
        drift, external, radiomics, image_types, feature_classes, outlines, reproducibility, selection, tuning,
        explained,
    )
}  # fmt: skip
"""every answer, by its name in `items`"""
