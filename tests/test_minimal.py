"""The core alone: without torch, SimpleITK and radiomics, and what is said where they would be needed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = ("torch", "SimpleITK", "radiomics", "xgboost", "lightgbm", "matplotlib", "sklearn", "statsmodels", "pingouin")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("module", ["validkit", "validkit.stats", "validkit.protocol", "validkit.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, json, {module}; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = run("-W", "error", "-c", code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_command_says_its_version_and_reads_protocols() -> None:
    assert run("-m", "validkit", "--version").stdout.startswith("validkit ")
    listed = run("-m", "validkit", "protocol", "list").stdout
    assert {"plnm-paper", "plnm-quick", "breast-us"} <= set(listed.split())
    shown = json.loads(run("-m", "validkit", "protocol", "show", "plnm-quick").stdout)
    assert shown["model"]["deep"]["inner_validation"] == 0.2


def test_bad_input_is_one_message_and_exit_status_2() -> None:
    done = run("-m", "validkit", "protocol", "check", "plnm-quick", "--set", "model.deep.epohcs=3")
    assert done.returncode == 2
    assert "model.deep.epohcs: unknown key; did you mean 'epochs'?" in done.stderr
    assert "Traceback" not in done.stderr


full = pytest.mark.skipif(find_spec("torch") is not None, reason="this is a full installation; see tox -e minimal")


@full
def test_without_extras_doctor_says_what_is_absent() -> None:
    findings = {f["part"]: f for f in json.loads(run("-m", "validkit", "doctor", "--json").stdout)["findings"]}
    for extra in ("imaging", "deep", "models", "offline"):
        assert findings[f"extra {extra}"]["outcome"] == "absent"
        assert f"validkit[{extra}]" in findings[f"extra {extra}"]["text"]


@full
def test_without_extras_a_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    done = run("-m", "validkit", "run", "plnm-quick", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "pip install 'validkit[imaging]'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_audit_runs_to_its_report_without_the_extras(tmp_path: Path) -> None:
    """Also where they are installed: they are made impossible to import."""
    optional = ("torch", "torchvision", "SimpleITK", "radiomics", "xgboost", "lightgbm")
    code = f"import sys; sys.modules.update(dict.fromkeys({optional!r})); from validkit.cli import app; app()"
    small = ("--set", "cohort.default.patients=200", "--set", "evaluation.bootstrap.replicates=20")
    done = run("-c", code, "run", "audit", "--out", str(tmp_path / "run"), *small)
    assert done.returncode in (0, 1), done.stderr
    assert "acceptance: " in done.stdout
    assert json.loads((tmp_path / "run" / "run.json").read_text())["device"]["name"] == "cpu"
    assert (tmp_path / "run" / "report.html").stat().st_size > 50_000
