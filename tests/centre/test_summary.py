"""What leaves a centre: no row, no identifier, no number that gives a patient away; and its pooling."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tests.commands import command
from validkit import stats
from validkit.centre import summary as summary_module
from validkit.centre.pooling import pool_summaries
from validkit.centre.rounding import BASE, Rounding, grid
from validkit.centre.summary import (
    Judged,
    SiteSummary,
    disclosed,
    labels_of,
    read_summary,
    site_label,
    site_summary,
    to_text,
)
from validkit.cohort import Cohort
from validkit.errors import InputError
from validkit.stats.meta_regression import meta_regression

MODEL = Judged(kind="bundle", digest="ab" * 32, name="home")


def patients(seed: int, n: int = 200) -> tuple[pd.Series, pd.Series]:
    """Outcomes and risks of a centre."""
    rng = np.random.default_rng(seed)
    lp = rng.normal(-0.7, 1.1, n)
    index = pd.Index([f"P{k:04d}" for k in range(n)])
    return pd.Series((rng.random(n) < expit(lp)).astype(np.int8), index), pd.Series(expit(lp), index)


def summarised(outcome: pd.Series, risk: pd.Series, site: str = "north", **more: Any) -> SiteSummary:
    ids = tuple(map(str, outcome.index))
    groups = pd.Series(np.arange(len(ids)), index=outcome.index)
    table = pd.DataFrame(index=outcome.index)
    digest = f"{abs(hash((ids, tuple(outcome)))):064x}"[:64]
    data = Cohort(Path(), "c", "", False, digest, ids, outcome, None, groups, table)
    predictions = pd.DataFrame({"model": "nomogram", "patient": list(ids), "probability": risk.to_numpy()})
    return site_summary(MODEL, data, predictions, site=site, thresholds={"nomogram": 0.3}, **more)


# --- rounding --------------------------------------------------------------------------------------


def test_rounding_keeps_the_expectation_and_the_multiples() -> None:
    counts = [Rounding(str(k)).count(13, "n") for k in range(4000)]
    assert set(counts) == {10, 15}
    assert np.mean(counts) == pytest.approx(13, abs=0.15)
    assert {Rounding(str(k)).count(15, "n") for k in range(50)} == {15}
    values = [Rounding(str(k)).estimate(0.7312, 0.04, "auc") for k in range(4000)]
    assert set(values) == {0.73, 0.74}
    assert np.mean(values) == pytest.approx(0.7312, abs=0.001)
    assert Rounding("a").estimate(-1.234, 0.3, "x") in (-1.3, -1.2)


def test_grids_are_round_numbers() -> None:
    assert [grid(x) for x in (0.001, 0.0011, 0.03, 0.05, 0.051, 2.0, 7.0)] == [
        0.001, 0.002, 0.05, 0.05, 0.1, 2.0, 10.0,
    ]  # fmt: skip
    assert Rounding("a").error(0.04) == 0.041
    assert Rounding("a").error(1.0) == 1.1


# --- what is told ----------------------------------------------------------------------------------


def test_estimates_are_within_a_grid_of_the_truth_and_wide_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_module, "LEFT_OUT", 0)
    y, p = patients(1)
    found = summarised(y, p).models[0]
    area = stats.auc(y, p)
    told = found.measures["auc"]
    assert told.scale == "logit"
    se = area.se / (area.value * (1 - area.value))
    assert abs(told.value - logit(area.value)) <= grid(0.25 * se)
    assert se < told.se < 1.2 * se
    assert abs(found.measures["oe"].value - np.log(stats.observed_expected(y, p).value)) < 0.1
    assert found.correlated == tuple(found.measures)
    assert all(row[k] == 1.0 for k, row in enumerate(found.correlations))


def test_no_cell_is_small_and_nothing_names_a_patient() -> None:
    y, p = patients(2, n=130)
    summary = summarised(y, p, also=(0.1, 0.9))
    text = to_text(summary)
    assert not any(patient in text for patient in y.index)
    assert summary.n % BASE == summary.events % BASE == 0
    for one in summary.models[0].bins:
        assert one.n >= 2 * BASE - BASE
        assert one.events >= BASE
    rare = [one for one in summary.models[0].benefits if one.threshold == 0.9]
    assert rare[0].true_positives is None
    json.loads(text)
    assert "No row, date, age, image" in disclosed(summary)[-1]


def test_names_that_are_text_stay_at_home() -> None:
    y, p = patients(6)
    digest, groups = "0" * 64, pd.Series(np.arange(len(y)), index=y.index)
    data = Cohort(Path(), "c", "", False, digest, tuple(y.index), y, None, groups, pd.DataFrame(index=y.index))
    table = pd.DataFrame({"model": "/Dr. Müller's <b>model</b>", "patient": y.index, "probability": p.to_numpy()})
    [model] = site_summary(MODEL, data, table).models
    assert model.name == "Dr. M-ller-s -b-model-/b-"
    labels = labels_of(["North", "north", "a/b", "a?b", "???", "x" * 90])
    assert list(labels.values()) == ["North", "north-2", "a-b", "a-b-2", "site", "x" * 36]
    assert all(site_label(label, "") for label in labels.values())


def test_too_few_events_are_withheld() -> None:
    y, p = patients(3, n=60)
    y[:] = 0
    y.iloc[:9] = 1
    summary = summarised(y, p)
    assert summary.models == ()
    assert summary.withheld == ("too few events",)
    assert "Nothing more is told" in "\n".join(disclosed(summary))


def test_the_same_cohort_is_told_the_same_way_under_any_name() -> None:
    """Asking again, or under another name, averages nothing out."""
    y, p = patients(4)
    one, other = summarised(y, p, "north"), summarised(y, p, "south")
    assert one.model_copy(update={"site": "x"}) == other.model_copy(update={"site": "x"})


def test_no_patient_can_be_read_off_two_summaries_of_nested_cohorts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody knows both summaries, with and without one patient, and guesses the outcome from their difference.

    The guess is by the best rule that 150 such pairs of the same kind teach, judged on 150 others. It succeeds where
    numbers are rounded alone, and hardly where ten patients drawn at random are left out of them as well.
    """
    monkeypatch.setattr(summary_module, "RESAMPLES", 0)
    told = {left_out: _guessed(left_out, monkeypatch) for left_out in (0, summary_module.LEFT_OUT)}
    assert told[0].value > 0.72, told[0]
    assert told[10].value < 0.68, told[10]


