"""What designs add to the evaluation: repeats, imputed copies, thresholds by split, resamples, sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit import stats
from validkit.evaluate import evaluate
from validkit.evaluate.several import KEYS
from validkit.plan import Patients, Plan, make_plan
from validkit.protocol import Protocol, parse_protocol

N = 90
TEXT = """
[protocol]
name = "designs"
question = "Right?"
[cohort]
kind = "table"
site = "site"
outcome = { column = "y" }
%s
[cohort.predictors]
x = { kind = "continuous" }
[design]
%s
[model]
kind = "estimators"
[[model.estimators]]
name = "a"
estimator = "sklearn.linear_model.LogisticRegression"
[[model.estimators]]
name = "b"
estimator = "sklearn.linear_model.LogisticRegression"
[evaluation]
level = 0.9
bootstrap = { replicates = 50 }
compare = { reference = "a" }
%s
"""
MODELS = [{"name": n, "label": n, "family": "estimators", "classifier": None, "backbone": None} for n in ("a", "b")]


def declared(design: str, *, missing: str = "", more: str = "") -> Protocol:
    return parse_protocol(TEXT % (missing, design, more))


@pytest.fixture(scope="module")
def patients() -> Patients:
    rng = np.random.default_rng(4)
    index = [f"p{i:02d}" for i in range(N)]
    y = pd.Series((np.arange(N) % 3 == 0).astype(int), index=index)
    return Patients(y, site=pd.Series(rng.permutation(["s1", "s2", "s3"] * (N // 3)), index=index))


def risks(y: np.ndarray, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Risks whose error is mostly the patient's own, the same in every repeat."""
    return 1 / (1 + np.exp(0.8 - 1.3 * y - own - 0.3 * rng.normal(size=len(y))))


def made_up(plan: Plan, patients: Patients, copies: int = 1) -> pd.DataFrame:
    """Every prediction that a run of this plan would leave, at random."""
    rng, parts = np.random.default_rng(9), []
    own = pd.Series(rng.normal(size=len(patients.ids)), index=patients.outcome.index)
    for split in plan.units:
        for copy in range(1, copies + 1):
            for model in ("a", "b"):
                facts = {"split": split.name, "repeat": split.repeat, "fold": split.fold, "imputation": copy}
                for part, kind, ids in (
                    ("training", "apparent", tuple(dict.fromkeys(split.training))),
                    ("training", "cross-fitted", tuple(dict.fromkeys(split.training))),
                    ("held-out", "held-out", split.held_out),
                ):
                    if ids:
                        p = risks(patients.outcome.loc[list(ids)].to_numpy(), own.loc[list(ids)].to_numpy(), rng)
                        frame = pd.DataFrame({"patient": ids, "probability": p})
                        parts.append(frame.assign(**facts, set=part, kind=kind, model=model))
    return pd.concat(parts, ignore_index=True)


def judged(protocol: Protocol, patients: Patients) -> tuple[dict[str, Any], pd.DataFrame, Plan]:
    plan = make_plan(protocol, patients)
    table = made_up(plan, patients, protocol.copies)
    found = evaluate(table, patients.outcome, MODELS, protocol.evaluation, seed=3, protocol=protocol, plan=plan)
    return found, table, plan


def held_out(table: pd.DataFrame, model: str = "a") -> pd.DataFrame:
    return table[(table["model"] == model) & (table["kind"] == "held-out")]


def test_each_split_is_judged_at_its_own_threshold(patients: Patients) -> None:
    found, table, plan = judged(declared('kind = "kfold"\nfolds = 3'), patients)
    scores = found["models"][0]["sets"]["held-out"]
    rows, cuts = held_out(table), {}
    for split in plan.splits:
        own = table[(table["split"] == split.name) & (table["model"] == "a") & (table["kind"] == "cross-fitted")]
        own = own.sort_values("patient")
        cuts[split.name] = stats.youden_threshold(patients.outcome.loc[own["patient"]].to_numpy(), own["probability"])
    decided = rows["probability"] >= rows["split"].map(cuts)
    y = patients.outcome.loc[rows["patient"]].to_numpy() == 1
    assert scores["sensitivity"]["value"] == pytest.approx(decided[y].mean())
    assert scores["specificity"]["value"] == pytest.approx(1 - decided[~y].mean())
    assert scores["threshold"]["value"] == pytest.approx(np.median(rows["split"].map(cuts)))
    assert "each split's own" in scores["threshold"]["rule"]
    assert [one["split"] for one in found["models"][0]["by_split"]] == [split.name for split in plan.splits]
    first = rows[rows["split"] == plan.splits[0].name]
    expected = stats.auc(patients.outcome.loc[first["patient"]].to_numpy(), first["probability"], level=0.9)
    assert found["models"][0]["by_split"][0]["auc"]["value"] == pytest.approx(expected.value)
    assert found["models"][0]["sets"]["training"]["n"] == N


@pytest.mark.parametrize("combine", ["average", "per-repeat", "pool"])
def test_repeats_are_combined_as_declared(patients: Patients, combine: str) -> None:
    more = f'combine = "{combine}"'
    found, table, _ = judged(declared('kind = "repeated-kfold"\nfolds = 3\nrepeats = 4', more=more), patients)
    scores = found["models"][0]["sets"]["held-out"]
    p = held_out(table).pivot(index="repeat", columns="patient", values="probability")
    y = patients.outcome.loc[p.columns].to_numpy()
    expected = {
        "average": stats.auc(y, p.mean().to_numpy()).value,
        "per-repeat": np.mean([stats.auc(y, row).value for row in p.to_numpy()]),
        "pool": stats.auc(np.tile(y, len(p)), p.to_numpy().ravel()).value,
    }[combine]
    assert scores["auc"]["value"] == pytest.approx(expected)
    assert scores["auc"] == scores["measures"]["auc"]
    assert scores["repeats"] == 4
    assert scores["auc"]["n"] == N
    if combine != "average":
        rows = stats.auc(np.tile(y, len(p)), p.to_numpy().ravel(), level=0.9)
        assert scores["auc"]["high"] - scores["auc"]["low"] > 1.2 * (rows.high - rows.low)


