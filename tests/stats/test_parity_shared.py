"""Parity with the reference values beside the project (../shared/reference/reference.json), read in place.

Every entry is checked here or named below with the reason why it is not.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit import stats
from validkit.errors import InputError
from validkit.stats.intervals import clopper_pearson, wilson
from validkit.stats.overall import mcfadden_r2

NOT_HERE = {
    "proc.var.obuchowski": "pROC fits specificity on sensitivity for it and leaves out a covariance: not reproduced",
    "proc.pauc.delong": "R's message: no DeLong test of partial areas, here neither",
    "proc.smooth": "smoothed ROC is not offered",
    "anti.auto": "direction is never guessed",
    "single.roc.default": "R's message about levels",
    "rms.lrm": "a fitted model's own statistics",
    "gof.": "further goodness-of-fit tests are not offered",
    "pmcal.cc.gam": "gam curves are not offered",
    "rcorrcens": "its standard error is another one",
}


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.entries = {entry["id"]: entry for entry in entries}

    def values(self, identity: str) -> Any:
        return self.entries[identity]["values"]

    def pair(self, name: str, outcome: str = "y", risk: str = "p") -> tuple[np.ndarray, np.ndarray]:
        text = pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str)
        return text[outcome].astype(float).to_numpy(), text[risk].astype(float).to_numpy()


@pytest.fixture(scope="session")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=tolerance)


CHECKED: dict[str, Callable[[Reference], None]] = {}


def checks(*identities: str) -> Callable[[Callable[[Reference], None]], Callable[[Reference], None]]:
    def register(function: Callable[[Reference], None]) -> Callable[[Reference], None]:
        for identity in identities:
            assert identity not in CHECKED
            CHECKED[identity] = function
        return function

    return register


MARKERS = ("s100b", "ndka", "wfns")


def markers(reference: Reference) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    scores = {marker: reference.pair("aSAH", risk=marker)[1] for marker in MARKERS}
    return reference.pair("aSAH", risk="s100b")[0], scores


@checks(*(f"proc.auc.{m}" for m in MARKERS), *(f"proc.ci.delong.{m}" for m in MARKERS), "proc.ci90.delong.s100b")
def auc(reference: Reference) -> None:
    y, scores = markers(reference)
    for marker, score in scores.items():
        estimate = stats.auc(y, score, scale="score")
        close(estimate.value, reference.values(f"proc.auc.{marker}")[0])
        want = reference.values(f"proc.ci.delong.{marker}")
        close([estimate.low, estimate.high], [want["lower"], want["upper"]])
    ninety, want = stats.auc(y, scores["s100b"], level=0.9, scale="score"), reference.values("proc.ci90.delong.s100b")
    close([ninety.low, ninety.high], [want["lower"], want["upper"]])


@checks("proc.var.s100b", "proc.cov.s100b_ndka", "proc.cov.s100b_wfns", "proc.cov.ndka_wfns")
def covariance(reference: Reference) -> None:
    y, scores = markers(reference)
    _, cov = stats.delong_covariance(y, np.stack(list(scores.values())))
    ours = {"proc.var.s100b": cov[0, 0], "proc.cov.s100b_ndka": cov[0, 1], "proc.cov.s100b_wfns": cov[0, 2]}
    ours["proc.cov.ndka_wfns"] = cov[1, 2]
    for identity, value in ours.items():
        close(value, reference.values(identity)[0])


PAIRS = {
    "proc.delong.paired.s100b_wfns": ("s100b", "wfns", "two-sided"),
    "proc.delong.paired.s100b_ndka": ("s100b", "ndka", "two-sided"),
    "proc.delong.paired.wfns_ndka": ("wfns", "ndka", "two-sided"),
    "proc.delong.paired.less": ("s100b", "wfns", "less"),
    "proc.delong.paired.greater": ("s100b", "wfns", "greater"),
}


@checks(*PAIRS)
def paired(reference: Reference) -> None:
    y, scores = markers(reference)
    for identity, (a, b, side) in PAIRS.items():
        want = reference.values(identity)
        ours = stats.compare_auc(y, scores[a], scores[b], alternative=side, scale="score")
        close([ours.test.statistic, ours.test.p_value], [want["statistic"], want["p.value"]])
        close([ours.difference.low, ours.difference.high], want["conf.int"])


@checks("proc.delong.cc")
def paired_risks(reference: Reference) -> None:
    want = reference.values("proc.delong.cc")
    y, p = reference.pair("cc_test")
    ours = stats.compare_auc(y, p, reference.pair("cc_test", risk="p2")[1])
    close(
        [ours.test.statistic, ours.test.p_value, ours.difference.low, ours.difference.high],
        [want["z"], want["p"], *want["ci"]],
    )


@checks("same.delong", "sep.delong.both_perfect")
def alike(reference: Reference) -> None:
    y, scores = markers(reference)
    for ours in (
        stats.compare_auc(y, scores["s100b"], scores["s100b"] * 10, scale="score"),
        stats.compare_auc(
            *reference.pair("tiny_separation", risk="a"), reference.pair("tiny_separation", risk="a")[1] / 2
        ),
    ):
        assert (ours.difference.value, ours.test.statistic, ours.test.p_value) == (0.0, 0.0, 1.0)
        assert ours.test.note


@checks("ties.auc", "ties.ci.a", "ties.ci.b", "ties.delong")
def ties(reference: Reference) -> None:
    (y, a), (_, b) = reference.pair("tiny_ties", risk="a"), reference.pair("tiny_ties", risk="b")
    for name, p in (("a", a), ("b", b)):
        estimate, want = stats.auc(y, p), reference.values(f"ties.ci.{name}")
        close(
            [estimate.value, estimate.low, estimate.high],
            [reference.values("ties.auc")[name], want["lower"], want["upper"]],
        )
    ours, want = stats.compare_auc(y, a, b), reference.values("ties.delong")
    close([ours.test.statistic, ours.test.p_value], [want["statistic"], want["p.value"]])
    close([ours.difference.low, ours.difference.high], want["conf.int"])


@checks("sep.ci.delong", "sep.delong", "n2.ci", "onepos.ci", "onepos.delong")
def where_delong_fails(reference: Reference) -> None:
    """The value is pROC's; where pROC's interval collapses or is NA ours is Newcombe's, and a test stays undefined."""
    for name, value in (
        ("tiny_separation", 1.0),
        ("n2", 1.0),
        ("one_positive", reference.values("onepos.delong")["estimate"][0]),
    ):
        estimate = stats.auc(*reference.pair(name, risk="a"))
        close(estimate.value, value)
        assert 0 <= estimate.low < estimate.high <= 1
        assert "Newcombe" in estimate.note
    want, (y, a) = reference.values("sep.delong"), reference.pair("tiny_separation", risk="a")
    ours = stats.compare_auc(y, a, reference.pair("tiny_separation", risk="b")[1])
    close(
        [ours.test.statistic, ours.test.p_value, *[ours.difference.low, ours.difference.high]],
        [want["statistic"], want["p.value"], *want["conf.int"]],
    )
    one = stats.compare_auc(*reference.pair("one_positive", risk="a"), reference.pair("one_positive", risk="b")[1])
    close(one.difference.value, -0.25)
    assert math.isnan(one.test.p_value)
    assert math.isnan(one.difference.low)
    assert one.test.note


