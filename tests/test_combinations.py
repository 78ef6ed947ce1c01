"""Settings that are impossible together are refused at once, and what is sound beside them is not."""

from __future__ import annotations

import pytest

from validkit.protocol import Protocol, ProtocolError, parse_protocol, read_protocol

NEST = ("design.kind=nested",)
BOOT = ("design.kind=bootstrap",)
FIXED = ('evaluation.thresholds={choose = "fixed", value = 0.3}',)

PLNM = """
[protocol]
schema = 1
name = "sound"
question = "Is it sound?"
[cohort]
outcome = { column = "y" }
site = "site"
date = "day"
device = "device"
outlines = { a = "m1", b = "m2" }
predictors = { age = { kind = "continuous" } }
[design]
kind = "holdout"
[model]
kind = "plnm"
reproducibility = { inter = ["a", "b"] }
deep = { backbones = ["efficientnet-lite0"] }
nomogram = { predictors = ["age"] }
"""
TABLE = """
[protocol]
schema = 1
name = "sound"
question = "Is it sound?"
[cohort]
kind = "table"
site = "site"
date = "day"
device = "device"
outcome = { column = "y" }
predictors = { age = { kind = "continuous" } }
[design]
kind = "kfold"
[model]
kind = "estimators"
[[model.estimators]]
name = "lr"
estimator = "sklearn.linear_model.LogisticRegression"
select = { keep = 1 }
[[model.estimators]]
name = "nb"
estimator = "sklearn.naive_bayes.GaussianNB"
[evaluation]
compare = { reference = "lr" }
"""
GIVEN = """
[protocol]
schema = 1
name = "sound"
question = "Is it sound?"
[cohort]
kind = "table"
outcome = { column = "y" }
[design]
kind = "as-given"
[model]
kind = "predictions"
columns = [{ name = "risk", column = "risk" }]
[evaluation]
thresholds = { choose = "fixed", value = 0.3 }
compare = { reference = "risk" }
"""


def without(text: str, line: str) -> str:
    assert f"{line}\n" in text
    return text.replace(f"{line}\n", "")


