"""What a run writes beside predictions and statistics: the models by name, the flow of patients, choices by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit.plan import HOLDOUT, Plan
from validkit.protocol import Protocol
from validkit.sections import PLNM, BootstrapDesign, Bundle, Estimators, Predictions
from validkit.unit import Fitted

if TYPE_CHECKING:
    from validkit.cohort import Cohort


def models_of(
    protocol: Protocol, chosen: Mapping[str, str], *, several: bool, locked: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """{name, label, family, classifier, backbone, chosen} of every model, in the report's order.

    chosen : what the main fit chose; several : whether other fits may have chosen otherwise
    locked : the models of a bundle, as its manifest names them
    """
    if isinstance(protocol.model, PLNM):
        return _plnm_models(protocol.model, chosen, several)
    if isinstance(protocol.model, Bundle):
        return [dict(one) for one in locked]
    named: Sequence[Any] = ()
    if isinstance(protocol.model, Estimators):
        named = protocol.model.estimators
    elif isinstance(protocol.model, Predictions):
        named = protocol.model.columns
    return [_entry(one.name, one.label or one.name, protocol.model.kind) for one in named]


def _entry(name: str, label: str, family: str, **rest: Any) -> dict[str, Any]:
    whole = {"name": name, "label": label, "family": family, "classifier": None, "backbone": None, "chosen": True}
    return whole | rest


def _plnm_models(model: PLNM, chosen: Mapping[str, str], several: bool) -> list[dict[str, Any]]:
    """Whole models first, then each network and each classifier."""
    from validkit.plnm.classifiers import LABELS

    found = [_entry("nomogram", "Nomogram", "nomogram")]
    for branch, label in (("fusion", "Fusion"), ("radiomics", "Radiomics")):
        best = chosen[branch]
        words = "chosen in each split" if several else LABELS[best]
        found.append(_entry(branch, f"{label} ({words})", branch, classifier=best))
    for network in model.deep.backbones:
        picked = network == chosen["deep"]
        found.append(_entry(f"deep/{network}", f"Deep ({network})", "deep", backbone=network, chosen=picked))
        if model.deep.frozen:
            words = f"Deep ({network}, frozen)"
            found.append(_entry(f"deep/{network}/frozen", words, "deep", backbone=network, chosen=False))
    found.append(_entry("clinical", "Clinical predictors", "clinical"))
    for branch, label in (("radiomics", "Radiomics"), ("fusion", "Fusion")):
        for name in model.classifiers.use:
            words, picked = f"{label}: {LABELS[name]}", name == chosen[branch]
            found.append(_entry(f"{branch}/{name}", words, branch, classifier=name, chosen=picked))
    return found


def split_records(plan: Plan, fitted: Mapping[str, Fitted]) -> dict[str, Any]:
    """stages/splits.json: what each fit of the whole model saw and chose, and the digest of what it learnt."""
    rows = []
    for split in plan.units:
        one = fitted[split.name]
        rows.append(
            {
                "split": split.name,
                "repeat": split.repeat,
                "fold": split.fold,
                "site": split.site,
                "training": len(split.training),
                "distinct": len(set(split.training)),
                "held_out": len(split.held_out),
                "chosen": one.chosen,
                "fits": sum(one.fits.values()),
                "fits_by_stage": one.fits,
                "features": _features(one),
                "seconds": round(sum(entry["seconds"] for entry in one.timings), 3),
                "parameters": one.parameters,
                "notes": one.notes,
            }
        )
    return {"design": plan.design.model_dump(mode="json"), "main": plan.main.name, "splits": rows}


def _features(one: Fitted) -> list[str]:
    """Names of the columns that the fusion kept, or that the first model's selection kept."""
    fusion = one.records.get("fusion")
    return [str(row.get("feature", row.get("name"))) for row in fusion["selected"]] if fusion else []


def flow(data: Cohort, plan: Plan) -> list[dict[str, Any]]:
    """How many patients came in, left, and stayed."""

    def row(step: str, patients: Sequence[str], reason: str = "") -> dict[str, Any]:
        events = int(data.outcome.loc[list(patients)].sum())
        return {"step": step, "n": len(patients), "events": events, "reason": reason}

    read = {"step": "in cohort.csv", "n": len(data.patients) + len(data.excluded), "events": None, "reason": ""}
    excluded = {"step": "excluded", "n": len(data.excluded), "events": None, "reason": "missing values"}
    found = [read, excluded, row("analysed", data.patients)]
    if plan.splits[0].name == HOLDOUT:
        parts = [("training", plan.training)] if plan.training else []
        return found + [row(step, patients) for step, patients in [*parts, ("held out", plan.held_out)]]
    if isinstance(plan.design, BootstrapDesign):
        why = f"in each of {len(plan.splits)} resamples, those not drawn"
        return [*found, row("judged by resampling", data.patients, why)]
    why = f"each by a fit that did not see them; {len(plan.splits)} fits"
    return [*found, row("held out in turn", plan.held_out, why)]


def table_one(protocol: Protocol, data: Cohort, plan: Plan) -> dict[str, Any]:
    """Table 1 of the main fit's patients, or of all where nothing is fitted."""
    from validkit.stats.descriptive import table_one as table

    declared, outcome = protocol.cohort.predictors, protocol.cohort.outcome
    patients = plan.training or list(data.patients)
    names = [outcome.negative, outcome.positive]
    words = [names[value] for value in data.outcome.loc[patients]]
    groups = pd.Series(pd.Categorical(words, categories=names), index=patients)
    return table(
        data.predictors.loc[patients],
        groups,
        kinds={name: spec.kind for name, spec in declared.items()},
        labels={name: spec.label or name for name, spec in declared.items()},
        units={name: spec.unit for name, spec in declared.items()},
        levels={name: spec.levels for name, spec in declared.items() if spec.levels},
    ).to_dict()