@checks("const.ci", "anti.fixed", "single.roc", "na.roc")
def odd_inputs(reference: Reference) -> None:
    constant = stats.auc(*reference.pair("constant_score", risk="a"))
    assert (constant.value, constant.low, constant.high) == (0.5, 0.5, 0.5)
    close(stats.auc(*reference.pair("anti_score", risk="a")).value, reference.values("anti.fixed")[0])
    single = stats.auc(*reference.pair("single_class", risk="a"))
    assert math.isnan(single.value)
    assert "no non-event" in single.note
    with pytest.raises(InputError, match=r"missing \(NaN\) for 1 of 6 patients \(row 1\)"):
        stats.auc(*reference.pair("with_na", risk="a"))


@checks("proc.coords.youden", "proc.coords.at0.5")
def at_threshold(reference: Reference) -> None:
    y, scores = markers(reference)
    want = reference.values("proc.coords.youden")
    threshold = stats.youden_threshold(y, scores["s100b"], scale="score")
    close(threshold, want["threshold"])
    c, want = (
        stats.confusion(y, scores["s100b"], threshold=threshold, scale="score"),
        reference.values("proc.coords.at0.5"),
    )
    assert [c.tp, c.fp, c.tn, c.fn] == [want["tp"], want["fp"], want["tn"], want["fn"]]
    risk = scores["s100b"] / 10
    for name in ("ppv", "npv", "accuracy", "specificity", "sensitivity"):
        close(getattr(stats, name)(y, risk, threshold=0.0205).value, want[name])