def faults(text: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, overrides=overrides)
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        # thresholds of locked models
        (TABLE, ('evaluation.thresholds={choose = "developed"}',),
         'evaluation.thresholds: choose = "developed" is for a locked model; declare "youden" or "fixed"'),
        (TABLE, ("design.kind=external", 'model={kind = "bundle", file = "b.zip"}'),
         "evaluation.thresholds: a locked model has no training patients here to choose a threshold on; declare "
         'choose = "developed" (the bundle\'s own), or "fixed" and `value`'),
        # designs that need a column
        (without(TABLE, 'date = "day"'), ('design={kind = "holdout", by = "date"}',),
         'design.by = "date" needs cohort.date, the column with the day of the examination'),
        (without(TABLE, 'device = "device"'), ('design={kind = "holdout", by = "device", held_out = ["A"]}',),
         'design.by = "device" needs cohort.device, the column that names the device'),
        (without(TABLE, 'site = "site"'), ("design.kind=internal-external",),
         'design.kind = "internal-external" needs cohort.site, the column that names the site'),
        # models and designs that do not belong together
        (PLNM.replace('outlines = { a = "m1", b = "m2" }', 'kind = "table"'), (),
         'model.kind = "plnm" needs images; cohort.kind = "table" has none'),
        (TABLE, ("design.kind=as-given",), '"as-given" and model.kind = "predictions" belong together'),
        (GIVEN, ("design.kind=kfold",), '"as-given" and model.kind = "predictions" belong together'),
        (TABLE, ("design.kind=external",), '"external" and model.kind = "bundle" belong together'),
        (GIVEN, ('model={kind = "bundle", file = "locked.zip"}',), '"external" and model.kind = "bundle" belong'),
        (GIVEN, ("evaluation.thresholds={}",),
         "predictions made elsewhere have no training patients to choose a threshold on; declare"),
        (TABLE, ("cohort.predictors={}",), "model.estimators need predictors; declare them in [cohort.predictors]"),
        # a nested design chooses inside
        (TABLE, (*NEST, "evaluation.thresholds.on=training"),
         'a nested design needs evaluation.thresholds.on = "training-cross-fitted"'),
        (PLNM, (*NEST, "model.deep.choose=held-out auc"), 'chooses inside: no `choose = "held-out auc"`'),
        (PLNM, (*NEST, "model.classifiers.choose=held-out auc"), 'chooses inside: no `choose = "held-out auc"`'),
        (PLNM, (*NEST, 'model.deep.backbones=["resnet50", "densenet121"]'),
         'several backbones needs model.deep.choose = "cross-validation"'),
        (PLNM, (*NEST, "model.nomogram.fusion_score=resubstituted"),
         'a nested design needs model.nomogram.fusion_score = "cross-fitted"'),
        (PLNM, (*NEST, 'model.before_split=["selection"]'), "learns nothing before the split: remove"),
        (TABLE, (*NEST, 'model.before_split=["scaling"]'), "learns nothing before the split: remove"),
        # held-out patients to choose by
        (PLNM, (*BOOT, "model.deep.choose=held-out auc"),
         "a bootstrap design holds nobody out whose AUC could be chosen by; choose inside"),
        (PLNM, ("design.kind=kfold", "model.classifiers.choose=held-out auc"),
         "cannot be done in the fit to all patients, which holds nobody out; set design.final = false, or choose"),
        (PLNM, ("design.kind=internal-external", "model.deep.choose=held-out auc"), "set design.final = false"),
        # imputation
        (TABLE, ("imputation.copies=5",), 'imputation.copies > 1 needs method = "iterative"'),
        (TABLE, (*BOOT, "cohort.missing=impute", 'imputation={method = "iterative", copies = 5}'),
         "a bootstrap design imputes anew in each resample and takes one copy there; set"),
        (GIVEN, ("cohort.missing=impute",), 'cohort.missing = "impute" is for models that look at predictors'),
        # before the split
        (TABLE, (*BOOT, 'model.before_split=["selection"]'), "has no meaning in a bootstrap design, whose optimism"),
        (PLNM, (*BOOT, 'model.before_split=["selection"]'), "has no meaning in a bootstrap design, whose optimism"),
        # criteria that could never be decided
        (TABLE, ('acceptance.auc.better_than={model = "lr"}',),
         "acceptance.auc.better_than compares 'lr' with itself: it is the model judged, for it is evaluation.compare."),
        (TABLE, ("acceptance.model=nb", 'acceptance.auc.better_than={model = "nb"}'), "compares 'nb' with itself"),
        (TABLE, (*BOOT, 'acceptance.auc.better_than={model = "nb"}'),
         "acceptance.auc.better_than has no answer in a bootstrap design, whose figures are corrected for optimism"),
        (TABLE, (*BOOT, 'acceptance.net_benefit.better_than={strategy = "treat-all", at = 0.2}'),
         "acceptance.net_benefit.better_than has no answer in a bootstrap design"),
        (TABLE, (*BOOT, "acceptance.sensitivity={low = 0.8, at = 0.2}"),
         "acceptance.sensitivity.at: a bootstrap design corrects measures at the operating threshold alone; remove"),
        (PLNM, (*BOOT, "acceptance.model=fusion/lr", "acceptance.auc.low=0.6"),
         "acceptance judges 'fusion/lr', and a bootstrap design corrects every measure of whole models alone; judge "
         "'fusion'"),
        # names declared nowhere
        (TABLE, ("acceptance.model=lrr", "acceptance.auc.low=0.6"), "acceptance names 'lrr', which the model does not"),
        (TABLE, ('acceptance.auc.better_than={model = "n"}',), "acceptance names 'n', which the model does not"),
        (TABLE, ("evaluation.compare.reference=nomogram",), "evaluation.compare.reference names 'nomogram'"),
        (TABLE.replace("select = ", 'predictors = ["agee"]\nselect = '), (),
         "model.estimators (lr).predictors names 'agee', which cohort.predictors does not declare; did you mean"),
    ],
)  # fmt: skip
def test_the_impossible_is_refused_with_the_mend(text: str, overrides: tuple[str, ...], expected: str) -> None:
    found = faults(text, *overrides)
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        (PLNM, ()),
        (PLNM, NEST),
        (PLNM, (*NEST, 'model.deep.backbones=["resnet50", "densenet121"]', "model.deep.choose=cross-validation")),
        (PLNM, (*BOOT, "acceptance.auc.low=0.6", "acceptance.sensitivity.low=0.6")),
        (PLNM, (*BOOT, "acceptance.model=deep/efficientnet-lite0", "acceptance.auc.low=0.6")),
        (PLNM, ("model.deep.choose=held-out auc",)),
        (PLNM, ("design.kind=kfold", "design.final=false", "model.classifiers.choose=held-out auc")),
        (PLNM, ("design.kind=kfold", "cohort.missing=impute", 'model.before_split=["selection"]')),
        (TABLE, ("cohort.missing=impute", 'model.before_split=["imputation", "scaling"]')),
        (TABLE, ("cohort.missing=impute", 'model.before_split=["scaling", "selection"]')),
        (TABLE, ()),
        (TABLE, (*NEST, *FIXED)),
        (TABLE, (*BOOT, "acceptance.model=nb", "acceptance.auc.low=0.6")),
        (TABLE, ('acceptance.auc.better_than={model = "nb"}',)),
        (TABLE, ("acceptance.model=nb", 'acceptance.auc.better_than={model = "lr"}')),
        (TABLE, ("cohort.missing=impute", 'imputation={method = "iterative", copies = 5}')),
        (TABLE, (*BOOT, "cohort.missing=impute", 'imputation={method = "iterative", copies = 1}')),
        (TABLE, ('design={kind = "holdout", by = "date"}',)),
        (TABLE, ('design={kind = "holdout", by = "device", held_out = ["A"]}',)),
        (TABLE, ("design.kind=internal-external", "cohort.missing=exclude")),
        (TABLE, ("design.kind=kfold", "evaluation.combine=pool")),
        (GIVEN, ()),
        (GIVEN, ("cohort.missing=exclude",)),
        (GIVEN, ("design.kind=external", 'model={kind = "bundle", file = "locked.zip"}')),
    ],
)
def test_what_goes_together_is_read(text: str, overrides: tuple[str, ...]) -> None:
    assert isinstance(parse_protocol(text, overrides=overrides), Protocol)


def test_every_impossible_combination_is_told_at_once() -> None:
    found = faults(
        PLNM, *NEST, "evaluation.thresholds.on=training", "model.nomogram.fusion_score=resubstituted",
        "imputation.copies=3", "evaluation.compare.reference=nomgram", 'model.before_split=["selection"]',
    )  # fmt: skip
    assert len(found) == 5


def test_no_shipped_protocol_is_far_from_its_design() -> None:
    """The designs that this issue ships, by name."""
    kinds = {
        "plnm-nested": "nested",
        "plnm-optimism": "bootstrap",
        "plnm-internal-external": "internal-external",
        "heart": "internal-external",
        "audit": "as-given",
    }
    for name, kind in kinds.items():
        assert read_protocol(name).design.kind == kind