def _guessed(left_out: int, monkeypatch: pytest.MonkeyPatch) -> stats.Estimate:
    from sklearn.ensemble import RandomForestClassifier

    monkeypatch.setattr(summary_module, "LEFT_OUT", left_out)
    rows, truth = [], []
    for seed in range(300):
        y, p = patients(1000 + seed, n=150)
        whole, less = (summarised(y.loc[keep], p.loc[keep]) for keep in (y.index, y.index[:-1]))
        rows.append([a - b for a, b in zip(_numbers(whole), _numbers(less), strict=True)])
        truth.append(int(y.iloc[-1]))
    table, answer = np.array(rows), np.array(truth)
    forest = RandomForestClassifier(300, min_samples_leaf=5, random_state=0).fit(table[:150], answer[:150])
    return stats.auc(answer[150:], forest.predict_proba(table[150:])[:, 1])


def _numbers(summary: SiteSummary) -> list[float]:
    model = summary.models[0]
    measures = [
        x for key in ("auc", "oe", "slope", "brier") for x in (model.measures[key].value, model.measures[key].se)
    ]
    benefit = model.benefits[0]
    of_benefit = [benefit.model.value if benefit.model else 0.0, benefit.treat_all]
    last = model.bins[-1]
    counts = [benefit.true_positives or 0, benefit.false_positives or 0, last.n, last.events, len(model.bins)]
    spread = model.log_odds
    assert spread is not None
    of_risks = [spread.mean.value, spread.mean.se, spread.sd.value, spread.sd.se]
    return [float(summary.n), float(summary.events), *measures, *of_benefit, *map(float, counts), *of_risks]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told.update(n=151), "n"),
        (lambda told: told.update(patients=["a"]), "patients"),
        (lambda told: told.update(site="Dr. <b>Who</b>"), "site"),
        (lambda told: told["models"][0]["measures"]["auc"].update(se=0), "se"),
        (lambda told: told["models"][0]["bins"][0].update(n=3), "n"),
        (lambda told: told["judged"].update(digest="x"), "digest"),
        (lambda told: told.update(schema=2), "schema"),
        (lambda told: told["models"][0]["correlations"].pop(), "correlat"),
    ],
)
def test_what_is_no_summary_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    told = json.loads(to_text(summarised(*patients(5))))
    (tmp_path / "good.json").write_text(json.dumps(told))
    assert read_summary(tmp_path / "good.json").site == "north"
    change(told)
    (tmp_path / "bad.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match=rf"bad.json is no site summary: .*{message}"):
        read_summary(tmp_path / "bad.json")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, data in {"nan.json": b'{"n": NaN}', "deep.json": b"[" * 100_000, "empty.json": b""}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="is no site summary"):
            read_summary(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_summary(tmp_path / "gone.json")


# --- pooling ---------------------------------------------------------------------------------------


def centres(k: int) -> list[SiteSummary]:
    return [summarised(*patients(50 + i, n=150 + 20 * i), f"centre {i}") for i in range(k)]


def test_pooled_numbers_are_those_of_random_effects() -> None:
    told = centres(5)
    found = pool_summaries(told, bounds={"auc": (0.7, None), "oe": (0.8, 1.25)})["models"]["nomogram"]
    values, errors = ([getattr(one.models[0].measures["auc"], part) for one in told] for part in ("value", "se"))
    expected = stats.random_effects(values, se=errors)
    pooled = found["auc"]["pooled"]
    assert pooled["pooled"]["value"] == pytest.approx(expected.pooled.value, abs=1e-12)
    assert pooled["tau2"]["value"] == pytest.approx(expected.tau2.value, abs=1e-12)
    assert pooled["estimate"]["value"] == pytest.approx(expit(expected.pooled.value), abs=1e-12)
    assert pooled["prediction"]["low"] == pytest.approx(expit(expected.prediction.low), abs=1e-12)
    assert 0 < found["auc"]["probability_within"] < 1
    assert found["slope"]["probability_within"] is None
    assert sum(row["weight"] for row in found["auc"]["centres"]) == pytest.approx(1.0)
    without = stats.random_effects(values[1:], se=errors[1:])
    assert found["auc"]["centres"][0]["without"]["value"] == pytest.approx(expit(without.pooled.value), abs=1e-12)


def test_from_ten_centres_on_the_differences_are_regressed_on_what_is_known_of_them(tmp_path: Path) -> None:
    told = centres(11)
    doses = {one.site: float(k) for k, one in enumerate(told)}
    measures = pool_summaries(told, covariates={"beds": doses})["models"]["nomogram"]
    rows = {row["covariate"]: row for row in measures["auc"]["regressions"]["rows"]}
    assert set(rows) == {"event_share", "log_odds_mean", "log_odds_sd", "beds"}
    models = [one.models[0] for one in told]
    y, se = ([getattr(one.measures["auc"], key) for one in models] for key in ("value", "se"))
    spread = [[one.log_odds.sd.value] for one in models if one.log_odds]
    for name, x in (("log_odds_sd", spread), ("beds", [[value] for value in doses.values()])):
        expected = meta_regression(y, se=se, covariates=x)
        assert rows[name]["slope"]["value"] == pytest.approx(expected.coefficients[1].value, abs=1e-12)
        assert rows[name]["test"]["p_value"] == pytest.approx(expected.tests[1].p_value, abs=1e-12)
    assert all(row["p_adjusted"] >= row["test"]["p_value"] for row in rows.values())
    few = pool_summaries(told[:9])["models"]["nomogram"]["auc"]["regressions"]
    assert few == {"why": "meta-regression takes 10 centres; 9 tell this", "rows": []}


def test_the_log_odds_are_told_within_their_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_module, "LEFT_OUT", 0)
    y, p = patients(3)
    told = summarised(y, p).models[0].log_odds
    assert told is not None
    lp = logit(p)
    assert abs(told.mean.value - lp.mean()) <= grid(0.25 * lp.std() / np.sqrt(len(lp)))
    assert abs(told.sd.value - lp.std(ddof=1)) <= grid(0.25 * told.sd.se)
    assert summarised(y, pd.Series(0.3, y.index)).models[0].log_odds is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("centre,beds\n", "needs a header with `site`"),
        ("site,beds,beds\n", "columns of other names"),
        ("site,beds\ncentre 0\n", "line 2 of .* has not the 2 cells"),
        ("site,beds\ncentre 0,1\ncentre 0,2\n", "line 3 of .* names a site again"),
        ("site,beds\ncentre 0,many\n", "line 2 of .*, beds: 'many' is no number"),
        ("site,beds\ncentre 0,1\n", "no value for 'centre 1'"),
        ("site,beds\ncentre 0,1\ncentre 1,2\ncentre 9,2\n", "no summary of 'centre 9'"),
        ("site,beds\ncentre 0,1\ncentre 1,nan\n", "has no number for 'centre 1'"),
        ("site,event_share\ncentre 0,1\ncentre 1,2\n", "give yours another name"),
    ],
)
def test_covariates_that_do_not_fit_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    files = []
    for one in centres(2):
        files.append(tmp_path / f"{one.site}.json")
        files[-1].write_text(to_text(one))
    (tmp_path / "sites.csv").write_text(text, encoding="utf-8")
    assert command("pool", *files, "--covariates", tmp_path / "sites.csv", "--out", tmp_path / "pool") == 2
    assert re.search(words, capsys.readouterr().err.replace("\n", " "))
    assert not (tmp_path / "pool").exists()


