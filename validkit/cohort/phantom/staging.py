"""A phantom's folder, written whole or not at all; what killed writers left beside it is swept first."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from validkit.durable import DRAFT, abandoned, draft_name, explained, make_folder
from validkit.errors import InputError


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the name `out` once everything inside the block has succeeded.

    out : must not exist, or be an empty folder
    """
    refuse_content(out)
    with explained(out):
        make_folder(out.parent)
        sweep_beside(out)
        folder = out.parent / f"{draft_name()}-{out.name}"
        try:
            folder.mkdir()
            yield folder
            refuse_content(out)
            if out.is_dir():
                out.rmdir()
            os.replace(folder, out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep_beside(out: Path) -> None:
    """Remove unfinished folders of `out` whose writers are dead; those of live writers, and of other phantoms, stay."""
    for path in out.parent.iterdir():
        if path.name.startswith(DRAFT) and path.name.split("-", 4)[-1] == out.name and abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def refuse_content(out: Path) -> None:
    """Refuse a folder that holds something, and the name of a file."""
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"the phantom's folder {out} already exists and is not empty; name another or remove it")
    if out.exists() and not out.is_dir():
        raise InputError(f"the phantom's folder {out} is the name of a file; name another")


def write_record(folder: Path, table: pd.DataFrame, record: dict[str, Any]) -> None:
    """cohort.csv and phantom.json."""
    table.to_csv(folder / "cohort.csv", index=False, lineterminator="\n")
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (folder / "phantom.json").write_text(text, encoding="utf-8", newline="\n")
