"""A fitted model's files and the facts of its run, into one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit.bundle.archive import write_archive
from validkit.bundle.case_mix import CaseMix
from validkit.bundle.describing import case_mix_of
from validkit.bundle.facts import Facts, facts_of
from validkit.bundle.manifest import Images, Manifest, Member, PredictorFacts, ProtocolFacts
from validkit.bundle.parts import Model, build, leave_out
from validkit.bundle.reference import CASES, make_reference
from validkit.bundle.rows import keeping_rows
from validkit.errors import InputError
from validkit.plan import Plan
from validkit.protocol import Protocol
from validkit.provenance import versions
from validkit.store import Files, to_json

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = ["bundle_from_run", "write_bundle"]

STAY = (
    "; they leave their site only where that is allowed (--allow-training-rows; in Python, "
    "allow_training_rows=True): choose models that keep none"
)


def write_bundle(
    path: Path,
    files: Files,
    protocol: Protocol,
    facts: Facts,
    *,
    allow_training_rows: bool = False,
    reference: bool = False,
    cache: Path | None = None,
    case_mix: Callable[[Model], CaseMix] | None = None,
) -> Path:
    """Write a locked model, whole or not at all; the same model gives the same bytes.

    files : what the model learnt, by `locked_files`; facts : of the run that fitted it
    allow_training_rows : whether estimators and imputations that keep rows of training patients may travel. Otherwise
        they are left out, and where the model cannot do without one of them it is an InputError.
    reference : whether reference cases travel with it; cache : folder of measured features
    case_mix : tells the spread of the patients of development, for this model
    """
    rows = keeping_rows(files)
    left_out: dict[str, str] = {}
    if rows and not allow_training_rows:
        try:
            files, left_out = leave_out(files, rows, protocol)
        except InputError as error:
            raise InputError(f"{error}{STAY}") from error
        rows = {}
    model = build(files, protocol, device="cpu")
    cases = make_reference(model, protocol, facts.predictors, cache=cache) if reference else {}
    members = {**files, **cases, "protocol.json": protocol_json(protocol)}
    told = {
        name: Member(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), training_rows=name in rows)
        for name, data in sorted(members.items())
    }
    mix = None if case_mix is None else case_mix(model).of(model.names, model.features)
    manifest = _manifest(protocol, facts, model, left_out, told, CASES if reference else 0, mix)
    write_archive(path, {**members, "manifest.json": to_json(manifest.model_dump(mode="json")).encode()})
    return path


def bundle_from_run(
    protocol: Protocol,
    plan: Plan,
    files: Files,
    data: Cohort,
    evaluation: Mapping[str, Any],
    out: Path,
    *,
    inputs: Any = None,
    predictions: pd.DataFrame | None = None,
    allow_training_rows: bool = False,
    cache: Path | None = None,
) -> Path | str:
    """The bundle of a finished run, with reference cases, or in words why there is none.

    files : of the main fit (`Fitted.model_files`); evaluation : evaluation.json's content; out : the file
    inputs, predictions : of the run, for `facts.case_mix`; cache : folder of measured features
    """
    if not files:
        return "no bundle was written: nothing was fitted, or an estimator cannot be stored without pickle"
    try:
        facts = facts_of(protocol, plan, data, evaluation)

        def mix(model: Model) -> CaseMix:
            return case_mix_of(protocol, plan, data, inputs, told, model.predictors)

        told = predictions if predictions is not None else pd.DataFrame()
        return write_bundle(
            out,
            files,
            protocol,
            facts,
            allow_training_rows=allow_training_rows,
            reference=True,
            cache=cache,
            case_mix=None if predictions is None else mix,
        )
    except InputError as error:
        return f"no bundle was written: {error}"


def protocol_json(protocol: Protocol) -> bytes:
    """The resolved protocol, its predictors in the order they were declared, which its canonical form does not keep."""
    return (json.dumps(protocol.to_dict(), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def _manifest(
    protocol: Protocol,
    facts: Facts,
    model: Model,
    left_out: Mapping[str, str],
    members: dict[str, Member],
    cases: int,
    mix: CaseMix | None,
) -> Manifest:
    there = set(model.names)
    outcome = protocol.cohort.outcome
    return Manifest(
        format=3,
        kind=model.kind,
        versions=versions(),
        protocol=ProtocolFacts(
            name=protocol.protocol.name, question=protocol.protocol.question, digest=protocol.digest()
        ),
        cohort=facts.cohort,
        synthetic=facts.synthetic,
        outcome={"positive": outcome.positive, "negative": outcome.negative},
        training=facts.training,
        predictors=_predictors(protocol, facts, model),
        images=_images(protocol, facts, model),
        models=tuple(one for one in facts.models if one.name in there),
        chosen=model.chosen,
        copies=protocol.copies,
        thresholds={name: value for name, value in facts.thresholds.items() if name in there},
        performance_on=facts.performance_on,
        performance={name: dict(found) for name, found in facts.performance.items() if name in there},
        left_out={**facts.left_out, **left_out},
        case_mix=mix,
        reference=cases,
        updates=len(model.lineage.steps) if model.lineage else 0,
        members=members,
    )


def _predictors(protocol: Protocol, facts: Facts, model: Model) -> dict[str, PredictorFacts]:
    return {
        name: PredictorFacts(
            kind=spec.kind,
            label=spec.label or name,
            unit=spec.unit,
            levels=spec.levels,
            needed=name in model.predictors,
            observed=facts.predictors[name],
        )
        for name, spec in protocol.cohort.predictors.items()
    }


def _images(protocol: Protocol, facts: Facts, model: Model) -> Images | None:
    if model.kind != "plnm":
        return None
    radiomics, deep = protocol.plnm.radiomics, protocol.plnm.deep
    return Images(
        image_size=deep.image_size,
        margin=deep.augment.crop,
        preset=radiomics.preset,
        bin_width=radiomics.bin_width,
        bin_count=radiomics.bin_count,
        features=model.features,
        observed=dict(facts.images),
    )
