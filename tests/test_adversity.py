"""What goes wrong outside: two runs at once, a full disk, a read-only folder, a vanished file, a stop by the user."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from validkit import durable
from validkit.engine import Reporter
from validkit.errors import InputError
from validkit.locks import hold
from validkit.protocol import Protocol, parse_protocol
from validkit.run import run_protocol

TEXT = """
[protocol]
name = "adversity"
question = "Does it survive?"
[cohort]
kind = "table"
default = { phantom = "clinical", patients = 120, seed = 5 }
site = "site"
outcome = { column = "plnm" }
[cohort.predictors]
max_diameter = { kind = "continuous" }
rbc = { kind = "continuous" }
[design]
kind = "repeated-kfold"
folds = 3
repeats = 2
[model]
kind = "estimators"
cross_fitting = { folds = 2 }
[[model.estimators]]
name = "lr"
estimator = "sklearn.linear_model.LogisticRegression"
[evaluation]
bootstrap = { replicates = 20 }
compare = { reference = "lr" }
"""


def declared(text: str = TEXT) -> Protocol:
    return parse_protocol(text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_protocol(declared(), out=tmp_path_factory.mktemp("run") / "whole", engine="sequential")


def same(a: Path, b: Path) -> bool:
    names = ("predictions.parquet", "evaluation.json")
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in names)


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if ".draft" in path.name or ".partial" in path.name]


def test_a_second_run_into_the_folder_is_refused_while_the_first_lives(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with hold(out), pytest.raises(InputError, match=r"another run is writing into .*process \d+"):
        run_protocol(declared(), out=out, engine="sequential")
    assert same(run_protocol(declared(), out=out, engine="sequential"), finished)


@pytest.mark.parametrize("at", [1, 3, 6, 10, 15, 22, 30])
def test_a_full_disk_is_one_message_and_the_run_resumes(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    out, count = tmp_path / "run", 0
    whole = os.fsync

    def full(handle: int) -> None:
        nonlocal count
        count += 1
        if count >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(handle)

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "fsync", full)
        with pytest.raises(InputError, match="No space left on device"):
            run_protocol(declared(), out=out, engine="sequential", ledger=tmp_path / "ledger.jsonl")
    assert drafts(tmp_path) == []
    again = run_protocol(declared(), out=out, engine="sequential", ledger=tmp_path / "ledger.jsonl")
    assert same(again, finished)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_folder_is_one_message(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            run_protocol(declared(), out=tmp_path / "run", engine="sequential")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file"):
        run_protocol(declared(), out=tmp_path / "file" / "run", engine="sequential")
    with pytest.raises(InputError, match="is a file"):
        run_protocol(declared(), out=tmp_path / "file", engine="sequential")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_table_that_changed_is_another_cohort(finished: Path, tmp_path: Path) -> None:
    out = run_protocol(declared(), out=tmp_path / "run", cohort=finished / "phantom", engine="sequential")
    table = finished / "phantom" / "cohort.csv"
    other = tmp_path / "other"
    other.mkdir()
    (other / "cohort.csv").write_text(table.read_text().replace(",squamous,", ",adeno,", 1))
    with pytest.raises(InputError, match="holds a run on another cohort"):
        run_protocol(declared(), out=out, cohort=other, engine="sequential")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_cleanly_and_says_how_to_resume(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "adversity.toml"
    file.write_text(TEXT)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "validkit", "run", str(file), "--out", str(out), "--engine", "loky:2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(3000):
        if list(out.glob("tasks/units/*/record.json")) or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    if process.returncode != 0:  # it may have been finished already
        assert process.returncode in (130, -signal.SIGINT), said
        assert "the same command goes on where this one was" in said or process.returncode < 0
    assert "Traceback" not in said
    assert drafts(out) == []
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert same(out, finished)


def test_a_stop_between_units_keeps_the_finished_ones(finished: Path, tmp_path: Path) -> None:
    class Stop(KeyboardInterrupt): ...

    class Stopping:
        def __init__(self) -> None:
            self.units = 0

        def say(self, text: str) -> None: ...

        def work(self, label: str, total: int):  # type: ignore[no-untyped-def]
            from contextlib import nullcontext

            def finished() -> None:
                if label == "fits of the whole model":
                    self.units += 1
                    if self.units == 3:
                        raise Stop

            return nullcontext(finished)

    reporter: Reporter = Stopping()
    with pytest.raises(Stop):
        run_protocol(declared(), out=tmp_path / "run", engine="sequential", reporter=reporter)
    kept = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "run/tasks/units").glob("*/record.json")}
    assert len(kept) == 3
    out = run_protocol(declared(), out=tmp_path / "run", engine="sequential")
    for name, when in kept.items():
        assert (out / "tasks/units" / name / "record.json").stat().st_mtime_ns == when
    assert same(out, finished)
