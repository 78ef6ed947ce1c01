"""From a cohort to the model's inputs: features of every outline that is needed, and the bank of lesion crops.

No outcome is used here. Repeated outlines are measured for patients who train somewhere; each split takes those of its
training patients, who alone fit the ICC filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from validkit.cohort import Cohort
from validkit.engine import Reporter
from validkit.plnm.banks import cohort_bank
from validkit.plnm.inputs import Inputs
from validkit.plnm.model import PLNMModel
from validkit.plnm.radiomics import Extraction, Lesion, default_cache, extract_cohort, perturbed, screen_features
from validkit.protocol import CohortSpec, Protocol
from validkit.store import dump_arrays


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything measured of a cohort, before any split looks at its part.

    inputs : of all patients, every column; lesions : every outline that was measured
    """

    inputs: Inputs
    lesions: tuple[Lesion, ...]
    found: Extraction
    primary: str
    perturbed: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Part:
    """What one split uses of the measurements, decided on its training patients.

    columns : radiomic features; repeats : patients of the randomised readings, by role
    record : for stages/radiomics.json; notes for the report
    """

    columns: tuple[str, ...]
    repeats: dict[str, tuple[str, ...]]
    record: dict[str, Any]
    notes: tuple[str, ...]


def measure_cohort(
    data: Cohort,
    protocol: Protocol,
    *,
    training: Mapping[str, Sequence[str]],
    groups: Mapping[str, tuple[str, ...]],
    together: np.ndarray,
    seed: int,
    cache: Path | None,
    engine: str,
    reporter: Reporter | None,
) -> Measured:
    """Measure the primary outline of every patient and the repeated ones of training patients; cut the crops.

    training : patients who fit the model, by split
    groups : repeated outlines by kind, roles of the cohort or "perturbed_1", ...
    together : (n,) number of the group each patient belongs to
    seed : of the randomised outlines
    cache : folder of measured features; None for the user's
    """
    setting = protocol.plnm.radiomics
    learnt_from = {patient for patients in training.values() for patient in patients}
    chosen = {split: _chosen(protocol, patients, seed) for split, patients in training.items()}
    wanted = {patient for patients in chosen.values() for patient in patients}
    learning = [patient for patient in data.patients if patient in learnt_from]
    lesions = _lesions(data, protocol, learning, groups, [p for p in data.patients if p in wanted], seed)
    found = extract_cohort(
        lesions,
        preset=setting.preset,
        bin_width=setting.bin_width,
        bin_count=setting.bin_count,
        cache=cache or default_cache(),
        engine=engine,
        reporter=reporter,
    )
    deep = protocol.plnm.deep
    bank = cohort_bank(
        data,
        image_size=deep.image_size,
        margin=deep.augment.crop,
        cache=cache or default_cache(),
        engine=engine,
        reporter=reporter,
    )
    inputs = Inputs(
        radiomics=found.features[data.primary],
        repeats={role: table for role, table in found.features.items() if role != data.primary},
        predictors=data.for_models,
        bank=bank,
        groups=together,
        originals=np.ones(len(data.patients), dtype=bool),
    )
    return Measured(inputs, tuple(lesions), found, data.primary, chosen)


def part_of(
    measured: Measured,
    protocol: Protocol,
    split: str,
    training: Sequence[str],
    *,
    cache: Path | None,
    engine: str,
    reporter: Reporter | None,
) -> Part:
    """Which columns carry information on these training patients, and whose randomised readings they use."""
    setting = protocol.plnm.radiomics
    learning = list(dict.fromkeys(training))
    primary = measured.inputs.radiomics
    among = set(learning)
    screen = screen_features(
        primary.loc[learning],
        [lesion for lesion in measured.lesions if lesion.role == measured.primary and lesion.patient in among],
        preset=setting.preset,
        bin_width=setting.bin_width,
        bin_count=setting.bin_count,
        cache=cache or default_cache(),
        engine=engine,
        reporter=reporter,
    )
    notes, columns = list(measured.found.notices), tuple(primary.columns)
    if setting.drop_uninformative:
        useless = set(screen.uninformative)
        columns = tuple(name for name in columns if name not in useless)
        notes.append(
            f"{len(useless)} of {primary.shape[1]} features carry no information on training patients and were dropped"
        )
    record = measured.found.record(screen)
    record |= {"n_patients": len(primary), "dropped": setting.drop_uninformative}
    randomised = [role for role in measured.inputs.repeats if role.startswith("perturbed_")]
    return Part(columns, dict.fromkeys(randomised, measured.perturbed[split]), record, tuple(notes))


def _chosen(protocol: Protocol, training: Sequence[str], seed: int) -> tuple[str, ...]:
    """Training patients whose outlines are randomised, in order."""
    perturb = protocol.plnm.reproducibility.perturb
    if perturb is None:
        return ()
    learning = list(dict.fromkeys(training))
    rows = np.random.default_rng(seed).permutation(len(learning))[: perturb.patients]
    return tuple(learning[row] for row in sorted(rows.tolist()))


def _lesions(
    data: Cohort,
    protocol: Protocol,
    training: Sequence[str],
    groups: Mapping[str, tuple[str, ...]],
    randomised: Sequence[str],
    seed: int,
) -> list[Lesion]:
    """Every outline to measure, each patient and role once."""
    spec, (_, outlines) = protocol.cohort, data.pictures()
    found = [_lesion(data, spec, patient, data.primary) for patient in data.patients]
    roles = dict.fromkeys(role for group in groups.values() for role in group if role in outlines.columns)
    found += [
        _lesion(data, spec, patient, role)
        for role in roles
        if role != data.primary
        for patient in training
        if outlines.loc[patient, role] is not None
    ]
    perturb = protocol.plnm.reproducibility.perturb
    if perturb is not None:
        originals = [_lesion(data, spec, patient, data.primary) for patient in randomised]
        found += perturbed(originals, copies=perturb.copies, displacement=perturb.displacement, seed=seed)
    return found


def _lesion(data: Cohort, spec: CohortSpec, patient: str, role: str) -> Lesion:
    images, outlines = data.pictures()
    return Lesion(
        patient=patient,
        role=role,
        image=images.loc[patient],
        outline=Path(str(outlines.loc[patient, role])),
        alignment=spec.mask_alignment,
        label=spec.outline_label,
        colour=spec.colour,
        pieces=spec.pieces,
        border=spec.border,
    )


def explain(model: PLNMModel, inputs: Inputs, wanted: int) -> tuple[list[dict[str, Any]], bytes]:
    """Saliency of the chosen network for example patients: the highest and the lowest of its probabilities.

    Returns one {patient, probability, backbone} each, and an .npz of images, maps and outlines.
    """
    network = model.deep_[model.chosen_["deep"]]
    probability = pd.Series(network.predict_proba(inputs.bank)[:, 1], index=inputs.patients)
    ranked = probability.sort_values(kind="stable", ascending=False).index
    highest = (wanted + 1) // 2
    patients = [*ranked[:highest], *ranked[len(ranked) - min(wanted - highest, len(ranked) - highest) :]]
    shown = inputs.take(patients)
    maps = network.saliency(shown.bank)
    arrays: dict[str, np.ndarray] = {
        "images": shown.bank.crops(),
        "maps": np.asarray(maps, dtype=np.float32),
        "outlines": shown.bank.outlines(),
    }
    examples = [
        {"patient": patient, "probability": float(probability.loc[patient]), "backbone": network.backbone}
        for patient in patients
    ]
    return examples, dump_arrays(arrays)
