"""The commands as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra")
pytest.importorskip("torch", reason="needs the deep extra")


def validkit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "validkit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_phantom_writes_a_cohort_and_refuses_a_full_folder(tmp_path: Path) -> None:
    done = validkit("phantom", "--out", str(tmp_path / "cohort"), "--patients", "20", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["validkit_phantom"] is True
    assert (tmp_path / "cohort/cohort.csv").read_text().count("\n") == 21
    again = validkit("phantom", "--out", str(tmp_path / "cohort"), "--patients", "20")
    assert again.returncode == 2
    assert again.stderr.startswith("error:")


def test_doctor_says_what_is_guarded() -> None:
    findings = json.loads(validkit("doctor", "--json").stdout)["findings"]
    by_part = {finding["part"]: finding for finding in findings}
    assert by_part["eight-bit images"]["outcome"] == "guarded"
    assert "paper1561 1,561, sound2d 1,311" in by_part["radiomic features"]["text"]
    assert by_part["weights efficientnet-lite0"]["outcome"] == "ok"
    assert "extra imaging" in validkit("doctor").stdout


def test_mistakes_are_one_message_without_traceback(tmp_path: Path) -> None:
    cases = [
        (("run", "plnm-quick", "--engine", "loki"), "engine must be"),
        (("run", "plnm-quick", "--device", "tpu"), "device must be auto, cpu, cuda or cuda:N"),
        (("run", "breast-us"), "give a cohort's folder with --cohort DIR"),
        (("run", "breast-us", "--cohort", str(tmp_path)), "no cohort.csv in"),
        (("run", "plnm-paper", "--set", "model.deep.weights=/nowhere"), "/nowhere"),
    ]
    for arguments, expected in cases:
        done = validkit(*arguments, "--out", str(tmp_path / "run"))
        assert done.returncode == 2, arguments
        assert expected in " ".join(done.stderr.split()), done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "run").exists(), arguments


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is POSIX's")
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "validkit", "run", "plnm-quick", "--out", str(tmp_path / "run")]
    command += ["--cache", str(tmp_path / "cache"), "--engine", "sequential"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(6000):
        if (tmp_path / "run/protocol.toml").exists():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    # a shell shows 130 either way; Python itself dies by the signal where it came during an exec of text in an import
    assert process.returncode in (130, -signal.SIGINT)
    assert "the same command goes on" in output
    assert "Traceback" not in output
