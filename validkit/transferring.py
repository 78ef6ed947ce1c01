"""The steps that a locked model's run takes beyond others: how it does here against home, why, and what may be sent.

Each writes its record into the run folder; the predictions are written, and outcomes open, before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from validkit.folder import Run
from validkit.plan import HELD_OUT, Plan, seeder
from validkit.sections import Bundle
from validkit.store import write_bytes, write_text

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.external import External
    from validkit.preparing import Prepared

__all__ = ["UNHARMONISED", "judge_transfer", "summarise", "write_unharmonised"]

UNHARMONISED = "unharmonised.parquet"
"""predictions of the patients as they were measured, where the protocol harmonises"""


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
