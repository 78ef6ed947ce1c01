"""A protocol on a cohort, to a run folder with predictions and their evaluation.

What learns receives training patients and their outcomes alone. Predictions of held-out patients are written and
hashed before any held-out outcome is joined; where a protocol chooses by held-out AUC, each look is recorded.
Run again into the same folder, finished work is taken from its records.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit import stats
from validkit.engine import Reporter, Silent, parse_engine
from validkit.errors import InputError
from validkit.evaluate import evaluate
from validkit.extras import require
from validkit.folder import Run, finish, open_folder, same_cohort
from validkit.plan import HELD_OUT, TRAINING, Plan, make_plan, seeder
from validkit.protocol import Protocol
from validkit.provenance import resolve_device, sha256_of, versions
from validkit.store import Store, digest, write_bytes, write_text

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.plnm.model import Inputs, PLNMModel, Predict


def run_protocol(
    protocol: Protocol,
    *,
    out: Path,
    cohort: Path | None = None,
    overrides: Sequence[str] = (),
    source: str = "",
    device: str = "auto",
    engine: str = "loky",
    cache: Path | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Run a protocol and return the run folder, from which `validkit.report.render_report` draws the report.

    out : the run folder; made where absent, continued where it holds a run of the same protocol
    cohort : folder with cohort.csv; None simulates the phantom that the protocol names
    overrides : as given on the command line, for the record
    source : the protocol's text, kept in the folder
    cache : where extracted features are kept for every run; None for the user's cache folder
    Raises InputError for bad input and StageError where a stage cannot be carried out on these data.
    """
    parse_engine(engine)
    _preflight(protocol, cohort)
    run = Run(out, protocol, overrides, resolve_device(device), engine, cache, reporter or Silent())
    open_folder(run, source)
    data = _cohort(run, cohort)
    plan = make_plan(protocol, data.outcome)
    _write_plan(run, plan)
    inputs = _inputs(run, data, plan)
    model = _fit(run, data, plan, inputs)
    _predict(run, data, plan, inputs, model)
    _saliency(run, data, plan, inputs, model)
    _evaluate(run, data, plan, model)
    finish(run, data, plan)
    return run.folder


# --- before anything expensive -------------------------------------------------------------------


def _preflight(protocol: Protocol, cohort: Path | None) -> None:
    """What would fail late is looked at first: data named, packages there, weights there."""
    if cohort is None and protocol.cohort.default is None:
        raise InputError(
            f"protocol {protocol.protocol.name!r} names no phantom: give a cohort's folder with --cohort DIR"
        )
    if cohort is not None and not (cohort / "cohort.csv").is_file():
        raise InputError(f"no cohort.csv in {cohort}; --cohort takes the folder that holds it")
    for extra in ("imaging", "deep", "models"):
        require(extra, "running the PLNM model")
    from validkit.plnm.deep.backbones import check_weights

    for name in protocol.model.deep.backbones:
        check_weights(name, protocol.model.deep.weights, image_size=protocol.model.deep.image_size)


# --- cohort and inputs -----------------------------------------------------------------------------


def _cohort(run: Run, folder: Path | None) -> Cohort:
    from validkit.cohort import read_cohort

    if folder is None:
        folder = run.folder / "phantom"
        phantom = run.protocol.cohort.default
        assert phantom is not None
        if not folder.exists():
            from validkit.cohort.phantom import write_phantom

            with run.timed("phantom", f"simulating {phantom.patients} patients"):
                write_phantom(
                    folder,
                    patients=phantom.patients,
                    sites=phantom.sites,
                    seed=phantom.seed,
                    engine=run.engine,
                    reporter=run.reporter,
                )
    with run.timed("cohort", "reading and checking the cohort"):
        data = read_cohort(folder, run.protocol.cohort, reporter=run.reporter)
    same_cohort(run, data)
    for text in data.notes:
        run.note("cohort", text)
    if data.excluded:
        run.note("cohort", f"{len(data.excluded)} patients were excluded for missing values, as the protocol says")
    return data


def _write_plan(run: Run, plan: Plan) -> None:
    write_text(run.folder / "plan.csv", plan.tasks.to_csv(index=False))
    write_text(run.folder / "split.csv", plan.split.to_csv())


