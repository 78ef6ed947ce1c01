"""Leaks that a protocol declares or a run recorded, with what they gained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.procedures import HOLDOUT, KFOLD, cohort, protocol_of, study_of
from validkit.audit import SENTINELS
from validkit.audit.declared import check_before_split, check_held_out_choice
from validkit.audit.resubstitution import check_resubstitution
from validkit.audit.run import run_refit_sentinels, run_sentinels
from validkit.audit.study import changed
from validkit.errors import InputError


@pytest.mark.parametrize("design", [HOLDOUT, KFOLD], ids=["holdout", "kfold"])
def test_what_selection_before_the_split_gained_is_measured(design: dict[str, Any]) -> None:
    data = cohort(n=90, columns=200, signal=0.0)
    study = study_of(data, protocol_of(data, {"select": {"keep": 10}}, design=design, before=("selection",)))
    found = check_before_split(study)
    assert found.outcome == "fail"
    assert found.evidence["declared"] == ["selection"]
    [row] = found.evidence["models"]
    clean = study_of(data, protocol_of(data, {"select": {"keep": 10}}, design=design))
    own = check_resubstitution(clean).evidence["models"][0]["held_out"]["value"]
    assert row["without"]["value"] == pytest.approx(own, abs=1e-12)
    assert row["optimism"]["value"] == pytest.approx(row["as_run"]["value"] - row["without"]["value"])
    assert row["optimism"]["low"] > 0.05


def test_nothing_declared_passes() -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data))
    for check in (check_before_split, check_held_out_choice, check_resubstitution):
        assert check(study).outcome == "pass"


def test_a_recorded_look_fails_though_none_is_declared() -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data))
    look = {"stage": "classifiers", "split": "holdout", "text": "opened", "auc": {"lr": 0.7, "knn": 0.6}}
    found = check_held_out_choice(replace(study, looks=[look]))
    assert found.outcome == "fail"
    [choice] = found.evidence["looks"]
    assert (choice["chosen"], choice["candidates"]) == ("lr", 2)
    assert choice["above_mean"] == pytest.approx(0.05)
    before = {"stage": "before the split", "split": "", "text": "learnt", "auc": {}}
    assert check_held_out_choice(replace(study, looks=[before])).outcome == "pass"


def test_a_threshold_chosen_on_known_patients_is_caught_and_its_fall_shown() -> None:
    data = cohort(n=80)
    protocol = changed(protocol_of(data), {"evaluation.thresholds.on": "training"})
    found = check_resubstitution(study_of(data, protocol))
    assert found.outcome == "fail"
    assert found.evidence["declared"] == ["evaluation.thresholds.on"]
    [cut] = found.evidence["thresholds"]
    assert cut["apparent"]["n"] == 48
    assert cut["held_out"]["n"] == 32
    [row] = found.evidence["models"]
    assert row["fall"]["value"] == pytest.approx(row["apparent"]["value"] - row["held_out"]["value"])


def test_the_clean_nested_protocol_passes_every_sentinel(tmp_path: Path) -> None:
    data = cohort(n=90)
    study = study_of(data, protocol_of(data, design={"kind": "nested", "folds": 3}, permutations=2), tmp_path)
    fitted = [study.fitted[split.name] for split in study.plan.units]
    found = run_sentinels(study.protocol, data, study.plan, study.prepared, fitted, study.workshop)
    assert [one.code for one in found] == list(SENTINELS)
    assert {one.code: one.outcome for one in found} == {
        code: "not applicable" if code in ("near-duplicates", "burnt-in") else "pass" for code in SENTINELS
    }


def test_only_those_asked_for_are_run_and_the_others_say_so() -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data, run=["before-split"]))
    fitted = [study.fitted[split.name] for split in study.plan.units]
    args = (study.protocol, data, study.plan, study.prepared, fitted, study.workshop)
    found = {one.code: one for one in run_sentinels(*args)}
    assert found.keys() == SENTINELS.keys()
    assert found.pop("before-split").outcome == "pass"
    assert {(one.outcome, one.why) for one in found.values()} == {("not applicable", "it was not asked for")}
    [one] = run_refit_sentinels(study, only=["resubstitution", "proxies"])
    assert one.code == "resubstitution"
    with pytest.raises(InputError, match="there is no sentinel 'leak'"):
        run_sentinels(*args, only=["leak"])