@checks("valprob.cc", "valprob.cc.m2", "valprob.birthwt.apparent", "valprob.extreme", "valprob.const", "valprob.single")
def val_prob(reference: Reference) -> None:
    pairs = {
        "valprob.cc": reference.pair("cc_test"),
        "valprob.cc.m2": reference.pair("cc_test", risk="p2"),
        "valprob.birthwt.apparent": reference.pair("birthwt", outcome="low"),
        "valprob.extreme": reference.pair("extreme_probs"),
    }
    for identity, (y, p) in pairs.items():
        want, z = reference.values(identity), stats.spiegelhalter(y, p)
        close([stats.brier(y, p).value, z.statistic, z.p_value], [want["Brier"], want["S:z"], want["S:p"]])
        if identity == "valprob.extreme":  # perfectly separated: lrm stops somewhere, there is no finite slope
            assert math.isnan(stats.calibration_slope(y, p).value)
            assert "separate" in stats.calibration_slope(y, p).note
            continue
        intercept, slope = stats.calibration_line(y, p)
        close([intercept.value, slope.value], [want["Intercept"], want["Slope"]], 1e-7)
        close(stats.calibration_test(y, p).statistic, want["U:Chi-sq"], 1e-7)
        close(stats.nagelkerke_r2(y, p).value, want["R2"], 1e-7)
        errors = stats.calibration_errors(y, p, method="lowess")
        close([errors[k].value for k in ("ici", "e90", "emax")], [want[k] for k in ("Eavg", "E90", "Emax")], 1e-7)
    y, p = reference.pair("constant_score", risk="a")
    close(stats.brier(y, p).value, reference.values("valprob.const")["Brier"])
    assert math.isnan(stats.spiegelhalter(y, p).statistic)
    assert math.isnan(stats.calibration_slope(y, p).value)  # val.prob prints a slope of 0
    assert math.isnan(stats.calibration_slope(*reference.pair("single_class", risk="a")).value)


LOGCAL = {
    "logcal.cc_test": ("cc_test", "y", "p"),
    "logcal.cc_test:p2": ("cc_test", "y", "p2"),
    "logcal.birthwt": ("birthwt", "low", "p"),
}


@checks(*LOGCAL, "pmcal.logistic", "update.intercept", "update.logistic")
def logistic_calibration(reference: Reference) -> None:
    for identity, where in LOGCAL.items():
        y, p = reference.pair(*where)
        want = reference.values(identity)
        large, (intercept, slope) = stats.calibration_in_the_large(y, p), stats.calibration_line(y, p)
        ours = [large.value, large.se, intercept.value, intercept.se, slope.value, slope.se]
        names = ("citl", "citl_se", "intercept_joint", "intercept_se", "slope", "slope_se")
        close(ours, [want[name] for name in names], 1e-9)
        test, profile = stats.calibration_test(y, p), stats.calibration_slope(y, p, method="profile")
        close([test.statistic, test.p_value], [want["LR_unreliability"], want["LR_p_df2"]], 1e-9)
        close([profile.low, profile.high], want["profile_slope"], 1e-4)  # R's confint interpolates
        oe = stats.observed_expected(y, p)
        close([oe.value, oe.se], [want["OE"], want["OE_log_se_binomial"]])
    y, p = reference.pair("cc_test")
    want = reference.values("pmcal.logistic")
    close(stats.calibration_in_the_large(y, p).value, want["citl"]["Estimate"], 1e-6)
    close(stats.calibration_slope(y, p).value, want["slope"]["Estimate"], 1e-6)
    y, p = reference.pair("cc_test", risk="p2")
    close(stats.calibration_in_the_large(y, p).value, reference.values("update.intercept")[0], 1e-9)
    close([e.value for e in stats.calibration_line(y, p)], reference.values("update.logistic"), 1e-9)