def repeated_outlines(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    """Repeated outlines by kind: as declared, or the primary one and its randomised copies."""
    setting = protocol.model.reproducibility
    groups = {name: roles for name, roles in (("intra", setting.intra), ("inter", setting.inter)) if roles}
    if setting.perturb is not None:
        copies = tuple(f"perturbed_{i + 1}" for i in range(setting.perturb.copies))
        groups["perturbed"] = (protocol.cohort.primary, *copies)
    return groups


def _inputs(run: Run, data: Cohort, plan: Plan) -> Inputs:
    """Features of every outline the model needs, and the lesion crops; no outcome is used here."""
    from validkit.plnm.inputs import build_inputs

    with run.timed("radiomics", "extracting radiomic features") as entry:
        built = build_inputs(
            data,
            run.protocol,
            training=plan.training,
            groups=repeated_outlines(run.protocol),
            seed=seeder(run.protocol.protocol.seed.split)("perturbed outlines"),
            cache=run.cache,
            engine=run.engine,
            reporter=run.reporter,
        )
        entry["detail"] = f"{built.record['extracted']} extracted, {built.record['cached']} from the cache"
    run.write("stages/radiomics.json", built.record)
    for text in built.notes:
        run.note("radiomics", text)
    return built.inputs


# --- fit, predict, seal ------------------------------------------------------------------------------


def _fit(run: Run, data: Cohort, plan: Plan, inputs: Inputs) -> PLNMModel:
    from validkit.plnm.model import PLNMModel

    protocol = run.protocol
    model = PLNMModel(
        protocol.model,
        predictors=protocol.cohort.predictors,
        groups=repeated_outlines(protocol),
        seed_of=seeder(protocol.protocol.seed.split),
        torch_seed=protocol.protocol.seed.torch,
        level=protocol.evaluation.level,
        cross_fit=protocol.cross_fits,
        device=run.device,
        engine=run.engine,
        store=Store(run.folder / "tasks", context=digest(versions(), run.device)),
        reporter=run.reporter,
    )
    held_out = inputs.take(plan.held_out)

    def look(stage: str, predict: Predict) -> Mapping[str, float]:
        y = data.outcome.loc[plan.held_out].to_numpy()
        found = {name: stats.auc(y, p).value for name, p in predict(held_out).items()}
        text = f"held-out outcomes were opened to choose in stage {stage!r} by held-out AUC: " + ", ".join(
            f"{name} {value:.3f}" for name, value in found.items()
        )
        run.looks.append({"stage": stage, "text": text, "auc": found})
        return found

    model.fit(inputs.take(plan.training), data.outcome.loc[plan.training], look)
    run.timings += model.timings_
    for name, record in model.records_.items():
        run.write(f"stages/{name}.json", record)
    return model


def _predict(run: Run, data: Cohort, plan: Plan, inputs: Inputs, model: PLNMModel) -> None:
    """Write every prediction; held-out outcomes are not touched."""
    training, held_out = inputs.take(plan.training), inputs.take(plan.held_out)
    undefined = model.undefined(held_out)
    if len(undefined):
        text = f"selected features were undefined for {len(undefined)} held-out patients and took the training median"
        run.note("radiomics", f"{text}: {', '.join(map(str, undefined.index[:10]))}", "warning")
    with run.timed("predictions", "predicting"):
        parts = [
            _long(model.fitted(training), TRAINING, "apparent"),
            _long(model.predict(held_out), HELD_OUT, "held-out"),
        ]
        if model.cross_fitted_:
            cross_fitted = pd.DataFrame(model.cross_fitted_, index=training.patients)
            parts.insert(1, _long(cross_fitted, TRAINING, "cross-fitted"))
        buffer = io.BytesIO()
        pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False)
        write_bytes(run.folder / "predictions.parquet", buffer.getvalue())


def _long(table: pd.DataFrame, part: str, kind: str) -> pd.DataFrame:
    long = table.rename_axis(index="patient").reset_index().melt("patient", var_name="model", value_name="probability")
    long.insert(1, "set", part)
    long.insert(2, "kind", kind)
    return long


