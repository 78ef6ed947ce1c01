"""A paper's claims: right on each number of the real one, every planted fault found, sound studies left in peace."""

from __future__ import annotations

import copy
import json
import math
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from tests.commands import command
from validkit import stats
from validkit.audit.claims import arithmetic
from validkit.audit.claims.checks import ClaimFinding, check_claims
from validkit.audit.claims.study import REPORTED, Claims, read_claims, template
from validkit.errors import InputError

FILE = Path(__file__).parents[2] / "protocols" / "claims" / "wang-2025.toml"
PAPER: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def paper() -> list[ClaimFinding]:
    return check_claims(read_claims("wang-2025"))


def one(findings: list[ClaimFinding], code: str, words: str) -> ClaimFinding:
    found = [f for f in findings if f.code == code and re.search(words, f.what)]
    assert len(found) == 1, [f.what for f in findings if f.code == code]
    return found[0]


# --- the paper -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("dimensions of the fused", "73 .*; 1625"),
        ("limit of the Spearman", "0.9 .*; 0.8"),
        ("LASSO penalty 0.0450", "radiomic features.*; the fused"),
        ("how the fused features were selected", "recursive feature elimination.*LASSO"),
        ("not reproducible", "both the inter- and the intra"),
        ("deep features before", "16,383"),
        ("net benefit is the highest", "10 % to 50 %.*all decision thresholds"),
    ],
)
def test_each_contradiction_between_sections_is_named(paper: list[ClaimFinding], quantity: str, words: str) -> None:
    found = one(paper, "sections", quantity)
    assert found.verdict == "contradiction"
    assert re.search(words, found.why)
    assert found.effect


def test_red_cells_do_not_differ_and_are_independent(paper: list[ClaimFinding]) -> None:
    assert one(paper, "predictor", "red blood").verdict == "contradiction"
    assert one(paper, "predictor", "diameter").verdict == "consistent"


def test_counts_percentages_and_sums_are_right(paper: list[ClaimFinding]) -> None:
    assert {f.verdict for f in paper if f.code in ("sum", "percentage", "proportion")} == {"consistent"}
    assert 42 + 744 + 775 == 1561
    assert round(100 * 76 / 294, 1) == 25.9
    assert round(100 * 31 / 127, 1) == 24.4
    assert one(paper, "proportion", "sensitivity").evidence["possible"] == [18]
    assert round(100 * 18 / 31, 1) == 58.1
    assert one(paper, "proportion", "specificity").evidence["possible"] == [81]
    assert round(100 * 81 / 96, 1) == 84.4
    # Wilson's interval by its quadratic: (p - q)^2 = z^2 q (1 - q)/n
    found, z = one(paper, "proportion", "sensitivity").evidence, norm.ppf(0.975)
    for end in (found["low"], found["high"]):
        q = end / 100
        assert (18 / 31 - q) ** 2 == pytest.approx(z**2 * q * (1 - q) / 31, rel=1e-9)


def test_intervals_of_the_aucs_are_as_wide_as_such_samples_make_them(paper: list[ClaimFinding]) -> None:
    for words, value, low, high, m, n in (
        (r"radiomics \(MLP\)", 0.729, 0.6249, 0.8334, 31, 96),
        ("DenseNet121", 0.702, 0.5853, 0.8193, 31, 96),
        (r"fusion \(MLP\)", 0.753, 0.6494, 0.8560, 31, 96),
        ("nomogram on training", 0.871, 0.8274, 0.9156, 76, 218),
        ("nomogram on test", 0.764, 0.6604, 0.8678, 31, 96),
    ):
        found = one(paper, "auc", words)
        assert found.verdict == "consistent"
        assert found.evidence["se"] == pytest.approx((high - low) / (2 * 1.959964), rel=1e-6)
        # Hanley and McNeil by the exponential model's own probabilities
        q1, q2 = value / (2 - value), 2 * value * value / (1 + value)
        variance = (value * (1 - value) + (m - 1) * (q1 - value**2) + (n - 1) * (q2 - value**2)) / (m * n)
        assert found.evidence["hanley_mcneil"] == pytest.approx(math.sqrt(variance), rel=1e-12)
        assert found.evidence["se"] < found.evidence["largest_possible"]