def test_what_cannot_be_pooled_is_refused() -> None:
    told = centres(3)
    with pytest.raises(InputError, match="at least two centres"):
        pool_summaries(told[:1])
    with pytest.raises(InputError, match="are called 'centre 1'"):
        pool_summaries([*told, told[1]])
    renamed = told[1].model_copy(update={"site": "another"})
    with pytest.raises(InputError, match="come from the same patients: 'centre 1' and 'another'"):
        pool_summaries([*told, renamed])
    other = told[2].model_copy(update={"judged": MODEL.model_copy(update={"digest": "cd" * 32})})
    with pytest.raises(InputError, match="centres are pooled where they judged the same"):
        pool_summaries([*told[:2], other])
    simulated = told[2].model_copy(update={"synthetic": True})
    with pytest.raises(InputError, match="'centre 2' are of simulated patients"):
        pool_summaries([*told[:2], simulated])


def test_the_commands_say_what_is_disclosed_and_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for one in centres(4):
        files.append(tmp_path / f"{one.site}.json")
        files[-1].write_text(to_text(one))
    assert command("summary", "show", files[0]) == 0
    said = capsys.readouterr().out
    assert "About" in said
    assert "multiples of 5" in said
    assert command("summary", "schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == set(json.loads(to_text(centres(1)[0])))
    assert schema["additionalProperties"] is False
    assert command("pool", *files, "--out", tmp_path / "pool", "--within", "auc=0.7:", "--within", "oe=0.8:1.25") == 0
    assert "a new centre" in capsys.readouterr().out
    record = json.loads((tmp_path / "pool" / "pool.json").read_text())
    assert record["models"]["nomogram"]["auc"]["bounds"] == [0.7, None]
    assert (tmp_path / "pool" / "forest-nomogram-auc.svg").read_text().startswith("<?xml")
    page = (tmp_path / "pool" / "report.html").read_text(encoding="utf-8")
    assert "That a new centre keeps the bounds asked for: AUC at least 0.7:" in page
    assert command("pool", files[0], files[0]) == 2
    for wrong, message in (("auc", "reads MEASURE=LOW:HIGH"), ("acu=1:", "did you mean 'auc'"), ("auc=x:", "a number")):
        capsys.readouterr()
        assert command("pool", *files, "--within", wrong) == 2
        assert message in capsys.readouterr().err
