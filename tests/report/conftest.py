"""Run folders to draw: complete, drawn once, gutted, hostile."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from validkit.report import render_report


def _builder(name: str = "build_run") -> Any:
    """A builder beside this file; its folder is on the path only while it is imported."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="session")
def complete_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run folder; do not write into it."""
    return _builder().build_run(tmp_path_factory.mktemp("runs") / "plnm")


@pytest.fixture(scope="session")
def drawn(complete_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run folder with its report; do not write into it."""
    folder = tmp_path_factory.mktemp("drawn") / "plnm"
    shutil.copytree(complete_run, folder)
    render_report(folder)
    return folder


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`variants("sites")`: a run folder of another design, not drawn, with sentinels; do not write into it."""
    folder, builder = tmp_path_factory.mktemp("variants"), _builder("build_designs")

    def build(name: str) -> Path:
        if not (folder / name).exists():
            builder.with_sentinels(builder.build_variant(name, folder / name))
        return folder / name

    return build


@pytest.fixture(scope="session")
def drawn_variants(variants: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`drawn_variants("sites")`: the same with its report; do not write into it."""
    folder = tmp_path_factory.mktemp("drawn-variants")

    def draw(name: str) -> Path:
        if not (folder / name).exists():
            shutil.copytree(variants(name), folder / name)
            render_report(folder / name)
        return folder / name

    return draw


@pytest.fixture
def run_folder(complete_run: Path, tmp_path: Path) -> Path:
    """A fresh copy of the complete run folder."""
    return Path(shutil.copytree(complete_run, tmp_path / "plnm"))


@pytest.fixture
def edit(run_folder: Path) -> Callable[..., None]:
    """`edit("run.json", change)`: a record of the fresh copy, changed in place by `change(record)`."""

    def change_record(name: str, change: Callable[[Any], Any]) -> None:
        path = run_folder / name
        record = json.loads(path.read_text(encoding="utf-8"))
        change(record)
        path.write_text(json.dumps(record), encoding="utf-8")

    return change_record