HL = {
    "hl.cc.g10": ("cc_test", "y", "p", 10),
    "hl.cc.g5": ("cc_test", "y", "p", 5),
    "hl.birthwt.g10": ("birthwt", "low", "p", 10),
    "hl.birthwt.g8": ("birthwt", "low", "p", 8),
    "hl.cc_p2.g10": ("cc_test", "y", "p2", 10),
    "hl.single": ("single_class", "y", "a", 5),
}


@checks(*HL, "hl.ties", "hl.const")
def hosmer_lemeshow(reference: Reference) -> None:
    for identity, (name, outcome, risk, groups) in HL.items():
        y, p = reference.pair(name, outcome, risk)
        want = reference.values(identity)
        for fitted, suffix in ((True, "dev"), (False, "ext")):
            ours = stats.hosmer_lemeshow(y, p, groups=groups, fitted_here=fitted)
            close([ours.statistic, ours.df, ours.p_value], [want["X2"], want[f"df_{suffix}"], want[f"p_{suffix}"]])
        rows = stats.calibration_groups(y, p, groups=groups)
        close(
            [[r["n"], r["events"], r["n"] * r["mean_risk"]] for r in rows],
            np.transpose([want["n"], want["obs"], want["exp"]]),
        )
    y, p = reference.pair("tiny_ties", risk="a")
    want, ours = reference.values("hl.ties"), stats.hosmer_lemeshow(y, p, fitted_here=True)
    n, seen, expected = (np.array(want[k], float) for k in ("n", "obs", "exp"))
    kept = n > 0  # ResourceSelection keeps the empty groups and ends in NaN
    statistic = ((seen - expected)[kept] ** 2 / (expected * (1 - expected / np.where(n, n, 1)))[kept]).sum()
    close([ours.statistic, ours.df], [statistic, kept.sum() - 2])
    assert "5 groups formed" in ours.note
    constant = stats.hosmer_lemeshow(*reference.pair("constant_score", risk="a"), fitted_here=False)
    assert math.isnan(constant.statistic)
    assert "fewer than three groups" in constant.note


@checks("pmcal.cc.loess", "pmcal.cc.lowess", "pm.cal.cc.loess")
def smooth_calibration(reference: Reference) -> None:
    y, p = reference.pair("cc_test")
    for method in ("loess", "lowess"):
        want, ours = reference.values(f"pmcal.cc.{method}"), stats.calibration_errors(y, p, method=method)
        close([ours[k].value for k in ("ici", "e50", "e90", "emax")], [want[k] for k in ("Eavg", "E50", "E90", "Emax")])
    want = reference.values("pm.cal.cc.loess")
    close(stats.calibration_errors(y, p)["ici"].value, want["ICI"])
    close(stats.expected_calibration_error(y, p).value, want["ECE"])
    close(stats.observed_expected(y, p).value, want["O:E ratio"])


