"""Reading a cohort: the table, every file in parallel, then what shows across patients only; all faults at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from validkit.cohort.across import check_across, plain_path
from validkit.cohort.cohort import Cohort, Reading
from validkit.cohort.columns import Findings, parse_days, parse_outcome, parse_predictor, parse_risk
from validkit.cohort.faults import CohortError, Fault
from validkit.cohort.gaps import Masks, settle_gaps
from validkit.cohort.groups import connect, describe_groups, folded
from validkit.cohort.inspection import FilesOf, Inspection, inspect_patient
from validkit.cohort.roles import check_extra, check_ids, check_names, declared, missing_columns
from validkit.cohort.source import locate, read_table
from validkit.cohort.table import cells, is_missing
from validkit.cohort.translate import translate
from validkit.engine import Reporter, map_tasks
from validkit.sections import CohortSpec

MARKER = "phantom.json"


def read_cohort(
    folder: Path | str,
    spec: CohortSpec,
    *,
    columns: Sequence[str] = (),
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> Cohort:
    """Read and check a cohort; nothing is dropped that `Cohort.excluded` or `Cohort.notes` does not name.

    folder : holds cohort.csv (UTF-8; comma or semicolon; with semicolons 3,5 is 3.5), images and outlines; or a CSV or
        Parquet file, beside which images and outlines lie
    spec : the protocol's [cohort] section; of a kind = "table" no image is looked for
    columns : further columns to read into `Cohort.extra`, each of probabilities predicted elsewhere
    engine : see `validkit.engine.map_tasks`; the result is the same under each
    Raises CohortError with every fault that was found.
    """
    path, extra = Path(folder), check_extra(columns, spec)
    source = locate(path)
    if isinstance(source, Fault):
        raise CohortError(path, [source])
    roles = declared(spec, extra)
    table, faults = read_table(source, [column for column, _ in roles])
    if table is None:
        raise CohortError(path, faults)
    faults = missing_columns(table, roles)
    translated = translate(table, spec)
    table = translated.table
    if spec.patient not in table.frame:
        raise CohortError(path, faults)
    found = Findings(dict(cells(table.frame[spec.patient])), faults, list(table.notes))
    check_ids(table.frame[spec.patient], spec, found)
    kept, gaps, excluded = settle_gaps(table.frame, spec, extra, found)
    values = _values(_valued(kept, gaps), kept.index, spec, extra, table.delimiter == ";", found)
    synthetic, description = _marker(source.folder, found)
    looked = _inspect(source.folder, kept, spec, found, engine, reporter) if spec.kind == "images" else []
    check_across(kept, looked, spec, found)
    if found.faults:
        raise CohortError(path, translated.named(found.faults))
    parts = _by_patient(source.folder, kept, values, looked, spec, found)
    files = {plain_path(text): digest for one in looked for text, digest in one.files.items()}
    return Cohort(
        folder=source.folder,
        name=source.name,
        description=description,
        synthetic=synthetic,
        digest=_digest(table.digest, files),
        **parts,
        excluded=tuple(excluded),
        notes=tuple(found.notes),
        reading=reading_of(spec),
        files={source.table.name: table.digest, **files},
    )


def _by_patient(
    folder: Path,
    kept: pd.DataFrame,
    values: Mapping[str, Any],
    looked: Sequence[Inspection],
    spec: CohortSpec,
    found: Findings,
) -> dict[str, Any]:
    """The patients, and every table of the cohort indexed by them."""
    patients = pd.Index(kept[spec.patient].tolist(), dtype="str", name="patient")
    parts = {name: None if part is None else part.set_axis(patients) for name, part in values.items()}
    parts |= _pictures(folder, kept, spec, looked, patients)
    return {"patients": tuple(patients), "groups": _groups(patients, parts, spec, found), **parts}


def reading_of(spec: CohortSpec) -> Reading:
    """How the protocol says that images and outlines are read."""
    return Reading(spec.mask_alignment, spec.outline_label, spec.colour, spec.pieces, spec.border)


# --- the table -------------------------------------------------------------------------------------


def _valued(frame: pd.DataFrame, gaps: Masks) -> dict[str, pd.Series]:
    """The cells that have a value, by column; a gap is a fault already, or NaN."""
    return {name: frame[name][~mask] for name, mask in gaps.items() if len(frame)}


def _values(
    valued: Mapping[str, pd.Series],
    rows: pd.Index,
    spec: CohortSpec,
    extra: Sequence[str],
    comma: bool,
    found: Findings,
) -> dict[str, Any]:
    """outcome, predictors, extra, site, group, device and date of the kept rows."""
    values: dict[str, Any] = {"outcome": pd.Series(dtype="int8", index=rows[:0]), "extra": None}
    if spec.outcome.column in valued:
        values["outcome"] = parse_outcome(valued[spec.outcome.column], spec.outcome, found)
    predictors = {}
    for name, predictor in spec.predictors.items():
        if name in valued:
            parsed = predictors[name] = parse_predictor(valued[name], name, predictor, comma, found)
            if len(valued[name]) == len(parsed) > 1 and parsed.nunique() == 1:
                found.notes.append(f"predictor {name!r} has one value in all patients")
    values["predictors"] = pd.DataFrame(predictors, index=rows)
    if extra:
        risks = {name: parse_risk(valued[name], name, comma, found) for name in extra if name in valued}
        values["extra"] = pd.DataFrame(risks, index=rows)
    for role in ("site", "group", "device", "date"):
        values[role] = _role(valued.get(getattr(spec, role)), role, found)
    return values


def _role(column: pd.Series | None, role: str, found: Findings) -> pd.Series | None:
    if column is None:
        return None
    if role == "date":
        return parse_days(column, str(column.name), found)
    check_names(column, found, one=role == "group")
    return column.astype("str")


def _groups(patients: pd.Index, parts: Mapping[str, Any], spec: CohortSpec, found: Findings) -> pd.Series:
    group, info = parts["group"], parts["image_info"]
    ties = {
        "id": None,
        f"column {spec.group!r}": None if group is None else group.map(folded),
        "equal images": None if info is None or info.empty else info["sha256"],
    }
    groups = connect(patients.tolist(), *ties.values())
    ways = [way for way, tie in ties.items() if way == "id" or tie is not None]
    found.notes += describe_groups(groups, ways)
    return groups


def _marker(folder: Path, found: Findings) -> tuple[bool, str]:
    """(synthetic, description) from phantom.json, which the phantom writes."""
    path = folder / MARKER
    if not path.exists():
        return False, ""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        marked = content["validkit_phantom"]
        description = content.get("description", "")
        if not (isinstance(marked, bool) and isinstance(description, str)):
            raise TypeError("a value has the wrong type")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found.fault(
            "phantom-marker",
            None,
            None,
            f"{MARKER} must hold {{'validkit_phantom': true, 'description': ...}} ({type(error).__name__}: {error})",
            "write the phantom again, or remove the file from a folder of real patients",
        )
        return False, ""
    return marked, description


# --- images and outlines ---------------------------------------------------------------------------


def _inspect(
    folder: Path, frame: pd.DataFrame, spec: CohortSpec, found: Findings, engine: str, reporter: Reporter | None
) -> list[Inspection]:
    if spec.image not in frame:
        return []
    reading = reading_of(spec)
    columns = [column for column in spec.outlines.values() if column in frame]
    tasks = []
    for row, image in cells(frame[spec.image]):
        if is_missing(image):
            continue
        named = [(column, str(frame.at[row, column])) for column in columns]
        outlines = tuple((column, text) for column, text in named if not is_missing(text))
        tasks.append(FilesOf(folder, row, spec.image, image, outlines, reading))
    looked = map_tasks(inspect_patient, tasks, engine=engine, label="reading images and outlines", reporter=reporter)
    for one in looked:
        for column, code, message, mend in one.faults:
            found.fault(code, one.row, column, message, mend)
    return looked


def _pictures(
    folder: Path, frame: pd.DataFrame, spec: CohortSpec, looked: Sequence[Inspection], patients: pd.Index
) -> dict[str, Any]:
    """images, outlines and image_info; None for a table."""
    if spec.kind == "table":
        return {"images": None, "outlines": None, "image_info": None}
    outlines = {
        role: pd.Series(_paths(folder, frame[column]), index=patients, dtype=object)
        for role, column in spec.outlines.items()
    }
    return {
        "images": pd.Series(_paths(folder, frame[spec.image]), index=patients, dtype=object, name="image"),
        "outlines": pd.DataFrame(outlines),
        "image_info": pd.DataFrame([dict(one.info or {}) for one in looked], index=patients),
    }


def _paths(folder: Path, column: pd.Series) -> list[Path | None]:
    return [None if is_missing(text) else folder / text.replace("\\", "/") for _, text in cells(column)]


def _digest(table: str, files: Mapping[str, str]) -> str:
    """SHA-256 over the table's and, in order of name, every named file's path and SHA-256."""
    whole = hashlib.sha256(table.encode())
    for name in sorted(files):
        whole.update(f"\n{name}\0{files[name]}".encode())
    return whole.hexdigest()
