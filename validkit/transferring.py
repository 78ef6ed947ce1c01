"""The steps that a locked model's run takes beyond others: how it does here against home, why, and what may be sent.

Each writes its record into the run folder; the predictions are written, and outcomes open, before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from validkit.durable import default_cache
from validkit.errors import InputError
from validkit.folder import Run
from validkit.plan import HELD_OUT, Plan, seeder
from validkit.sections import Bundle
from validkit.store import write_bytes, write_text

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.external import External
    from validkit.preparing import Prepared

__all__ = [
    "UNHARMONISED",
    "UPDATED",
    "begin_update",
    "judge_transfer",
    "summarise",
    "write_unharmonised",
    "write_update",
]

UNHARMONISED = "unharmonised.parquet"
"""predictions of the patients as they were measured, where the protocol harmonises"""
UPDATED = "updated.zip"
"""the updated model, where the command line asks for it"""


def write_unharmonised(run: Run, prepared: Prepared, plan: Plan) -> None:
    """What the locked model predicts without harmonisation, where the protocol asks for it; no outcome is used."""
    external: External = prepared.inputs
    if not isinstance(run.protocol.model, Bundle) or external.harmonisation is None:
        return
    from validkit.external import predict_external
    from validkit.unit import held_out_rows, to_parquet

    with run.timed("harmonisation", "predicting once more without harmonisation"):
        made = predict_external(external.unharmonised(), plan.main.held_out)
        write_bytes(run.folder / UNHARMONISED, to_parquet(held_out_rows(plan.main, made.tables)))


def judge_transfer(run: Run, data: Cohort, prepared: Prepared) -> None:
    """Of a locked model: why it does otherwise here than at home, and what could be done about it."""
    if not isinstance(run.protocol.model, Bundle):
        return
    from validkit.centre.transfer import transfer_record
    from validkit.centre.updating import updating_record

    setting, external = run.protocol.evaluation, prepared.inputs
    predictions = pd.read_parquet(run.folder / "predictions.parquet")
    if external.harmonisation is not None:
        _harmonisation(run, data, external, predictions)
    with run.timed("transfer", "comparing this centre's patients with those of development"):
        record = transfer_record(
            external.locked,
            data,
            predictions,
            level=setting.level,
            seed=seeder(run.protocol.protocol.seed.split)("transfer"),
            replicates=setting.bootstrap.replicates,
        )
    run.write("stages/transfer.json", record)
    _drift(run, data, external)
    with run.timed("updating", "judging updates of the model by cross-fitting"):
        updated = updating_record(
            external.locked,
            data,
            predictions,
            setting.compare.reference,
            level=setting.level,
            seed=seeder(run.protocol.protocol.seed.split)("updating"),
        )
    run.write("stages/updating.json", updated)
    _precision(run, data, external, predictions)


def _harmonisation(run: Run, data: Cohort, external: External, predictions: pd.DataFrame) -> None:
    """How this centre measures otherwise, and what the models do with and without harmonisation."""
    from validkit.bundle.describing import mean_risks
    from validkit.centre.harmonising import effect_record

    plain = pd.read_parquet(run.folder / UNHARMONISED)
    level = run.protocol.evaluation.level
    effect = effect_record(data.outcome, mean_risks(plain), mean_risks(predictions), level=level)
    run.write("stages/harmonisation.json", {**(external.harmonisation or {}), "effect": effect})


def _drift(run: Run, data: Cohort, external: External) -> None:
    """Which of the locked model's inputs are spread otherwise here, as they were measured."""
    from validkit.bundle.describing import levels_of
    from validkit.centre.drift import columns_here, drift_record

    mix = external.locked.manifest.case_mix
    if mix is None:
        return
    features = getattr(external.measured, "radiomics", None)
    declared = run.protocol.cohort.predictors
    levels = {name: levels_of(data.predictors[name], declared[name]) for name in mix.levels if name in declared}
    table = columns_here(mix, data.predictors, data.image_info, features)
    run.write("stages/drift.json", drift_record(mix, table, levels))


def _precision(run: Run, data: Cohort, external: External, predictions: pd.DataFrame) -> None:
    """Whether this centre is large enough for the main model."""
    from validkit.bundle.describing import mean_risks
    from validkit.centre.precision import precision_record

    setting = run.protocol.evaluation
    name = setting.compare.reference
    risk = mean_risks(predictions)[name]
    record = precision_record(
        data.outcome.loc[risk.index].to_numpy(np.int64),
        risk.to_numpy(np.float64),
        setting.precision,
        external.locked.manifest.thresholds.get(name),
        level=setting.level,
    )
    run.write("stages/precision.json", {"model": name, **record})