def test_imputed_copies_are_pooled_by_rubins_rules(patients: Patients) -> None:
    text = declared('kind = "kfold"\nfolds = 3', missing='missing = "impute"').canonical()
    assert '"copies":1' in text
    protocol = parse_protocol(
        TEXT % ('missing = "impute"', 'kind = "kfold"\nfolds = 3', "")
        + '\n[imputation]\nmethod = "iterative"\ncopies = 3\n'
    )
    found, table, _ = judged(protocol, patients)
    scores = found["models"][0]["sets"]["held-out"]
    assert scores["imputed_copies"] == 3
    each = []
    for copy in (1, 2, 3):
        rows = held_out(table)[held_out(table)["imputation"] == copy]
        each.append(stats.auc(patients.outcome.loc[rows["patient"]].to_numpy(), rows["probability"], level=0.9))
    expected = stats.pool_imputations(each, metric="auc", df_complete=N - 1, level=0.9).estimate
    assert scores["auc"] == expected.to_dict()
    assert scores["measures"]["auc"] == expected.to_dict()
    assert {key for key in KEYS if scores[key]["value"] is None} == set()


def test_resamples_correct_for_optimism(patients: Patients) -> None:
    found, table, plan = judged(declared('kind = "bootstrap"\nresamples = 12'), patients)
    assert found["primary"] == "corrected"
    model = found["models"][0]
    assert set(model["sets"]) == {"training", "training-cross-fitted", "corrected"}
    names = [split.name for split in plan.splits]
    ids = list(patients.outcome.index)
    final = table[(table["split"] == "final") & (table["model"] == "a") & (table["kind"] == "apparent")]
    apparent = final.set_index("patient")["probability"].loc[ids]
    on_all = held_out(table).pivot(index="split", columns="patient", values="probability").loc[names, ids]
    own = table[(table["model"] == "a") & (table["kind"] == "apparent") & (table["split"] != "final")]
    own = own.pivot(index="split", columns="patient", values="probability").reindex(index=names, columns=ids)
    counts = np.array([[split.training.count(patient) for patient in ids] for split in plan.splits])
    expected = stats.corrected_performance(
        ["auc", "brier"],
        patients.outcome.to_numpy(),
        apparent,
        on_all.to_numpy(),
        counts,
        in_resample_predictions=own.to_numpy(),
        level=0.9,
    )
    for name in ("auc", "brier"):
        assert model["sets"]["corrected"][name] == expected.metrics[name].corrected.to_dict()
        assert model["optimism"]["metrics"][name]["point632_plus"] == expected.metrics[name].point632_plus.to_dict()
    assert "held-out" not in found["comparisons"]


def test_sites_are_pooled_by_random_effects(patients: Patients) -> None:
    found, _, _ = judged(declared('kind = "internal-external"'), patients)
    model = found["models"][0]
    assert [one["site"] for one in model["by_split"]] == list(dict.fromkeys(patients.site))
    areas = {one["site"]: one["auc"] for one in model["by_split"]}
    table = {"auc": {site: stats.Estimate(**dict(a)) for site, a in areas.items()}}
    expected = stats.pool_sites(table, level=0.9)["auc"].to_dict()
    assert model["pooled"]["auc"] == expected


def test_groups_widen_intervals(patients: Patients) -> None:
    """Every patient twice, as two rows that belong together: the interval is that of the patients, not of the rows."""
    protocol = declared('kind = "kfold"\nfolds = 3')
    twice = pd.concat([patients.outcome, patients.outcome.set_axis([f"{i}b" for i in patients.outcome.index])])
    groups = pd.Series(np.tile(np.arange(N), 2), index=twice.index)
    plan = make_plan(protocol, Patients(twice, groups=groups))
    table = made_up(plan, Patients(twice))
    first = table["patient"].str.removesuffix("b")
    table["probability"] = table.groupby([first, "kind", "model"])["probability"].transform("first")
    options: dict[str, Any] = {"seed": 3, "protocol": protocol, "plan": plan}
    alone = evaluate(table, twice, MODELS, protocol.evaluation, **options)
    known = evaluate(table, twice, MODELS, protocol.evaluation, groups=groups, **options)
    a, b = (one["models"][0]["sets"]["held-out"]["auc"] for one in (alone, known))
    assert a["value"] == pytest.approx(b["value"])
    assert b["high"] - b["low"] > 1.2 * (a["high"] - a["low"])


def test_criteria_are_judged_on_the_set_that_answers_the_question(patients: Patients) -> None:
    criteria = "\n[acceptance]\nauc.low = 0.5\nbrier.high = 0.01\n"
    protocol = parse_protocol(TEXT % ("", 'kind = "bootstrap"\nresamples = 12', "") + criteria)
    found, _, _ = judged(protocol, patients)
    verdicts = {one["measure"]: one["outcome"] for one in found["acceptance"]["criteria"]}
    assert verdicts == {"auc": "met", "brier": "not met"}
    assert found["acceptance"]["exit_code"] == 1
