"""Reading a cohort: the table, every file in parallel, then what shows across patients only; all faults at once."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from validkit.cohort.across import check_across, plain_path
from validkit.cohort.cohort import Cohort, Reading
from validkit.cohort.columns import Findings, missing_in, parse_outcome, parse_predictor
from validkit.cohort.faults import CohortError, Fault
from validkit.cohort.inspection import FilesOf, Inspection, inspect_patient
from validkit.cohort.table import RawTable, cells, is_missing, nearest, read_table
from validkit.engine import Reporter, map_tasks
from validkit.sections import CohortSpec

MARKER = "phantom.json"


def read_cohort(
    folder: Path | str, spec: CohortSpec, *, engine: str = "sequential", reporter: Reporter | None = None
) -> Cohort:
    """Read and check a cohort folder; nothing is dropped that `Cohort.excluded` or `Cohort.notes` does not name.

    folder : holds cohort.csv (UTF-8; comma or semicolon; with semicolons 3,5 is 3.5), images and outlines
    spec : the protocol's [cohort] section
    engine : see `validkit.engine.map_tasks`; the result is the same under each
    Raises CohortError with every fault that was found.
    """
    folder = Path(folder)
    table, faults = read_table(folder)
    if table is None:
        raise CohortError(folder, faults)
    faults = _missing_columns(table, spec)
    if spec.patient not in table.frame:
        raise CohortError(folder, faults)
    ids = table.frame[spec.patient]
    found = Findings(dict(cells(ids)), faults, list(table.notes))
    _check_ids(ids, spec, found)
    kept, excluded = _without_missing(table.frame, spec, found)
    outcome, predictors = _values(kept, spec, table.delimiter == ";", found)
    synthetic, description = _marker(folder, found)
    looked = _inspect(folder, kept, spec, found, engine, reporter)
    check_across(kept, looked, spec, found)
    if found.faults:
        raise CohortError(folder, found.faults)
    patients = pd.Index(ids[kept.index].tolist(), dtype="str", name="patient")
    return Cohort(
        folder=folder,
        name=folder.resolve().name,
        description=description,
        synthetic=synthetic,
        digest=_digest(table.raw, looked),
        patients=tuple(patients),
        outcome=outcome.loc[kept.index].set_axis(patients),
        site=kept[spec.site].astype("str").set_axis(patients) if spec.site else None,
        predictors=pd.DataFrame(predictors, index=kept.index).set_axis(patients),
        images=pd.Series(_paths(folder, kept[spec.image]), index=patients, dtype=object, name="image"),
        outlines=pd.DataFrame(
            {
                role: pd.Series(_paths(folder, kept[column]), index=patients, dtype=object)
                for role, column in spec.outlines.items()
            }
        ),
        image_info=pd.DataFrame([dict(one.info or {}) for one in looked], index=patients),
        excluded=tuple(excluded),
        notes=tuple(found.notes),
        reading=reading_of(spec),
    )


def _paths(folder: Path, column: pd.Series) -> list[Path | None]:
    return [None if is_missing(text) else folder / text.replace("\\", "/") for _, text in cells(column)]


def _missing_columns(table: RawTable, spec: CohortSpec) -> list[Fault]:
    roles = [
        (spec.patient, "cohort.patient"),
        (spec.outcome.column, "cohort.outcome.column"),
        (spec.image, "cohort.image"),
    ]
    roles += [(spec.site, "cohort.site")] if spec.site else []
    roles += [(column, f"cohort.outlines.{role}") for role, column in spec.outlines.items()]
    roles += [(name, "cohort.predictors") for name in spec.predictors]
    known = list(table.frame.columns)
    return [
        Fault(
            "column-missing",
            1,
            None,
            column,
            f"{place} declares it, the header does not have it{nearest(column, known)}",
            f"correct the protocol or the header; it has {', '.join(known)}",
        )
        for column, place in roles
        if column not in known
    ]


def _check_ids(ids: pd.Series, spec: CohortSpec, found: Findings) -> None:
    first: dict[str, int] = {}
    folded: dict[str, str] = {}
    for row, patient in cells(ids):
        if not patient:
            found.fault("patient-missing", row, spec.patient, "the patient id is empty", "give every row its id")
        elif patient in first:
            found.fault(
                "patient-twice",
                row,
                spec.patient,
                f"the patient is already in row {first[patient]}",
                "keep one row a patient; further outlines go into further columns",
            )
        else:
            first[patient] = row
            if folded.setdefault(patient.casefold(), patient) != patient:
                found.notes.append(f"ids {folded[patient.casefold()]!r} and {patient!r} differ only in case")


def _without_missing(
    frame: pd.DataFrame, spec: CohortSpec, found: Findings
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The rows with a value in every needed column, and who was left out and why."""
    needed = [spec.outcome.column, *([spec.site] if spec.site else []), *spec.predictors]
    needed += [spec.image, spec.outlines[spec.primary]]
    gaps: dict[int, list[str]] = defaultdict(list)
    for name in needed:
        if name in frame:
            for row in missing_in(frame[name], spec.predictors.get(name)):
                gaps[row].append(name)
    if spec.missing == "refuse":
        for name in needed:
            for row in sorted(gaps):
                if name in gaps[row]:
                    found.fault(
                        "missing-value",
                        row,
                        name,
                        f"no value ({frame.loc[row, name]!r})",
                        'complete the row, or set cohort.missing = "exclude" to leave such patients out and list them',
                    )
        return frame, []
    kept = frame.drop(index=list(gaps))
    if kept.empty:
        found.fault("no-patients", None, None, "every patient lacks a value in a needed column", "complete the table")
    return kept, [(found.patients[row], f"no value in {', '.join(gaps[row])}") for row in sorted(gaps)]


def _values(
    frame: pd.DataFrame, spec: CohortSpec, comma: bool, found: Findings
) -> tuple[pd.Series, dict[str, pd.Series]]:
    """Outcome and predictors of the rows that have a value; a gap is already a fault."""
    outcome = pd.Series(dtype="int8")
    name = spec.outcome.column
    if name in frame and len(frame):
        outcome = parse_outcome(frame[name].drop(missing_in(frame[name])), spec.outcome, found)
    predictors = {}
    for name, declared in spec.predictors.items():
        if name in frame:
            column = frame[name].drop(missing_in(frame[name], declared))
            predictors[name] = parse_predictor(column, name, declared, comma, found)
            if len(column) == len(frame) > 1 and predictors[name].nunique() == 1:
                found.notes.append(f"predictor {name!r} has one value in all patients")
    return outcome, predictors


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
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found.fault(
            "phantom-marker",
            None,
            None,
            f"{MARKER} must hold {{'validkit_phantom': true, 'description': ...}} ({type(error).__name__}: {error})",
            "write the phantom again, or remove the file from a folder of real patients",
        )
        return False, ""
    return marked, description


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


def reading_of(spec: CohortSpec) -> Reading:
    """How the protocol says that images and outlines are read."""
    return Reading(spec.mask_alignment, spec.outline_label, spec.colour, spec.pieces, spec.border)


def _digest(raw: bytes, looked: Iterable[Inspection]) -> str:
    """SHA-256 over the table's bytes and, in order of name, every named file's path and SHA-256."""
    files = {plain_path(text): digest for one in looked for text, digest in one.files.items()}
    whole = hashlib.sha256(hashlib.sha256(raw).hexdigest().encode())
    for name in sorted(files):
        whole.update(f"\n{name}\0{files[name]}".encode())
    return whole.hexdigest()
