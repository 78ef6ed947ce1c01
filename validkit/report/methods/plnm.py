"""The PLNM model in the words of a methods section, stage by stage, from settings and stage records."""

from __future__ import annotations

from typing import Any

from validkit.report import text
from validkit.report.methods.saying import Sentence, cite, fraction, named, said
from validkit.report.records import NotAvailable, Run, need
from validkit.report.values import count, number

__all__ = ["PLNM_SENTENCES"]

NETWORKS = {
    "densenet121": ("DenseNet121", "Huang2017"),
    "resnet50": ("ResNet50", "He2016"),
    "alexnet": ("AlexNet", "Krizhevsky2012"),
    "efficientnet-lite0": ("EfficientNet-Lite0", "Tan2019"),
}
CLASSIFIERS = {
    "lr": "logistic regression",
    "svm": "support vector machine",
    "knn": "k-nearest neighbours",
    "random-forest": "random forest",
    "extra-trees": "extremely randomised trees",
    "xgboost": f"XGBoost {cite('Chen2016')}",
    "lightgbm": f"LightGBM {cite('Ke2017')}",
    "mlp": "multilayer perceptron",
}
CHOSEN = {
    "inner-validation": "by inner validation on training patients",
    "cross-validation": "by cross-validation on training patients",
    "held-out auc": "by its AUC on held-out patients",
}


def _whole(run: Run) -> str:
    return (
        "The model combined a radiomic signature, deep features of a convolutional network and clinical predictors in "
        f"a logistic nomogram, after Wang et al. {cite('Wang2025')}."
    )


def _radiomics(run: Run) -> str:
    record = run.stage("radiomics")
    version = (record.get("versions") or {}).get("pyradiomics") or (run.info.get("versions") or {}).get("pyradiomics")
    width, bins = run.setting("model.radiomics.bin_width"), run.setting("model.radiomics.bin_count")
    grey = f", grey levels in bins of {number(width):g}" if width else f", {bins} grey levels" if bins else ""
    return (
        f"From each outline {text.whole(count(record['n_features']))} radiomic features were extracted with "
        f"PyRadiomics{f' {said(version)}' if version else ''} {cite('vanGriethuysen2017')} (preset "
        f"{said(record['preset'])}{grey})."
    )


def _reproducibility(run: Run) -> str:
    record = run.stage("reproducibility")
    groups = record["groups"]
    who = "; ".join(f"{said(name)}: {text.whole(count(one.get('n')))} patients" for name, one in groups.items())
    where = {"both": "in every comparison", "either": "in at least one comparison"}.get(str(record["keep"]), "")
    copies = "randomised copies of the outline" if record.get("perturbed") else f"repeated outlines ({who})"
    return (
        f"Features were kept if their intraclass correlation, {said(record['form'])} {cite('Shrout1979')}, over "
        f"{copies} was at least {number(record['minimum']):g}{f' {where}' if where and len(groups) > 1 else ''}."
    )


def _selection(run: Run) -> str:
    declared = run.setting("model.radiomics.select") or run.stage("selection")["steps"]
    steps = [_step(step) for step in declared]
    return f"The signature was then selected by {', then by '.join(need(steps, 'steps of selection'))}."


def _step(step: dict[str, Any]) -> str:
    method = str(step.get("method"))
    if method == "mann-whitney":
        limit = f" (p < {number(step['alpha']):g})" if "alpha" in step else ""
        return f"the Mann-Whitney test{limit}"
    if method == "spearman":
        above = f" (above {number(step['above']):g})" if "above" in step else ""
        return f"leaving out one of each pair of features with a high absolute Spearman correlation{above}"
    if method == "lasso":
        folds = f", its penalty chosen by {step['folds']}-fold cross-validation" if "folds" in step else ""
        loss = {"logistic": "logistic ", "squared": "least-squares "}.get(str(step.get("loss")), "")
        rule = " and the one-standard-error rule" if step.get("rule") == "1se" else ""
        return f"the {loss}LASSO {cite('Tibshirani1996', 'Friedman2010')}{folds}{rule}"
    return said(method)


def _networks(run: Run) -> str:
    record = run.stage("deep")
    rows = need(record["backbones"], "networks")
    known = [NETWORKS.get(str(row["name"]), (said(row["name"]), "")) for row in rows]
    listed = text.listed([f"{name} {cite(key)}" if key else name for name, key in known])
    pretrained = [bool(row.get("pretrained")) for row in rows]
    imagenet = all(_weights(run, row).startswith("imagenet") for row in rows)
    weights = (
        f"with weights from ImageNet {cite('Deng2009')}" if all(pretrained) and imagenet else "with weights from files"
    )
    start = "without pretrained weights" if not any(pretrained) else weights
    trained = {"all": "all layers were trained", "head": "the last layer alone was trained"}
    how = trained.get(str(rows[0].get("train") or run.setting("model.deep.train")), "trained")
    return f"{listed} {'was' if len(rows) == 1 else 'were'} initialised {start}; {how}{_training(run)}."


