"""Predictions made elsewhere: read as they come, judged at R's numbers, questioned, and told in one command."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tests.commands import command
from validkit import stats
from validkit.audit.predictions import judging
from validkit.audit.predictions.auditing import audit_predictions, declared_audit
from validkit.audit.predictions.checks import QUESTIONS
from validkit.audit.predictions.reading import Roles, header_of, read_predictions
from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.report.audited import audit_page
from validkit.sections import Bootstrap, Evaluation
from validkit.store import to_json

QUICK = Evaluation(bootstrap=Bootstrap(replicates=0))
SHARED = Path(__file__).parents[3] / "shared" / "reference"


def patients(n: int = 600, seed: int = 1, events: float = -0.4) -> pd.DataFrame:
    """Right risks of n patients at two sites, and those of an overfitted model."""
    rng = np.random.default_rng(seed)
    lp = rng.normal(events, 1.3, n)
    y = (rng.random(n) < expit(lp)).astype(int)
    place = rng.choice(["north", "south"], n)
    return pd.DataFrame({"y": y, "risk": expit(lp), "extreme": expit(2.2 * lp), "place": place, "id": np.arange(n)})


def written(table: pd.DataFrame, folder: Path, name: str = "p.csv") -> Path:
    path = folder / name
    table.to_parquet(path) if name.endswith(".parquet") else table.to_csv(path, index=False)
    return path


def audited(table: pd.DataFrame, folder: Path, roles: Roles, **how: Any) -> dict[str, Any]:
    found = audit_predictions(written(table, folder), roles, setting=how.pop("setting", QUICK), **how)
    json.dumps(found, allow_nan=False)
    return found


def outcomes(record: Mapping[str, Any], code: str) -> list[str]:
    return [one["outcome"] for one in record["findings"] if one["code"] == code]


# --- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p.csv", "semicolons.csv", "p.csv.gz", "p.parquet", "bom.csv", "tabs.tsv"])
def test_every_form_of_a_table_is_the_same_table(tmp_path: Path, name: str) -> None:
    table = patients(50).rename(columns={"risk": "all", "extreme": "Risiko – 2 (%)", "place": "the site"})
    path = tmp_path / name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    else:
        text = table.to_csv(index=False, sep=";" if name[0] == "s" else "\t" if name[0] == "t" else ",")
        data = (b"\xef\xbb\xbf" if name[0] == "b" else b"") + text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found = read_predictions(path, Roles("y", ("all", "Risiko – 2 (%)"), site="the site"))
    assert found.y.tolist() == table["y"].tolist()
    assert np.allclose(found.models["all"], table["all"], atol=1e-15)
    assert [found.site.names[k] for k in found.site.codes] == table["the site"].tolist()  # type: ignore[union-attr]
    assert header_of(path) == list(table)


def test_rows_without_a_value_are_left_out_and_counted(tmp_path: Path) -> None:
    table = patients(300)
    table["risk"] = table["risk"].astype(object)
    table.loc[[3, 7], "risk"], table.loc[[7, 9], "y"] = ["", "NA"], None
    found = read_predictions(written(table, tmp_path), Roles("y", ("risk", "extreme")))
    assert (found.rows, len(found)) == (300, 297)
    assert found.missing == {"y": 2, "risk": 1, "extreme": 0}
    whole = read_predictions(written(table.drop(index=[3, 7, 9]), tmp_path, "w.csv"), Roles("y", ("risk", "extreme")))
    assert np.array_equal(found.models["risk"], whole.models["risk"])


@pytest.mark.parametrize(
    ("text", "roles", "words"),
    [
        ("", Roles("y", ("p",)), "is empty"),
        ("y,p\n", Roles("y", ("p",)), "none of its 0 rows"),
        ("y,p,p\n1,0.2,0.3\n", Roles("y", ("p",)), "2 columns are called 'p'"),
        ("y,risk\n1,0.2\n", Roles("y", ("rsik",)), r"no column 'rsik' \(a model\); did you mean 'risk'"),
        ("y,p\n1,0.2\n0,high\n", Roles("y", ("p",)), r"row 2, column 'p': 'high' is not a number"),
        ("y,p\n1,0.2\n0,inf\n", Roles("y", ("p",)), r"row 2, column 'p' is infinite"),
        ("y,p\n1,0.2\n2,0.1\n", Roles("y", ("p",)), r"row 2, column 'y': '2' is no outcome; needed is 0 or 1"),
        ("y,p\na,0.2\nb,0.1\nc,0.3\n", Roles("y", ("p",), event="a"), r"holds 'b', 'c' beside the event 'a'"),
        ("y,p\n1,0.2\n0,0.1,0.4\n", Roles("y", ("p",)), "row 2 has 3 cells, the header 2"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, text: str, roles: Roles, words: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_predictions(path, roles)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, data, words in (
        ("no.csv", None, "cannot be read"),
        ("x.csv", b"\xff\xfe1,2", "not UTF-8"),
        ("x.parquet", b"PAR1 and no more", "cannot be read"),
        ("x.csv.gz", b"not gzip", "cannot be read"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=words):
            read_predictions(tmp_path / name, Roles("y", ("p",)))


def test_a_column_has_one_role() -> None:
    with pytest.raises(InputError, match="'p' is named as a model and as the site"):
        Roles("y", ("p",), site="p")
    with pytest.raises(InputError, match="at least one column"):
        Roles("y", ())


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_rows_without_a_label_bear_none(tmp_path: Path, name: str) -> None:
    table = patients(60)
    table["place"] = table["place"].where(np.arange(60) % 7 != 0, None)
    table["risk"] = table["risk"].where(np.arange(60) % 11 != 0)
    found = read_predictions(written(table, tmp_path, name), Roles("y", ("risk",), site="place"))
    kept = table[table["risk"].notna()]
    assert [found.site.names[k] for k in found.site.codes] == kept["place"].fillna("").tolist()  # type: ignore[union-attr]
    assert np.array_equal(found.models["risk"], kept["risk"])


def test_words_for_the_outcome(tmp_path: Path) -> None:
    table = patients(40)
    table["y"] = np.where(table["y"] == 1, "yes", "no")
    found = read_predictions(written(table, tmp_path), Roles("y", ("risk",), event="yes"))
    assert found.y.sum() == (table["y"] == "yes").sum()


def test_numbers_and_truths_for_the_outcome(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("y,p\n1.00,0.3\n0,0.2\ntrue,0.4\nFALSE,0.1\n", encoding="utf-8")
    assert read_predictions(tmp_path / "p.csv", Roles("y", ("p",))).y.tolist() == [1, 0, 1, 0]


def test_percent_are_told_from_scores(tmp_path: Path) -> None:
    table = patients(300)
    found = audited(table.assign(risk=100 * table["risk"]), tmp_path, Roles("y", ("risk",)))
    assert any("divide by 100" in one["why"] for one in found["findings"] if one["code"] == "scores")


# --- R's numbers -----------------------------------------------------------------------------------

needs_reference = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/reference")


def r_says(identity: str) -> Any:
    entries = json.loads((SHARED / "reference.json").read_text(encoding="utf-8"))["entries"]
    return next(entry["values"] for entry in entries if entry["id"] == identity)


@needs_reference
def test_scores_of_subarachnoid_haemorrhage_equal_r() -> None:
    found = audit_predictions(SHARED / "data" / "aSAH.csv", Roles("y", ("s100b", "ndka", "wfns"), subgroups=("male",)))
    one = found["sets"]["all"]
    for name in ("s100b", "ndka", "wfns"):
        area, told = one["models"][name]["auc"], r_says(f"proc.ci.delong.{name}")
        assert [area["low"], area["value"], area["high"]] == pytest.approx(list(told.values()), rel=1e-10)
    pairs = {(p["a"], p["b"]): p for p in one["comparisons"]["auc"]["pairs"]}
    for a, b in (("s100b", "wfns"), ("s100b", "ndka")):
        told, ours = r_says(f"proc.delong.paired.{a}_{b}"), pairs[(a, b)]
        assert ours["test"]["statistic"] == pytest.approx(told["statistic"], rel=1e-10)
        assert ours["test"]["p_value"] == pytest.approx(told["p.value"], rel=1e-10)
        assert [ours["difference"]["low"], ours["difference"]["high"]] == pytest.approx(told["conf.int"], rel=1e-10)
    told = r_says("delong.global3")
    assert one["comparisons"]["auc"]["test"]["statistic"] == pytest.approx(told["chisq"], rel=1e-10)
    told, ours = r_says("proc.coords.youden"), one["models"]["s100b"]["cutoff"]
    assert ours["threshold"] == pytest.approx(told["threshold"], rel=1e-12)
    assert ours["sensitivity"]["value"] == pytest.approx(told["sensitivity"], rel=1e-12)


@needs_reference
def test_risks_equal_r() -> None:
    found = audit_predictions(SHARED / "data" / "cc_test.csv", Roles("y", ("p", "p2")), setting=QUICK, threshold=0.5)
    one = found["sets"]["all"]["models"]["p"]
    told = r_says("valprob.cc")
    assert one["slope"]["value"] == pytest.approx(told["Slope"], rel=1e-6)
    assert one["brier"]["value"] == pytest.approx(told["Brier"], rel=1e-9)
    hl = r_says("hl.cc.g10")
    assert one["hosmer_lemeshow"]["statistic"] == pytest.approx(hl["X2"], rel=1e-10)
    assert one["hosmer_lemeshow"]["p_value"] == pytest.approx(hl["p_ext"], rel=1e-9)
    told = r_says("pm.class.cc.0.5")
    names = {"Accuracy": "accuracy", "Sensitivity/Recall": "sensitivity", "F1": "f1", "MCC": "mcc", "NPV": "npv"}
    for theirs, ours in names.items():
        assert one["measures"][ours]["value"] == pytest.approx(told[theirs], rel=1e-10)
    told = r_says("score.cc")
    for row, name in zip(told["AUC"], ("p", "p2"), strict=True):
        assert found["sets"]["all"]["models"][name]["auc"]["value"] == pytest.approx(row["AUC"], rel=1e-10)
    curve = one["decision"]
    for row in r_says("dca.cc")["rows"]:
        if row["variable"] == "p":
            at = int(np.argmin(np.abs(np.array(curve["x"]) - row["threshold"])))
            assert curve["y"][at] == pytest.approx(row["net_benefit"], rel=1e-10)
    [pair] = found["sets"]["all"]["comparisons"]["brier"]
    told = r_says("brier.paired.t")
    assert -pair["difference"]["value"] == pytest.approx(told["diff"], rel=1e-10)


# --- judging ---------------------------------------------------------------------------------------


def test_the_record_is_what_the_statistics_say(tmp_path: Path) -> None:
    table = patients()
    found = audited(
        table, tmp_path, Roles("y", ("risk", "extreme"), site="place", subgroups=("place",)[:0]), threshold=0.3
    )
    one = found["sets"]["all"]
    y, p = table["y"], table["risk"]
    assert one["models"]["risk"]["auc"] == stats.auc(y, p).to_dict()
    assert one["models"]["risk"]["sensitivity"] == stats.sensitivity(y, p, threshold=0.3).to_dict()
    assert set(one["models"]["risk"]["measures"]) == set(stats.METRICS)
    north = table[table["place"] == "north"]
    row = next(row for row in one["sites"]["risk"]["sites"] if row["group"] == "north")
    assert row["slope"] == stats.calibration_slope(north["y"], north["risk"]).to_dict()
    told = {name: stats.auc(part["y"], part["risk"]) for name, part in table.groupby("place")}
    order = {row["group"]: told[row["group"]] for row in one["sites"]["risk"]["sites"]}
    assert one["sites"]["risk"]["pooled"]["auc"] == stats.pool_sites({"auc": order})["auc"].to_dict()
    assert (
        one["comparisons"]["auc"] == stats.compare_aucs(y, [p, table["extreme"]], names=["risk", "extreme"]).to_dict()
    )


def test_subgroups_are_held_against_all_others(tmp_path: Path) -> None:
    table = patients(900)
    table["sex"] = np.random.default_rng(2).choice(["f", "m"], 900)
    table.loc[table.index[:12], "sex"] = "x"
    found = audited(table, tmp_path, Roles("y", ("risk",), subgroups=("sex",)))
    rows = {row["group"]: row for row in found["sets"]["all"]["subgroups"]["sex"]["risk"]}
    own = (table["sex"] == "f").to_numpy()
    y, p = table["y"].to_numpy(), table["risk"].to_numpy()
    expected = stats.compare_auc_unpaired(y[own], p[own], y[~own], p[~own], a="f", b="the others")
    assert rows["f"]["difference"] == expected.to_dict()
    assert rows["f"]["detectable"] == pytest.approx((1.959964 + 0.841621) * expected.difference.se, rel=1e-5)
    assert rows["x"]["too_small"]
    assert rows["f"]["p_adjusted"] >= rows["f"]["difference"]["test"]["p_value"]
    assert outcomes(found, "classes") == ["concern"]


@pytest.mark.parametrize("cluster", [None, "who"])
def test_a_subgroup_of_one_outcome_alone_is_written_as_undefined(tmp_path: Path, cluster: str | None) -> None:
    table = patients(300)
    table["who"] = np.arange(300) // 2
    table["sex"] = np.where(np.arange(300) % 2 == 0, "f", "m")
    table.loc[table.index[table["y"] == 0][:5], "sex"] = "x"
    found = audited(table, tmp_path, Roles("y", ("risk", "extreme"), subgroups=("sex",), cluster=cluster))
    for model in ("risk", "extreme"):
        rows = {row["group"]: row for row in found["sets"]["all"]["subgroups"]["sex"][model]}
        assert rows["x"]["p_adjusted"] is None
        assert rows["x"]["detectable"] is None
        assert rows["x"]["difference"]["difference"]["note"]
        assert 0 <= rows["f"]["p_adjusted"] <= 1
    assert json.loads(to_json(found)) == found
    assert "By sex, extreme" in audit_page(found)


def test_the_difference_that_could_be_shown_is_found_in_four_of_five_studies() -> None:
    """A difference of the stated size, between two groups of independent patients."""
    rng, found, detectable = np.random.default_rng(3), [], []
    for _ in range(300):
        y = rng.random(1200) < 0.4
        own = np.arange(1200) < 600
        shift = np.where(own, 0.55, 1.0)  # AUC 0.651 against 0.760
        s = y * shift + rng.normal(size=1200)
        labels = judging.Labels(own.astype(np.int32), ("others", "own"))
        how = judging.Judging(QUICK, None, "m", 0)
        row = judging._group(y.astype(int), s, labels.codes == 1, "own", how, score=True)
        found.append(row["difference"].test.p_value < 0.05)
        detectable.append(row["detectable"])
    truth = 0.760 - 0.651
    power = np.mean(found)
    assert (np.mean(detectable) < truth) == (power > 0.8)
    assert abs(np.mean(detectable) - truth) < 0.03


def test_clusters_are_drawn_and_not_rows(tmp_path: Path) -> None:
    table = patients(300)
    twice = pd.concat([table, table], ignore_index=True)
    setting = Evaluation(bootstrap=Bootstrap(replicates=300))
    alone = audited(table, tmp_path, Roles("y", ("risk", "extreme")), setting=setting)["sets"]["all"]
    both = audited(twice, tmp_path, Roles("y", ("risk", "extreme"), cluster="id"), setting=setting)["sets"]["all"]
    assert both["clusters"] == 300
    one, other = alone["models"]["risk"], both["models"]["risk"]
    assert other["auc"]["se"] == pytest.approx(one["auc"]["se"], rel=0.02)
    width, wide = (x["measures"]["brier"]["high"] - x["measures"]["brier"]["low"] for x in (one, other))
    assert wide == pytest.approx(width, rel=0.2)
    expected = stats.clustered_auc(twice["y"], twice["risk"], twice["id"])
    assert other["auc"]["low"] == pytest.approx(expected.low, abs=1e-12)
    assert both["comparisons"]["auc"]["pairs"][0]["difference"]["method"]
    assert outcomes(audited(twice, tmp_path, Roles("y", ("risk",), cluster="id")), "copies") == ["not applicable"]


def test_large_tables_give_whole_numbers_and_curves_of_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LARGE", 500)
    monkeypatch.setattr("validkit.audit.predictions.auditing.LARGE", 500)
    monkeypatch.setattr(judging, "MOST_POINTS", 100)
    table = patients(3000)
    found = audited(table, tmp_path, Roles("y", ("risk",)), setting=Evaluation())
    one = found["sets"]["all"]["models"]["risk"]
    for key, function in (("auc", stats.auc), ("slope", stats.calibration_slope), ("oe", stats.observed_expected)):
        assert one[key]["value"] == function(table["y"], table["risk"]).value
    assert one["measures"]["calibration_slope"] == one["slope"]
    assert one["measures"]["ici"]["note"].endswith("of 500 rows drawn at random")
    roc = one["roc"]
    assert len(roc["x"]) == len(roc["low"]) == 100
    assert (roc["x"][0], roc["y"][0], roc["x"][-1], roc["y"][-1]) == (0, 0, 1, 1)
    assert "100 of 501 points" in roc["note"]
    assert found["replicates"] == 0


# --- what is asked ---------------------------------------------------------------------------------


def test_a_good_table_raises_nothing(tmp_path: Path) -> None:
    table = patients(2000, seed=6)
    table["part"] = "test"
    roles = Roles("y", ("risk",), split="part")
    found = audited(table, tmp_path, roles, threshold=0.3, prevalence=float(table["y"].mean()))
    assert {one["code"] for one in found["findings"]} == set(QUESTIONS)
    assert found["counts"]["fail"] == found["counts"]["concern"] == 0
    assert all(one["question"] and one["why"] for one in found["findings"])


def spoilt(code: str) -> tuple[pd.DataFrame, dict[str, Any], dict[str, Any], str]:
    """(table, more roles, more arguments, outcome) of a table in which one thing is wrong."""
    table, rng = patients(2000, seed=6), np.random.default_rng(9)
    if code == "classes":
        return table.assign(y=0), {}, {}, "fail"
    if code == "events":
        return table.head(120), {}, {}, "concern"
    if code == "scores":
        return table.assign(risk=logit(table["risk"])), {}, {}, "concern"
    if code == "direction":
        return table.assign(risk=1 - table["risk"]), {}, {}, "fail"
    if code == "in-the-large":
        return table.assign(risk=expit(logit(table["risk"]) - 1.2)), {}, {}, "fail"
    if code == "slope":
        return table.assign(risk=table["extreme"]), {}, {}, "fail"
    if code == "apparent":
        return table.assign(part="train"), {"split": "part"}, {}, "fail"
    if code == "threshold":
        return table, {}, {"threshold": stats.youden_threshold(table["y"], table["risk"])}, "concern"
    if code == "rounding":
        return table.assign(risk=table["risk"].round(2)), {}, {}, "concern"
    if code == "copies":
        return pd.concat([table, table.head(100)]), {}, {}, "concern"
    if code == "missing":
        return table.assign(risk=table["risk"].where(rng.random(2000) > 0.1)), {}, {}, "concern"
    if code == "prevalence":
        return table, {}, {"prevalence": 0.05}, "concern"
    if code == "comparison":
        noisy = expit(logit(table["risk"]).to_numpy() + rng.normal(0, 1.0, (2, 2000)))
        return table.assign(one=noisy[0], other=noisy[1]).head(160), {"models": ("one", "other")}, {}, "concern"
    return table.head(150), {}, {}, "concern"


@pytest.mark.parametrize("code", QUESTIONS)
def test_what_is_wrong_is_found(tmp_path: Path, code: str) -> None:
    table, roles, how, expected = spoilt(code)
    found = audited(
        table, tmp_path, Roles(**{"outcome": "y", "models": ("risk",), **roles}), **{"threshold": 0.3, **how}
    )
    assert expected in outcomes(found, code)


def test_optimism_between_the_sets_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    train, test = patients(800, seed=6), patients(800, seed=7)
    train["risk"] = np.clip(0.5 * train["risk"] + 0.5 * train["y"] + rng.normal(0, 0.05, 800), 0.001, 0.999)
    table = pd.concat([train.assign(part="train"), test.assign(part="test")])
    found = audited(table, tmp_path, Roles("y", ("risk",), split="part"))
    assert found["primary"] == "test"
    assert outcomes(found, "apparent") == ["concern"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 1.2}, "--threshold must lie between 0 and 1"),
        ({"prevalence": 0.0}, "--prevalence must lie"),
        ({"reference": "rsik"}, "did you mean 'risk'"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        audited(patients(50), tmp_path, Roles("y", ("risk",)), **change)


# --- the command -----------------------------------------------------------------------------------


def test_the_command_tells_writes_and_exits_by_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = patients(400)
    table["sex"] = np.random.default_rng(1).choice(["f", "m"], 400)
    path = written(table, tmp_path)
    how = ("audit", path, "--outcome", "y", "--model", "risk", "--model", "extreme", "--threshold", "0.3")
    assert command(*how, "--site", "place", "--subgroup", "sex", "--out", tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "extreme: calibration slope" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    for words in ("Can these predictions be trusted?", "Sites pooled, risk", "By sex, extreme", "Decision curves"):
        assert words in page
    assert "Flow of rows: 400 rows in the file (p.csv); 0 left out, incomplete; 400 complete, all judged" in page
    assert page.index('id="findings"') < page.index('id="rows"') < page.index('id="performance"')
    told = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL).replace("http://www.w3.org", "")
    assert not re.search(r"<script|https?://(?!doi)", told)
    record = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert record["counts"]["fail"] == 1
    assert command("audit", path, "--outcome", "y", "--model", "risk", "--threshold", "0.3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 400
    assert command("audit", path, "--outcome", "y", "--model", "risk", "--fail-on", "concern") == 1
    capsys.readouterr()
    for wrong, words in (
        (("audit", path), "name the columns"),
        ((*how, "--fail-on", "always"), "--fail-on is one of"),
        (("audit", tmp_path / "no.csv", "--outcome", "y", "--model", "p"), "cannot be read"),
    ):
        assert command(*wrong) == 2
        assert words in capsys.readouterr().err


def test_a_protocol_names_the_columns_and_the_settings(tmp_path: Path) -> None:
    found = declared_audit("audit")
    assert found["roles"].models == ("risk", "risk_overfitted", "risk_shifted")
    assert found["threshold"] == 0.3
    assert found["setting"].bootstrap.replicates == 2000
    write_table_phantom(tmp_path, kind="predictions", patients=1000, sites=1, seed=42)
    roles, setting = found.pop("roles"), found.pop("setting").model_copy(update={"bootstrap": Bootstrap(replicates=0)})
    record = audit_predictions(tmp_path / "cohort.csv", roles, setting=setting, **found)
    assert record["acceptance"]["overall"] == "met"
    criteria = {one["measure"] for one in record["acceptance"]["criteria"]}
    assert criteria == {"auc", "calibration_slope", "calibration_in_the_large"}
    record = audit_predictions(
        tmp_path / "cohort.csv", roles, setting=setting, **{**found, "reference": "risk_shifted"}
    )
    assert record["acceptance"]["exit_code"] == 1
    with pytest.raises(InputError, match="an audit takes predictions"):
        declared_audit("plnm-quick")