def test_odds_ratios_are_even_on_the_log_scale(paper: list[ClaimFinding]) -> None:
    diameter, cells = one(paper, "odds-ratio", "diameter"), one(paper, "odds-ratio", "red blood")
    assert diameter.verdict == cells.verdict == "consistent"
    z = math.log(0.646) / ((math.log(0.910) - math.log(0.459)) / (2 * 1.959964))
    assert cells.evidence["p"] == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-6)


def test_five_point_one_per_cent_are_points(paper: list[ClaimFinding]) -> None:
    found = one(paper, "difference", "DenseNet121")
    assert found.verdict == "contradiction"
    assert found.evidence["points"] == pytest.approx(5.1)
    assert found.evidence["percent"] == pytest.approx(100 * 0.051 / 0.702)


def test_so_few_patients_cannot_tell_the_models_apart(paper: list[ClaimFinding]) -> None:
    fused, nomogram = one(paper, "power", "DenseNet121"), one(paper, "power", "^nomogram")
    assert fused.verdict == nomogram.verdict == "inadequate"
    rng, found = np.random.default_rng(1), []
    first, second = (math.sqrt(2) * norm.ppf(auc) for auc in (0.753, 0.702))
    y = np.r_[np.ones(31, int), np.zeros(96, int)]
    for _ in range(1500):
        noise = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 127)
        a, b = noise[:, 0] + first * y, noise[:, 1] + second * y
        found.append(stats.compare_auc(y, a, b, scale="score").test.p_value < 0.05)
    assert fused.evidence["power"][0.5] == pytest.approx(np.mean(found), abs=0.03)
    smallest = fused.evidence["smallest"][0.5]
    assert 0.1 < smallest < 0.15
    assert max(nomogram.evidence["power"].values()) < 0.06


def test_sizes_are_those_of_the_formulas(paper: list[ClaimFinding]) -> None:
    found = one(paper, "development-size", "76 events for 1625")
    assert found.evidence["each"] == pytest.approx(76 / 1625)
    r2 = stats.cox_snell_from_auc(0.871, prevalence=76 / 294)
    by_hand = 1625 / ((0.9 - 1) * math.log(1 - r2 / 0.9))
    assert found.evidence["needed"] == pytest.approx(by_hand, rel=0.01) or found.evidence["needed"] > by_hand
    size = one(paper, "validation-size", "test")
    assert size.verdict == "inadequate"
    phi, width = 31 / 127, 0.2
    se = math.asinh(width / 2) / 1.959964
    assert size.evidence["needed_oe"] == math.ceil((1 - phi) / (phi * se**2))


def test_choices_many_models_and_the_hosmer_lemeshow_test(paper: list[ClaimFinding]) -> None:
    assert [f.verdict for f in paper if f.code == "choice"] == ["inadequate"] * 3
    flattery = one(paper, "multiplicity", "19 models").evidence["flattery"]
    rng = np.random.default_rng(2)
    best = rng.standard_normal((20000, 19)).max(axis=1).mean() * arithmetic.hanley_mcneil(0.7, 31, 96)
    assert flattery == pytest.approx(best, rel=0.02)
    powers = {f.what: f.evidence["power"] for f in paper if f.code == "hosmer-lemeshow"}
    assert all(power < 0.6 for power in powers.values())
    assert one(paper, "optimism", "nomogram").evidence["fall"] == pytest.approx(0.107)
    assert {f.what for f in paper if f.verdict == "missing"} == set(REPORTED)


def test_nothing_in_the_paper_is_impossible(paper: list[ClaimFinding]) -> None:
    assert not [f for f in paper if f.verdict in ("impossible", "implausible")]


# --- planted faults --------------------------------------------------------------------------------