def _weights(run: Run, row: dict[str, Any]) -> str:
    return str(row.get("weights") or run.setting("model.deep.weights"))


def _training(run: Run) -> str:
    setting = run.setting("model.deep") or {}
    facts = []
    if "epochs" in setting:
        facts.append(f"for at most {setting['epochs']} epoch{'' if setting['epochs'] == 1 else 's'}")
    if {"batch_size", "learning_rate"} <= set(setting):
        facts.append(f"in batches of {setting['batch_size']} at a learning rate of {setting['learning_rate']:g}")
    if "inner_validation" in setting:
        share = fraction(setting["inner_validation"])
        facts.append(f"stopping early by the loss in {share} of the training patients, set aside for this")
    return f" {', '.join(facts)}" if facts else ""


def _embedding(run: Run) -> str:
    rows = need(run.stage("deep")["backbones"], "networks")
    dims = sorted({count(row.get("components")) for row in rows} - {None})  # type: ignore[type-var]
    if len(dims) != 1:
        raise NotAvailable("the networks differ in their components")
    chosen = CHOSEN.get(str(run.stage("deep").get("choose")), "")
    one = f"; among the networks one was chosen {chosen}" if chosen and len(rows) > 1 else ""
    whose = "Each network's" if len(rows) > 1 else "Its"
    return f"{whose} embedding was reduced to {text.whole(dims[0])} principal components{one}."


def _fusion(run: Run) -> str:
    run.stage("fusion")
    setting = run.setting("model.fusion.select") or {}
    kept = (count(setting.get("radiomics")), count(setting.get("deep")))
    sizes = f", {kept[0]} radiomic and {kept[1]} deep ones" if None not in kept else ""
    return (
        "Radiomic features and deep components were fused, and features selected by recursive elimination "
        f"{cite('Guyon2002')}{sizes}."
    )


def _classifiers(run: Run) -> str:
    record = run.stage("classifiers")
    rows = record.get("fusion") or record.get("radiomics") or []
    names = [CLASSIFIERS.get(str(row["name"]), said(row.get("label") or row["name"])) for row in rows]
    search = run.setting("model.classifiers.search") or {}
    score = str(rows[0].get("score") or search.get("score") or "") if rows else ""
    folds = f"{search['folds']}-fold " if "folds" in search else ""
    by = f", judged by {said(score).replace('-', ' ')}" if score else ""
    chosen = CHOSEN.get(str(record.get("choose")), "")
    ending = f"; the classifier of each branch was chosen {chosen}" if chosen and len(names) > 1 else ""
    return (
        f"These classifiers were fitted to radiomic and to fused features: {text.listed(need(names, 'classifiers'))}. "
        f"Their hyperparameters were chosen by grid search in {folds}cross-validation on training patients{by}{ending}."
    )


def _clinical(run: Run) -> str:
    setting = run.setting("model.clinical") or {}
    declared = run.setting("model.nomogram.predictors")
    run.stage("clinical")
    if isinstance(declared, list):
        return f"The clinical predictors {named(_labels(run, declared))} were declared ahead for the nomogram."
    limits = ""
    if {"univariable_alpha", "multivariable_alpha"} <= set(setting):
        limits = f" (p < {setting['univariable_alpha']:g} alone, then p < {setting['multivariable_alpha']:g} together)"
    return (
        f"Independent clinical predictors were sought by univariable, then multivariable logistic regression{limits}."
    )


def _labels(run: Run, names: list[str]) -> list[str]:
    return [str(run.setting(f"cohort.predictors.{name}.label") or name) for name in names]


def _nomogram(run: Run) -> str:
    record = run.stage("nomogram")
    names = [said(term.get("label") or term["name"]) for term in record["terms"]]
    score = {
        "cross-fitted": "the fusion score of each training patient came from fits that had not seen that patient",
        "resubstituted": "the fusion scores were those of the patients the fusion had been fitted to (resubstitution), "
        "which gives them too much weight",
    }.get(str(record.get("fusion_score")), "")
    platt = f" The risks were Platt-scaled {cite('Platt1999')} on training patients." if record.get("platt") else ""
    return (
        f"The nomogram was a logistic regression of {text.listed(need(names, 'terms'))}"
        f"{f'; {score}' if score else ''}.{platt}"
    )


PLNM_SENTENCES: tuple[Sentence, ...] = (
    _whole, _radiomics, _reproducibility, _selection, _networks, _embedding, _fusion, _classifiers, _clinical,
    _nomogram,
)  # fmt: skip
"""the stages, in order"""