@checks("spiegelhalter.cc", "pm.overall.cc", "somers2.cc", "pm.disc.cc", "score.cc")
def overall(reference: Reference) -> None:
    y, p = reference.pair("cc_test")
    test, want = stats.spiegelhalter(y, p), reference.values("spiegelhalter.cc")
    close([test.statistic, test.p_value], [want["z"], want["p"]])
    want = reference.values("pm.overall.cc")
    close(stats.log_loss(y, p).value * y.size, want["Logloss"])
    names = ("Brier", "Scaled Brier", "McFadden R2", "Cox-Snell R2", "Nagelkerke R2", "Discrimination slope")
    functions = (
        stats.brier,
        stats.scaled_brier,
        mcfadden_r2,
        stats.cox_snell_r2,
        stats.nagelkerke_r2,
        stats.discrimination_slope,
    )
    close([function(y, p).value for function in functions], [want[name] for name in names])
    close(stats.auc(y, p).value, reference.values("somers2.cc")["C"])
    close(stats.auc(y, p).value, reference.values("pm.disc.cc")["AUROC/c statistic"])
    score = reference.values("score.cc")
    for i, risk in enumerate(("p", "p2")):
        y, p = reference.pair("cc_test", risk=risk)
        for ours, want in ((stats.auc(y, p), score["AUC"][i]), (stats.brier(y, p), score["Brier"][i + 1])):
            close([ours.se, ours.low, ours.high], [want["se"], want["lower"], want["upper"]])
        close(stats.scaled_brier(y, p).value, score["Brier"][i + 1]["IPA"])


@checks("pm.class.cc.0.5", "pm.class.ties", "pm.class.single")
def classification(reference: Reference) -> None:
    names = {
        "Accuracy": stats.accuracy,
        "Balanced Accuracy": stats.balanced_accuracy,
        "Youden index": stats.youden_index,
        "F1": stats.f1,
        "Sensitivity/Recall": stats.sensitivity,
        "Specificity": stats.specificity,
        "PPV/precision": stats.ppv,
        "NPV": stats.npv,
    }
    for identity, name, risk in (
        ("pm.class.cc.0.5", "cc_test", "p"),
        ("pm.class.ties", "tiny_ties", "a"),
        ("pm.class.single", "single_class", "a"),
    ):
        y, p = reference.pair(name, risk=risk)
        want = reference.values(identity)
        for column, function in names.items():
            close(function(y, p, threshold=0.5).value, float(want[column]))


@checks("dca.binary.marker", "dca.binary.famhistory", "dca.cc", "dca.ties", "dca.extreme", "dca.test_consequences")
def decision_curves(reference: Reference) -> None:
    sources = {
        "dca.binary.marker": ("dcurves_binary", "cancer", ("cancerpredmarker",)),
        "dca.binary.famhistory": ("dcurves_binary", "cancer", ("famhistory",)),
        "dca.cc": ("cc_test", "y", ("p", "p2")),
        "dca.ties": ("tiny_ties", "y", ("a", "b")),
        "dca.extreme": ("extreme_probs", "y", ("p",)),
    }
    for identity, (name, outcome, risks) in sources.items():
        rows = pd.DataFrame(reference.values(identity)["rows"])
        for variable in ("all", "none", *risks):
            part = rows[rows["variable"] == variable]
            thresholds = part["threshold"].to_numpy(float)
            want = np.array(
                [math.nan if t == 1 else float(v) for t, v in zip(thresholds, part["net_benefit"], strict=True)]
            )
            if variable in risks:
                ours = stats.decision_curve(*reference.pair(name, outcome, variable), thresholds=thresholds)
            else:
                strategy = stats.treat_all if variable == "all" else stats.treat_none
                ours = strategy(reference.pair(name, outcome, risks[0])[0], thresholds=thresholds)
            assert thresholds.size > 2
            if variable == "famhistory":  # dcurves moves a risk of 0 below a threshold of 0; here 0 >= 0 is positive
                close(ours.y[0], 0.14)
                want[0] = ours.y[0]
            close(ours.y, want)
    y, p = reference.pair("dcurves_binary", "cancer", "cancerpredmarker")
    for row in reference.values("dca.test_consequences")["rows"]:
        c = stats.confusion(y, p, threshold=row["threshold"])
        close(
            [c.tp / c.n, c.fp / c.n, c.tn / c.n, c.fn / c.n],
            [row[k] for k in ("tp_rate", "fp_rate", "tn_rate", "fn_rate")],
        )
        for column, function in (
            ("ppv", stats.ppv),
            ("npv", stats.npv),
            ("sens", stats.sensitivity),
            ("spec", stats.specificity),
        ):
            close(function(y, p, threshold=row["threshold"]).value, row[column])