def begin_update(run: Run, prepared: Prepared, method: str | None, *, allow_training_rows: bool) -> None:
    """Refuse an update that was asked for and cannot be had, before anything is predicted."""
    if method is None:
        return
    if not isinstance(run.protocol.model, Bundle):
        raise InputError("an update is of a locked model; this protocol fits one")
    from validkit.centre.updating import check_update

    check_update(prepared.inputs.locked, method, allow_training_rows=allow_training_rows)


def write_update(
    run: Run, data: Cohort, plan: Plan, prepared: Prepared, method: str | None, *, allow_training_rows: bool
) -> None:
    """The main model, updated with this centre's patients, as a new bundle; where there can be none, a note says why.

    method : one of `validkit.centre.updating.METHODS` but the first; None writes nothing
    """
    if method is None:
        return
    try:
        with run.timed("update", "writing the updated model"):
            _write_update(run, data, plan, prepared.inputs, method, allow_training_rows=allow_training_rows)
    except InputError as error:
        run.note("bundle", f"no updated model was written: {error}", "warning")


def _write_update(
    run: Run, data: Cohort, plan: Plan, external: External, method: str, *, allow_training_rows: bool
) -> None:
    from validkit.bundle.describing import case_mix_of, clinical_columns, mean_risks
    from validkit.bundle.lineage import Measured, Step
    from validkit.bundle.updated import write_updated
    from validkit.centre.updating import update_model

    model, locked = run.protocol.model, external.locked
    assert isinstance(model, Bundle)
    name = run.protocol.evaluation.compare.reference
    risk = mean_risks(pd.read_parquet(run.folder / "predictions.parquet"))[name]
    y = data.outcome.loc[risk.index].to_numpy(np.int64)
    made = update_model(
        method,
        y,
        risk.to_numpy(np.float64),
        clinical_columns(locked.protocol, locked.needs, data).loc[risk.index],
        threshold=locked.manifest.thresholds.get(name),
        groups=data.groups.loc[risk.index].to_numpy(np.int64),
        level=run.protocol.evaluation.level,
        seed=seeder(run.protocol.protocol.seed.split)("updating"),
    )
    if made.curve == "regression" and locked.protocol.cohort.missing == "impute":
        raise InputError(f"{method!r} came to a regression on the clinical columns, in which patients have gaps")
    setting = model.harmonisation
    step = Step(
        parent=locked.digest,
        model=name,
        method=method,  # type: ignore[arg-type]
        curve=made.curve,  # type: ignore[arg-type]
        numbers=made.numbers,
        columns=made.columns,
        n=len(y),
        events=int(y.sum()),
        cohort=data.digest,
        synthetic=data.synthetic,
        measured=Measured.of(external.site, setting.covariates) if external.site and setting else None,
    )
    told = pd.DataFrame({"model": name, "patient": risk.index, "probability": made.risks, "set": HELD_OUT})
    mix = case_mix_of(locked.protocol, plan, data, external.measured, told, locked.model.predictors)
    write_updated(
        run.folder / UPDATED,
        Path(model.file),
        locked,
        step,
        performance={
            "n": len(y),
            "events": int(y.sum()),
            **{key: one.to_dict() for key, one in made.judged.estimates.items()},
        },
        threshold=made.threshold,
        case_mix=mix,
        allow_training_rows=allow_training_rows,
        cache=run.cache or default_cache(),
    )


def summarise(run: Run, data: Cohort, plan: Plan, prepared: Prepared, site: str | None) -> None:
    """What a centre may send: of an external validation, and of each site that was left out in turn."""
    external = isinstance(run.protocol.model, Bundle)
    if not external and plan.design.kind != "internal-external":
        return
    from validkit.centre.summary import NAME, Judged, labels_of, site_summary, to_text

    predictions = pd.read_parquet(run.folder / "predictions.parquet")
    predictions = predictions[predictions["set"] == HELD_OUT]
    also = run.protocol.evaluation.thresholds.also
    if external:
        locked = prepared.inputs.locked
        harmonised = prepared.inputs.harmonisation is not None
        name = locked.manifest.protocol.name[:100]
        judged = Judged(kind="bundle", digest=locked.digest, name=name, harmonised=harmonised)
        cuts = locked.manifest.thresholds
        found = {NAME: site_summary(judged, data, predictions, site=site, thresholds=cuts, also=also)}
    else:
        assert data.site is not None
        judged = Judged(kind="procedure", digest=run.protocol.digest(), name=run.protocol.protocol.name[:100])
        found = {}
        sites = data.site.groupby(data.site).groups
        labels = labels_of([str(name) for name in sites])
        for name, patients in sites.items():
            own = predictions[predictions["patient"].isin(list(patients))]
            if len(own):
                label = labels[str(name)]
                part = data.take([p for p in data.patients if p in set(patients)])
                found[f"site-summaries/{label}.json"] = site_summary(judged, part, own, site=label, also=also)
    for file, summary in found.items():
        write_text(run.folder / file, to_text(summary))