def _saliency(run: Run, data: Cohort, plan: Plan, inputs: Inputs, model: PLNMModel) -> None:
    """Saliency maps of example held-out patients: as many as the protocol lets into the report."""
    wanted = run.protocol.model.deep.saliency
    record = json.loads((run.folder / "stages/deep.json").read_text(encoding="utf-8"))
    record["saliency"] = []
    if wanted:
        from validkit.plnm.inputs import explain

        examples, arrays = explain(model, inputs.take(plan.held_out), wanted)
        record["saliency"] = [{**e, "outcome": int(data.outcome.loc[e["patient"]])} for e in examples]
        write_bytes(run.folder / "stages/saliency.npz", arrays)
    run.write("stages/deep.json", record)


# --- open, evaluate, record ----------------------------------------------------------------------------


def _evaluate(run: Run, data: Cohort, plan: Plan, model: PLNMModel) -> None:
    sealed = sha256_of(run.folder / "predictions.parquet")
    with run.timed("evaluation", "evaluating"):
        result = evaluate(
            pd.read_parquet(run.folder / "predictions.parquet"),
            data.outcome,
            _models(run.protocol, model.chosen_),
            run.protocol.evaluation,
            seed=seeder(run.protocol.protocol.seed.split)("bootstrap"),
        )
        run.write(
            "evaluation.json",
            {**result, "protocol_digest": run.protocol.digest(), "predictions_digest": sealed},
        )
    run.write("stages/cohort.json", {"flow": _flow(data, plan), "table1": _table_one(run, data, plan)})


def _models(protocol: Protocol, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every model in the report's order: whole models first, then each network and each classifier."""
    from validkit.plnm.classifiers import LABELS

    def entry(name: str, label: str, family: str, **rest: Any) -> dict[str, Any]:
        return {
            "name": name,
            "label": label,
            "family": family,
            "classifier": None,
            "backbone": None,
            "chosen": True,
        } | rest

    found = [entry("nomogram", "Nomogram", "nomogram")]
    for branch, label in (("fusion", "Fusion"), ("radiomics", "Radiomics")):
        best = chosen[branch]
        found.append(entry(branch, f"{label} ({LABELS[best]})", branch, classifier=best))
    found += [
        entry(f"deep/{name}", f"Deep ({name})", "deep", backbone=name, chosen=name == chosen["deep"])
        for name in protocol.model.deep.backbones
    ]
    found.append(entry("clinical", "Clinical predictors", "clinical"))
    for branch, label in (("radiomics", "Radiomics"), ("fusion", "Fusion")):
        found += [
            entry(
                f"{branch}/{name}", f"{label}: {LABELS[name]}", branch, classifier=name, chosen=name == chosen[branch]
            )
            for name in protocol.model.classifiers.use
        ]
    return found


def _flow(data: Cohort, plan: Plan) -> list[dict[str, Any]]:
    def row(step: str, patients: Sequence[str], reason: str = "") -> dict[str, Any]:
        return {
            "step": step,
            "n": len(patients),
            "events": int(data.outcome.loc[list(patients)].sum()),
            "reason": reason,
        }

    read = {"step": "in cohort.csv", "n": len(data.patients) + len(data.excluded), "events": None, "reason": ""}
    excluded = {"step": "excluded", "n": len(data.excluded), "events": None, "reason": "missing values"}
    return [
        read,
        excluded,
        row("analysed", data.patients),
        row("training", plan.training),
        row("held out", plan.held_out),
    ]


def _table_one(run: Run, data: Cohort, plan: Plan) -> dict[str, Any]:
    from validkit.stats.descriptive import table_one

    declared = run.protocol.cohort.predictors
    training = plan.training
    outcome = run.protocol.cohort.outcome
    names = [outcome.negative, outcome.positive]
    words = [names[value] for value in data.outcome.loc[training]]
    groups = pd.Series(pd.Categorical(words, categories=names), index=training)
    return table_one(
        data.predictors.loc[training],
        groups,
        kinds={name: spec.kind for name, spec in declared.items()},
        labels={name: spec.label or name for name, spec in declared.items()},
        units={name: spec.unit for name, spec in declared.items()},
        levels={name: spec.levels for name, spec in declared.items() if spec.levels},
    ).to_dict()
