"""From a cohort to the model's inputs: features of every outline that is needed, and the bank of lesion crops.

No outcome is used here. Repeated outlines are measured for training patients alone, who alone fit the ICC filter.
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
from validkit.plnm.deep.bank import build_bank
from validkit.plnm.model import Inputs, PLNMModel
from validkit.plnm.radiomics import Lesion, default_cache, extract_cohort, perturbed, screen_features
from validkit.protocol import CohortSpec, Protocol
from validkit.store import dump_arrays


@dataclass(frozen=True)
class Built:
    """inputs of all patients; record for stages/radiomics.json; notes for the report."""

    inputs: Inputs
    record: dict[str, Any]
    notes: tuple[str, ...]


def build_inputs(
    data: Cohort,
    protocol: Protocol,
    *,
    training: Sequence[str],
    groups: Mapping[str, tuple[str, ...]],
    seed: int,
    cache: Path | None,
    engine: str,
    reporter: Reporter | None,
) -> Built:
    """Measure the primary outline of every patient and the repeated ones of training patients; cut the crops.

    training : patients who fit the model, in the cohort's order
    groups : repeated outlines by kind, roles of the cohort or "perturbed_1", ...
    seed : of the randomised outlines
    cache : folder of measured features; None for the user's
    """
    setting = protocol.model.radiomics
    folder = cache or default_cache()
    lesions = _lesions(data, protocol, training, groups, seed)
    found = extract_cohort(
        lesions,
        preset=setting.preset,
        bin_width=setting.bin_width,
        bin_count=setting.bin_count,
        cache=folder,
        engine=engine,
        reporter=reporter,
    )
    primary = found.features[data.primary]
    screen = screen_features(
        primary.loc[list(training)],
        [lesion for lesion in lesions if lesion.role == data.primary and lesion.patient in set(training)],
        preset=setting.preset,
        bin_width=setting.bin_width,
        bin_count=setting.bin_count,
        cache=folder,
        engine=engine,
        reporter=reporter,
    )
    notes = list(found.notices)
    if setting.drop_uninformative:
        useless = screen.uninformative
        primary = primary.drop(columns=list(useless))
        total = found.features[data.primary].shape[1]
        notes.append(f"{len(useless)} of {total} features carry no information on training patients and were dropped")
    deep = protocol.model.deep
    bank = build_bank(
        (data.lesion(patient)[:2] for patient in data.patients), image_size=deep.image_size, margin=deep.augment.crop
    )
    return Built(
        inputs=Inputs(
            radiomics=primary,
            repeats={role: table for role, table in found.features.items() if role != data.primary},
            predictors=data.predictors,
            bank=bank,
        ),
        record=found.record(screen) | {"n_patients": len(data.patients), "dropped": setting.drop_uninformative},
        notes=tuple(notes),
    )


def _lesions(
    data: Cohort, protocol: Protocol, training: Sequence[str], groups: Mapping[str, tuple[str, ...]], seed: int
) -> list[Lesion]:
    """Every outline to measure, each patient and role once."""
    spec = protocol.cohort
    found = [_lesion(data, spec, patient, data.primary) for patient in data.patients]
    roles = dict.fromkeys(role for group in groups.values() for role in group if role in data.outlines.columns)
    found += [
        _lesion(data, spec, patient, role)
        for role in roles
        if role != data.primary
        for patient in training
        if data.outlines.loc[patient, role] is not None
    ]
    perturb = protocol.model.reproducibility.perturb
    if perturb is not None:
        rng = np.random.default_rng(seed)
        chosen = sorted(rng.permutation(len(training))[: perturb.patients].tolist())
        originals = [_lesion(data, spec, training[i], data.primary) for i in chosen]
        found += perturbed(originals, copies=perturb.copies, displacement=perturb.displacement, seed=seed)
    return found


def _lesion(data: Cohort, spec: CohortSpec, patient: str, role: str) -> Lesion:
    return Lesion(
        patient=patient,
        role=role,
        image=data.images.loc[patient],
        outline=Path(str(data.outlines.loc[patient, role])),
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
