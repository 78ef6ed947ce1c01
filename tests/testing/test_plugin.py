"""pytest in another team's repository: what passes, what fails and in which words, and that it stays out of the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.commands import command
from validkit import stats
from validkit.errors import InputError
from validkit.testing.checking import Asked, audited, checks_of
from validkit.testing.plugin import Checker

ROOT = Path(__file__).resolve().parents[2]
OUTSIDER = Path(__file__).parent / "outsider"
LOADED = any(point.value == "validkit.testing.plugin" for point in entry_points(group="pytest11"))
STRICT = ("-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib")
HEAVY = ("hypothesis", "numba", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "sklearn", "typer", "validkit.stats")
SLOPE = "predictions.csv::acceptance::calibration_slope within 0.8 to 1.25"


def repository(folder: Path, kind: str = "good") -> Path:
    """A copy of the other team's repository, with predictions of this kind."""
    shutil.copytree(OUTSIDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    make = [sys.executable, "make_predictions.py", "predictions.csv", kind]
    subprocess.run(make, cwd=folder, check=True)
    return folder


def run_pytest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`pytest ARGUMENTS` there, in a process of its own."""
    plugin = () if LOADED and "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in environment else ("-p", "validkit.testing.plugin")
    own = {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FORCE_COLOR"))}
    whole = [sys.executable, "-m", "pytest", *plugin, *STRICT, *arguments]
    return subprocess.run(whole, cwd=folder, env=kept | own | environment, text=True, capture_output=True, check=False)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("good") / "team")


@pytest.fixture(scope="module")
def miscalibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("miscalibrated") / "team", "miscalibrated")


@pytest.fixture(scope="module")
def reversed_(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("reversed") / "team", "reversed")


# --- loaded everywhere ------------------------------------------------------------------------------


def test_pyproject_declares_the_plugin() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert declared["pytest11"] == {"validkit": "validkit.testing.plugin"}


def test_a_repository_that_does_not_use_it_notices_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        f"import sys\n\ndef test_own():\n    assert [name for name in {HEAVY} if name in sys.modules] == []\n"
    )
    done = run_pytest(tmp_path, "-rA", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "validkit" not in done.stdout.replace(str(tmp_path), "")
    assert list(files_of(tmp_path)) == ["test_own.py"]


# --- the example -----------------------------------------------------------------------------------


def test_a_good_model_passes_and_nothing_is_written(good: Path) -> None:
    before = files_of(good)
    done = run_pytest(good, "-v", "-rsP")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert files_of(good) == before
    assert "validkit: predictions.csv against acceptance.toml" in done.stdout
    assert "predictions.csv::acceptance::auc at least 0.7 PASSED" in done.stdout
    assert "predictions.csv::acceptance::net_benefit at 0.2 better than treat-all PASSED" in done.stdout
    assert "predictions.csv::questions::direction of risk PASSED" in done.stdout
    assert "test_predictions.py::test_model PASSED" in done.stdout
    assert "SKIPPED [1] predictions.csv: there is one model" in done.stdout
    table = pd.read_csv(good / "predictions.csv")
    auc = stats.auc(table["sepsis"], table["risk"])
    told = (
        f"of score is {auc.value:.4g} [{auc.low:.4g}, {auc.high:.4g}] (95% DeLong, n = 1500, events = {auc.n_events})"
    )
    assert f"met: AUC (c statistic) {told}" in done.stdout


def test_a_miscalibrated_model_fails_by_its_slope_with_value_and_interval(miscalibrated: Path) -> None:
    done = run_pytest(miscalibrated)
    table = pd.read_csv(miscalibrated / "predictions.csv")
    e = stats.calibration_slope(table["sepsis"], table["risk"])
    told = f"not met: calibration slope of score is {e.value:.4g} [{e.low:.4g}, {e.high:.4g}]"
    sample = f"n = {e.n}, events = {e.n_events})"
    assert done.returncode == 1
    assert f"FAILED {SLOPE} - {told}" in done.stdout
    assert "FAILED predictions.csv::acceptance" not in done.stdout.replace(f"FAILED {SLOPE}", "")
    assert (
        "FAILED test_predictions.py::test_model - AssertionError: predictions.csv: 1 of 4 checks failed" in done.stdout
    )
    words = [line for line in done.stdout.splitlines() if told in line and sample in line]
    assert len([line for line in words if line.startswith("E    ")]) == 1
    assert len([line for line in words if line.startswith("not met")]) == 1
    assert "advice: below 1 the risks are too extreme" in done.stdout


def test_a_reversed_model_fails_with_evidence_and_advice_and_no_traceback(reversed_: Path) -> None:
    done = run_pytest(reversed_, "predictions.csv::questions", "--validkit-fail-on", "fail")
    assert done.returncode == 1
    assert "fail: risk: the AUC is 0.2" in done.stdout
    assert "question: Do higher predictions go with the event?" in done.stdout
    assert "advice: look whether the event is coded the other way round" in done.stdout
    assert "evidence: auc = 0.2" in done.stdout
    assert "acceptance" not in done.stdout.replace("acceptance.toml", "")
    assert "plugin.py" not in done.stdout


@pytest.mark.parametrize("fail_on", ["fail", "concern", "never"])
@pytest.mark.parametrize("kind", ["good", "miscalibrated", "reversed_"])
def test_checks_fail_where_the_command_exits_with_1(kind: str, fail_on: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    given = folder / "predictions.csv", "--protocol", folder / "acceptance.toml", "--fail-on", fail_on
    record = audited(Asked(folder / "predictions.csv", str(folder / "acceptance.toml")))
    failed = any(check.outcome == "failed" for check in checks_of(record, fail_on))
    assert command("audit", *given, "--json") == int(failed)


# --- which files, which options --------------------------------------------------------------------


def test_files_named_on_the_command_line_are_run_without_the_audit_of_the_ini_file(good: Path) -> None:
    (good / "tests").mkdir()
    (good / "tests" / "test_own.py").write_text("def test_own():\n    pass\n")
    alone = run_pytest(good, "tests/test_own.py")
    assert "1 passed" in alone.stdout
    one = run_pytest(good, "predictions.csv::acceptance::auc at least 0.7")
    assert "1 passed" in one.stdout
    below = run_pytest(good / "tests", "-k", "validkit and auc or own")
    assert "2 passed" in below.stdout, below.stdout


def test_no_test_is_lost_where_test_paths_and_file_overlap(miscalibrated: Path, tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "tests").mkdir()
    shutil.copy(miscalibrated / "predictions.csv", tmp_path / "build")
    shutil.copy(miscalibrated / "acceptance.toml", tmp_path)
    (tmp_path / "tests" / "test_own.py").write_text("def test_own():\n    pass\n")
    ini = "validkit_predictions = build/predictions.csv\nvalidkit_protocol = acceptance.toml\n"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests\n{ini}")
    done = run_pytest(tmp_path, "-v")
    assert done.returncode == 1
    assert "tests/test_own.py::test_own PASSED" in done.stdout
    assert f"build/{SLOPE} FAILED" in done.stdout


def test_options_alone_need_no_ini_file_and_no_protocol(miscalibrated: Path, tmp_path: Path) -> None:
    pd.read_csv(miscalibrated / "predictions.csv").iloc[:400].to_csv(tmp_path / "risks.csv", index=False)
    (tmp_path / "test_own.py").write_text(
        "def test_record(validkit_audit):\n"
        "    assert validkit_audit['roles']['models'] == ['risk']\n"
        "def test_concerns(validkit_check):\n"
        "    validkit_check('risks.csv', fail_on='concern')\n"
        "def test_nothing(validkit_check):\n"
        "    validkit_check('risks.csv')\n"
    )
    columns = "--validkit-outcome=sepsis", "--validkit-model=risk", "--validkit-prevalence=0.28"
    done = run_pytest(tmp_path, "--validkit-predictions", "risks.csv", *columns)
    assert done.returncode == 1
    assert "FAILED risks.csv::questions::slope of risk - fail: risk: calibration slope" in done.stdout
    assert "risks.csv::questions::threshold" not in done.stdout
    assert "E         concern: none was declared: sensitivity and specificity are at one half" in done.stdout
    assert "FAILED test_own.py::test_concerns - AssertionError: risks.csv: 3 of 12 checks failed" in done.stdout
    assert "FAILED test_own.py::test_nothing - validkit.errors.InputError: there is nothing to check" in done.stdout
    assert "3 failed" in done.stdout
    assert "risks.csv::acceptance" not in done.stdout


@pytest.mark.parametrize(("fail_on", "failed"), [("concern", 3), ("never", 0)])
def test_what_fails_is_chosen_in_the_ini_file(miscalibrated: Path, tmp_path: Path, fail_on: str, failed: int) -> None:
    pd.read_csv(miscalibrated / "predictions.csv").iloc[:400].to_csv(tmp_path / "risks.csv", index=False)
    ini = {"predictions": "risks.csv", "outcome": "sepsis", "model": "\n  risk", "fail_on": fail_on}
    lines = [f"validkit_{name} = {value}" for name, value in ini.items()]
    (tmp_path / "pytest.ini").write_text("\n".join(["[pytest]", *lines, ""]))
    done = run_pytest(tmp_path, "-rf")
    assert done.returncode == int(failed > 0)
    assert done.stdout.count("FAILED risks.csv::questions::") == failed


# --- bad input -------------------------------------------------------------------------------------


def test_a_column_that_is_not_there_is_an_error_of_collection_in_our_words(tmp_path: Path) -> None:
    done = run_pytest(repository(tmp_path / "team", "unnamed"), "--continue-on-collection-errors")
    message = "predictions.csv has no column 'risk' (a model)"
    assert done.returncode == 1
    assert "ERROR collecting predictions.csv" in done.stdout
    assert done.stdout.count(message) >= 2
    assert "InputError" in done.stdout
    assert "plugin.py" not in done.stdout
    assert "checking.py" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("ini", "code", "message"),
    [
        ("validkit_predictions = nowhere.csv", 4, "nowhere.csv is no file; --validkit-predictions, or"),
        ("validkit_protocol = nowhere.toml", 2, "no protocol file at nowhere.toml"),
        ("validkit_protocol = plnm-quick", 2, "an audit takes predictions"),
        ("validkit_protocol = pytest.ini", 2, "not valid TOML"),
        ("", 2, "name the outcome's column and at least one model's, or a protocol that declares them"),
        ("validkit_threshold = high", 2, "--validkit-threshold is a number; got 'high'"),
    ],
)
def test_bad_input_is_one_message(good: Path, tmp_path: Path, ini: str, code: int, message: str) -> None:
    shutil.copy(good / "predictions.csv", tmp_path)
    predictions = "" if "predictions" in ini else "validkit_predictions = predictions.csv\n"
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{predictions}{ini}\n")
    done = run_pytest(tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert ".py" not in done.stdout + done.stderr


def test_the_fixture_says_which_option_it_needs(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(validkit_audit):\n    pass\n")
    done = run_pytest(tmp_path)
    assert done.returncode == 1
    assert "validkit_audit needs --validkit-predictions FILE, or validkit_predictions = FILE" in done.stdout


# --- one call, one record --------------------------------------------------------------------------


def test_a_check_returns_the_record_of_the_command(
    good: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Checker(pytestconfig)(good / "predictions.csv", protocol=good / "acceptance.toml", fail_on="fail")
    command("audit", good / "predictions.csv", "--protocol", good / "acceptance.toml", "--json")
    assert record == json.loads(capsys.readouterr().out)


def test_columns_of_a_call_override_those_of_its_protocol(
    good: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    table = pd.read_csv(good / "predictions.csv").rename(columns={"sepsis": "ill"})
    table.assign(ward=["a", "b", "c"] * 500).to_csv(tmp_path / "p.csv", index=False)
    check = Checker(pytestconfig)
    record = check(tmp_path / "p.csv", protocol=good / "acceptance.toml", outcome="ill", site="ward")
    assert record["roles"]["outcome"] == "ill"
    assert record["roles"]["site"] == "ward"


def test_a_file_that_is_written_anew_is_audited_anew(good: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    check, file = Checker(pytestconfig), tmp_path / "p.csv"
    shutil.copy(good / "predictions.csv", file)
    first = check(file, protocol=good / "acceptance.toml")
    assert check(file, protocol=good / "acceptance.toml") is first
    pd.read_csv(file).iloc[:1400].to_csv(file, index=False)
    assert check(file, protocol=good / "acceptance.toml")["n"] == 1400


def test_a_check_without_criteria_is_no_pass(good: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    text = (good / "acceptance.toml").read_text(encoding="utf-8")
    (tmp_path / "bare.toml").write_text(text[: text.index("[acceptance]")], encoding="utf-8")
    with pytest.raises(InputError, match="there is nothing to check"):
        Checker(pytestconfig)(good / "predictions.csv", protocol=tmp_path / "bare.toml")


# --- outcomes --------------------------------------------------------------------------------------


def criterion(outcome: str, **changes: Any) -> Mapping[str, Any]:
    estimate = {"value": 0.71, "low": 0.64, "high": 0.78, "level": 0.95, "method": "DeLong", "n": 90, "n_events": 30}
    return {
        "measure": "auc",
        "quantity": "AUC",
        "model": "score",
        "rule": "at least 0.7",
        "threshold": None,
        "against": "",
        "estimate": estimate | changes,
        "outcome": outcome,
        "reason": "told",
    }


@pytest.mark.parametrize(
    ("outcome", "undecided", "expected"),
    [
        ("met", "fail", "passed"),
        ("not met", "pass", "failed"),
        ("undecided", "fail", "failed"),
        ("undecided", "pass", "passed"),
        ("not applicable", "fail", "failed"),
        ("not applicable", "pass", "failed"),
    ],
)
def test_what_is_undecided_follows_the_protocol_and_what_is_undefined_never_passes(
    outcome: str, undecided: str, expected: str
) -> None:
    accepted = {"criteria": [criterion(outcome)], "undecided": undecided}
    (check,) = checks_of({"acceptance": accepted, "findings": []})
    assert (check.group, check.name, check.outcome) == ("acceptance", "auc at least 0.7", expected)
    assert check.text.startswith(f"{outcome}: AUC of score is 0.71 [0.64, 0.78] (95% DeLong, n = 90, events = 30)")
    assert ('undecided = "pass"' in check.text) == (outcome == "undecided" and undecided == "fail")


def test_an_estimate_without_value_or_interval_is_told_as_such() -> None:
    undefined = criterion("not applicable", value=None, low=None, high=None, method="")
    bare = criterion("undecided", low=None, high=None)
    checks = checks_of({"acceptance": {"criteria": [undefined, bare], "undecided": "fail"}, "findings": []})
    assert "is undefined (n = 90, events = 30)" in checks[0].text
    assert "is 0.71, without an interval (DeLong, n = 90, events = 30)" in checks[1].text


@pytest.mark.parametrize(
    ("outcome", "fail_on", "expected"),
    [
        ("pass", "concern", "passed"),
        ("concern", "fail", "passed"),
        ("concern", "concern", "failed"),
        ("fail", "fail", "failed"),
        ("fail", "never", "passed"),
        ("not applicable", "concern", "skipped"),
    ],
)
def test_a_concern_fails_where_it_is_asked_to(outcome: str, fail_on: str, expected: str) -> None:
    finding = {"code": "slope", "model": "risk", "outcome": outcome, "why": "told", "question": "?", "method": "m"}
    record = {"acceptance": None, "findings": [finding | {"evidence": {"slope": [1, 2]}, "advice": "mend"}]}
    (check,) = checks_of(record, fail_on)
    assert (check.group, check.name, check.outcome) == ("questions", "slope of risk", expected)
    if expected != "skipped":
        assert check.text.splitlines()[1:] == ["question: ?", "advice: mend", "evidence: slope = [1, 2]", "method: m"]


def test_a_models_name_does_not_upset_node_ids() -> None:
    finding = {"code": "slope", "model": "risk [0, 1]::b", "outcome": "not applicable", "why": "told"}
    assert checks_of({"acceptance": None, "findings": [finding]})[0].name == "slope of risk (0, 1)  b"


def test_another_word_for_what_fails_is_refused() -> None:
    with pytest.raises(InputError, match="fail-on is one of fail, concern, never; got 'all'"):
        checks_of({"acceptance": None, "findings": []}, "all")