def at(table: str, **which: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The first entry of a table whose keys have these values."""
    return lambda study: next(e for e in study[table] if all(e[k] == v for k, v in which.items()))


def put(entry: Callable[[dict[str, Any]], dict[str, Any]], **new: Any) -> Callable[[dict[str, Any]], None]:
    return lambda study: entry(study).update(new)


TRAIN, TEST = at("sample", name="training"), at("sample", name="test")
NOMOGRAM = at("auc", model="nomogram", sample="test")
CELLS, DIAMETER = (
    at("odds_ratio", predictor="red blood cell count"),
    at("odds_ratio", predictor="maximum tumour diameter"),
)
TWICE = [{"quantity": "limit", "printed": "a", "where": "x"}, {"quantity": "limit", "printed": "b", "where": "y"}]
WIDE = at("predictor", name="maximum tumour diameter")
FUSED = at("difference", better="fusion (MLP)")
PLANTED: list[tuple[str, Callable[[dict[str, Any]], None], str, str]] = [
    ("events misprinted in percent", put(TRAIN, percent="26.9"), "percentage", "impossible"),
    ("share without misprinted", put(TEST, percent_others="76.6"), "percentage", "impossible"),
    ("one event too many", put(TEST, events=32, others=96), "sum", "impossible"),
    ("others miscounted", put(TRAIN, others=219), "sum", "impossible"),
    ("sets do not add up", put(at("sample", name="all"), n=422), "sum", "impossible"),
    ("events do not add up", put(at("sample", name="all"), events=108), "sum", "impossible"),
    ("features do not add up", put(at("parts"), total=1562), "sum", "impossible"),
    ("a category too many", put(at("parts"), parts={"a": 42, "b": 744, "c": 776}), "sum", "impossible"),
    ("sensitivity of no count", put(at("proportion", of="events"), percent="59.0"), "proportion", "impossible"),
    ("specificity of no count", put(at("proportion", of="others"), percent="84.9"), "proportion", "impossible"),
    ("sensitivity of the wrong group", put(at("proportion", of="events"), of="others"), "proportion", "impossible"),
    ("a count that gives another", put(at("proportion", of="events"), count=17), "proportion", "impossible"),
    ("not the planned split", put(at("share"), part=300), "percentage", "contradiction"),
    ("an interval beyond what is possible", put(NOMOGRAM, low="0.5640", high="0.9640"), "auc", "impossible"),
    ("an interval far too narrow", put(NOMOGRAM, low="0.7500", high="0.7780"), "auc", "implausible"),
    ("an interval far too wide", put(NOMOGRAM, low="0.5440", high="0.9840"), "auc", "impossible"),
    ("an interval beyond 1", put(NOMOGRAM, low="0.5280", high="1.0000", value="0.764"), "auc", "impossible"),
    ("a value outside its interval", put(NOMOGRAM, value="0.874"), "auc", "impossible"),
    ("an interval of a larger study", put(NOMOGRAM, low="0.7440", high="0.7840"), "auc", "implausible"),
    ("an odds ratio off its middle", put(CELLS, value="0.846"), "odds-ratio", "implausible"),
    ("an odds ratio outside", put(CELLS, value="0.940"), "odds-ratio", "impossible"),
    ("a lower end misprinted", put(DIAMETER, low="1.006"), "odds-ratio", "implausible"),
    ("p that the interval does not give", put(CELLS, p="0.12"), "odds-ratio", "contradiction"),
    ("p smaller than can be", put(CELLS, p="<0.001"), "odds-ratio", "contradiction"),
    ("p larger than can be", put(DIAMETER, p=">0.05"), "odds-ratio", "contradiction"),
    ("a gain of no kind", put(FUSED, printed="9.9"), "difference", "impossible"),
    ("a gain in the wrong unit", put(FUSED, printed="7.3", unit="points"), "difference", "contradiction"),
    ("told in two ways", lambda study: study["value"].extend(TWICE), "sections", "contradiction"),
    ("p of no test", put(at("hosmer_lemeshow"), p="1.310"), "hosmer-lemeshow", "impossible"),
    ("diameter alone is nothing", put(WIDE, alone="does not differ"), "predictor", "contradiction"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "code", "verdict"), PLANTED, ids=[p[0] for p in PLANTED])
def test_a_planted_fault_is_found(
    name: str, change: Callable[[dict[str, Any]], None], code: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validkit.audit.claims.checks.SIMULATED", 5)
    study = copy.deepcopy(PAPER)
    before = {(f.code, f.what, f.verdict, f.why) for f in check_claims(claims_of(study))}
    change(study)
    after = check_claims(claims_of(study))
    assert [
        f for f in after if f.code == code and f.verdict == verdict and (f.code, f.what, f.verdict, f.why) not in before
    ]


def claims_of(study: dict[str, Any]) -> Claims:
    return Claims.model_validate(copy.deepcopy(study))


def test_there_are_thirty_of_them() -> None:
    assert len(PLANTED) == 30


# --- sound studies ---------------------------------------------------------------------------------


def sound(seed: int) -> dict[str, Any]:
    """What an honest paper prints of a study that was done: simulated patients, numbers rounded as journals round."""
    rng = np.random.default_rng([5, seed])
    n = int(rng.integers(150, 900))
    d = int(rng.integers(1, 4))
    age, marker = rng.normal(55, 9, n), rng.normal(size=n)
    lp = -1.0 + 0.03 * (age - 55) + rng.uniform(0.5, 1.4) * marker
    y = (rng.random(n) < expit(lp)).astype(int)
    test = rng.random(n) < 0.3
    model = expit(lp + rng.normal(0, 0.5, n))
    other = expit(0.03 * (age - 55) + rng.normal(0, 0.3, n))
    fit = stats.logistic_regression(np.column_stack([age, marker])[~test], y[~test])
    study: dict[str, Any] = {"study": {"title": f"study {seed}"}, "sample": [], "auc": [], "proportion": []}
    for name, rows in (("training", ~test), ("test", test)):
        m, k = int(y[rows].sum()), int(rows.sum())
        study["sample"].append(
            {"name": name, "role": name, "n": k, "events": m, "others": k - m,
             "percent": f"{100 * m / k:.1f}", "percent_others": f"{100 * (k - m) / k:.1f}"}
        )  # fmt: skip
        method = str(rng.choice(["delong", "logit-delong"]))
        for label, p in (("model", model), ("age", other)):
            e = stats.auc(y[rows], p[rows], method=method)
            study["auc"].append(
                {"model": label, "sample": name, "value": f"{e.value:.{d}f}" if d > 1 else f"{e.value:.2f}",
                 "low": f"{e.low:.{max(d, 2)}f}", "high": f"{e.high:.{max(d, 2)}f}"}
            )  # fmt: skip
        positive = model[rows] >= 0.3
        for what, of, hit in (("sensitivity", 1, positive), ("specificity", 0, ~positive)):
            own = y[rows] == of
            share = 100 * hit[own].mean()
            study["proportion"].append(
                {
                    "what": f"{what} on {name}",
                    "sample": name,
                    "of": "events" if of else "others",
                    "percent": f"{share:.{d}f}",
                }
            )
    study["sample"].append({"name": "everyone", "role": "all", "n": n, "events": int(y.sum())})
    study["odds_ratio"] = [
        {"predictor": ("age", "marker")[j], "value": f"{math.exp(b):.3f}", "low": f"{math.exp(b - 1.959964 * s):.3f}",
         "high": f"{math.exp(b + 1.959964 * s):.3f}",
         "p": "<0.001" if (p := math.erfc(abs(b / s) / math.sqrt(2))) < 0.001 else f"{p:.3f}"}
        for j, (b, s) in enumerate(zip(fit.beta[1:], np.sqrt(np.diag(fit.covariance))[1:], strict=True))
    ]  # fmt: skip
    areas = {(a["model"], a["sample"]): float(a["value"]) for a in study["auc"]}
    gain = 100 * (areas[("model", "test")] - areas[("age", "test")])
    study["difference"] = [
        {
            "better": "model",
            "worse": "age",
            "sample": "test",
            "printed": f"{gain:.1f}",
            "unit": "points",
            "tested": True,
        }
    ]
    study["parts"] = [{"what": "features", "total": 3 + seed, "parts": {"a": 1, "b": 2 + seed}}]
    return study


def test_thirty_sound_studies_raise_no_impossible_and_few_implausible() -> None:
    counted = {"impossible": 0, "contradiction": 0, "implausible": 0, "auc": 0}
    for seed in range(30):
        for f in check_claims(claims_of(sound(seed))):
            counted["auc"] += f.code == "auc"
            if f.verdict in counted:
                counted[f.verdict] += 1
                assert f.verdict == "implausible", (seed, f)
    assert counted["impossible"] == counted["contradiction"] == 0
    assert counted["auc"] == 120
    assert counted["implausible"] <= 0.01 * counted["auc"] + 2.5 * math.sqrt(0.01 * counted["auc"])


# --- laws ------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(whole=st.integers(1, 3000), digits=st.integers(0, 3), data=st.data())
def test_a_count_is_among_those_behind_its_own_percentage(whole: int, digits: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    assert part in arithmetic.counts_behind(f"{100 * part / whole:.{digits}f}", whole)


def test_percentages_of_no_count_are_those_that_trying_every_count_does_not_give() -> None:
    for whole in (7, 31, 96):
        given_ = {f"{math.floor(1000 * k / whole + 0.5) / 10:.1f}" for k in range(whole + 1)}
        for tenth in range(1001):
            printed = f"{tenth / 10:.1f}"
            assert bool(arithmetic.counts_behind(printed, whole)) >= (printed in given_)
            if not arithmetic.counts_behind(printed, whole):
                assert printed not in given_


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 30), n=st.integers(2, 30), ties=st.booleans())
def test_no_sample_has_a_larger_error_than_the_largest(seed: int, m: int, n: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    s = np.r_[rng.normal(1, 3, m), rng.normal(0, 0.2, n)]
    s = np.round(s) if ties else s
    e = stats.auc(np.r_[np.ones(m, int), np.zeros(n, int)], s, scale="score")
    if 0 < e.value < 1 and e.method == "DeLong":
        assert e.se <= arithmetic.largest_error(e.value, m, n) * (1 + 1e-12)


# --- the file and the command ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("n              = 294", 'n              = "294"', r"sample\[1\].n"),
        ('percent        = "25.9"', "percent        = 25.9", "write the number as text, in quotes"),
        ('value  = "0.764"', 'value  = "0.764a"', "is no number as it is printed"),
        ('sample = "test"', 'sample = "tset"', "names the sample 'tset', which is not there; did you mean 'test'"),
        ("[development]", "[developmnt]", "developmnt: unknown key; did you mean 'development'"),
        (
            'better = "nomogram"',
            'better = "monogram"',
            "needs the AUC of 'monogram' on 'test'; did you mean 'nomogram'",
        ),
        ('"code"   ', '"codes"   ', "has no item 'codes'; did you mean 'code'"),
        ("events         = 76", "events         = 976", "`events` is 976 of n = 294"),
        ('low    = "0.6604"\n', "", "`low` and `high` belong together"),
        ("[study]", "[study", "not valid TOML"),
    ],
)
def test_a_claims_file_that_is_wrong_says_where(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "claims.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_claims(tmp_path / "claims.toml")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no wang-2052; shipped are wang-2025"):
        read_claims("wang-2052")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        read_claims(tmp_path / "x.toml")


def test_the_command_tells_writes_and_gives_a_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("claims", "--template") == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == template()
    assert command("claims", tmp_path / "mine.toml", "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What the study cannot bear" in page
    record = json.loads((tmp_path / "out" / "claims.json").read_text(encoding="utf-8"))
    assert record["counts"]["impossible"] == 0
    text = template().replace("total = 100", "total = 101")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert command("claims", tmp_path / "mine.toml") == 1
    assert "impossible: features: 40 shape + 60 texture = 100, printed 101" in capsys.readouterr().out
    assert command("claims", tmp_path / "mine.toml", "--json") == 1
    assert json.loads(capsys.readouterr().out)["counts"]["impossible"] == 1
    assert command("claims") == 2
    assert "--template" in capsys.readouterr().err
