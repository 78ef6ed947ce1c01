"""A run that bad input ends before anything was measured leaves nothing behind, and touches nobody else's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.locks import hold
from validkit.protocol import Protocol, read_protocol
from validkit.run import run_protocol


def declared(*overrides: str) -> Protocol:
    return read_protocol("audit", ["evaluation.bootstrap.replicates=0", *overrides])


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    folder = write_table_phantom(tmp_path / "cohort", "predictions", patients=60, sites=1, seed=1, missing=0.0)
    text = (folder / "cohort.csv").read_text(encoding="utf-8")
    (folder / "cohort.csv").write_text(text.replace("\n", "\n,", 1), encoding="utf-8")
    return folder


def test_nothing_is_left_of_a_run_on_faulty_data(faulty: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "new", tmp_path / "deep" / "new"):
        with pytest.raises(InputError):
            run_protocol(declared(), out=out, cohort=faulty, engine="sequential")
        assert not out.exists()
    out = tmp_path / "there"
    out.mkdir()
    (out / ".mine").write_text("mine")
    with pytest.raises(InputError):
        run_protocol(declared(), out=out, cohort=faulty, engine="sequential")
    assert [path.name for path in out.iterdir()] == [".mine"]


def test_a_finished_run_and_anothers_run_are_left_alone(faulty: Path, tmp_path: Path) -> None:
    out = run_protocol(declared(), out=tmp_path / "run", engine="sequential")
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(InputError):
        run_protocol(declared(), out=out, cohort=faulty, engine="sequential")
    assert sorted(path.name for path in out.iterdir()) == before
    busy = tmp_path / "busy"
    busy.mkdir()
    with hold(busy):
        (busy / ".half").write_text("of another run")
        with pytest.raises(InputError, match="another run is writing"):
            run_protocol(declared(), out=busy, cohort=faulty, engine="sequential")
        assert (busy / ".half").is_file()