@checks("dca.grid_float", "dca.out_of_range")
def where_decision_curves_differ(reference: Reference) -> None:
    """On dcurves' float grid 0.3 is 0.30000000000000004 and two patients at 0.3 change sides; here they do not."""
    rows = pd.DataFrame(reference.values("dca.grid_float")["rows"])
    want = rows[rows["variable"] == "p"]["net_benefit"].to_numpy(float)
    y, p = [0, 1, 0, 1], [0.1, 0.3, 0.3, 0.7]
    for grid in (stats.decision_grid(0, 1, 0.1), np.array([i * 0.1 for i in range(11)]).clip(0, 1)):
        ours = stats.decision_curve(y, p, thresholds=grid).y
        differ = np.flatnonzero(~np.isclose(ours[:-1], want[:-1]))
        assert list(differ) == [3, 7][: len(differ)]
        close(ours[3], 0.5 - 0.25 * 0.3 / 0.7)
        close(ours[7], 0.25)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        stats.decision_curve(*reference.pair("dcurves_binary", "cancer", "marker"))


@checks("binconf.0_10", "binconf.10_10", "binconf.1_7")
def proportions(reference: Reference) -> None:
    for x, n in ((0, 10), (10, 10), (1, 7)):
        want = reference.values(f"binconf.{x}_{n}")
        close(
            [float(end) for end in clopper_pearson(x, n, 0.95)], [want["exact"]["Lower"], want["exact"]["Upper"]], 1e-9
        )
        low, high = (float(end) for end in wilson(x, n, 0.95))
        close(high, want["wilson"]["Upper"])
        if x != 1:  # binconf replaces Wilson's lower end at x = 1 by another formula; prop.test does not
            close(low, want["wilson"]["Lower"])


@checks("padjust")
def adjusted(reference: Reference) -> None:
    want = reference.values("padjust")
    for ours, theirs in (("holm", "holm"), ("bh", "BH"), ("bonferroni", "bonferroni"), ("hochberg", "hochberg")):
        close(stats.adjust_p_values(want["p"], method=ours), want[theirs])


@checks("icc.shroutfleiss", "icc.2x2", "icc.constant")
def agreement(reference: Reference) -> None:
    table = pd.read_csv(reference.folder / "data" / "shrout_fleiss.csv").to_numpy()
    for identity, ratings in (("icc.shroutfleiss", table), ("icc.2x2", np.array([[1, 1.1], [2, 2.2]]))):
        for kind, want in reference.values(identity).items():
            form = f"ICC({kind[3]},{'k' if kind.endswith('k') else '1'})"
            a = stats.icc(ratings, form=form)
            ours = [part[0] for part in (a.value, a.statistic, a.df1, a.df2, a.p_value, a.low, a.high)]
            names = ("ICC", "F", "df1", "df2", "p", "lower bound", "upper bound")
            close(ours, [want[name] for name in names], 1e-9)
    constant = stats.icc(np.ones((6, 2)))  # psych prints rounding noise
    assert np.isnan(constant.value).all()


@pytest.mark.parametrize("function", sorted(set(CHECKED.values()), key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_equals_the_reference(function: Callable[[Reference], None], reference: Reference) -> None:
    function(reference)


def checked_elsewhere() -> set[str]:
    """The entries that the files beside this one check: their `IDS`."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_parity_shared_*.py"):
        spec = importlib.util.spec_from_file_location(f"{path.stem}_ids", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= set(module.IDS)
    return found


def test_every_entry_is_checked_or_explained(reference: Reference) -> None:
    checked = set(CHECKED) | checked_elsewhere()
    unexplained = [i for i in reference.entries if i not in checked and not any(i.startswith(p) for p in NOT_HERE)]
    assert unexplained == []
    assert checked <= set(reference.entries)
    assert [p for p in NOT_HERE if not any(i.startswith(p) for i in reference.entries)] == []
    assert len(CHECKED) > 75
