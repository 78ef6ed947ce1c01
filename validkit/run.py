"""A protocol on a cohort, to a run folder with predictions, evaluation and report.

What learns receives training patients and their outcomes alone. Predictions of held-out patients are written and
hashed before any held-out outcome is joined; where a protocol chooses by held-out AUC, each look is recorded.
Run again into the same folder, finished work is taken from its records.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit import __version__, stats
from validkit.engine import Reporter, Silent
from validkit.errors import InputError
from validkit.evaluate import evaluate
from validkit.plan import HELD_OUT, TRAINING, Plan, make_plan, seeder
from validkit.protocol import Protocol
from validkit.provenance import describe_device, resolve_device, sha256_of, versions
from validkit.store import Store, digest, to_json, write_bytes, write_text

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.plnm.model import Inputs, PLNMModel, Predict


@dataclass
class Run:
    """One run folder while it is being filled.

    notices : what a reader must know: {severity, stage, text}
    looks : each opening of held-out outcomes while the model was being fitted: {stage, text}
    """

    folder: Path
    protocol: Protocol
    overrides: Sequence[str]
    device: str
    engine: str
    cache: Path | None
    reporter: Reporter
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    timings: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, str]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str, say: str = "") -> Iterator[dict[str, Any]]:
        """Time a stage; the yielded entry takes a `detail`."""
        self.reporter.say(say or stage)
        entry: dict[str, Any] = {"stage": stage, "seconds": 0.0, "detail": ""}
        start = time.perf_counter()
        yield entry
        entry["seconds"] = round(time.perf_counter() - start, 3)
        self.timings.append(entry)

    def note(self, stage: str, text: str, severity: str = "note") -> None:
        """Add a notice, once."""
        entry = {"severity": severity, "stage": stage, "text": text}
        if entry not in self.notices:
            self.notices.append(entry)

    def write(self, name: str, value: Any) -> None:
        """Write a record as JSON."""
        write_text(self.folder / name, to_json(value))


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
    """Run a protocol to a report and return the run folder.

    out : the run folder; made where absent, continued where it holds a run of the same protocol
    cohort : folder with cohort.csv; None simulates the phantom that the protocol names
    overrides : as given on the command line, for the record
    source : the protocol's text, kept in the folder
    cache : where extracted features are kept for every run; None for the user's cache folder
    Raises InputError for bad input and StageError where a stage cannot be carried out on these data.
    """
    run = Run(out, protocol, overrides, resolve_device(device), engine, cache, reporter or Silent())
    _preflight(protocol, cohort)
    _open_folder(run, source)
    data = _cohort(run, cohort)
    plan = make_plan(protocol, data.outcome)
    _write_plan(run, plan)
    inputs = _inputs(run, data, plan)
    model = _fit(run, data, plan, inputs)
    _predict(run, data, plan, inputs, model)
    _saliency(run, data, plan, inputs, model)
    _evaluate(run, data, plan, model)
    _finish(run, data, plan)
    with run.timed("report", "drawing the report"):
        from validkit.report import render_report

        render_report(run.folder)
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
    from validkit.plnm.deep.backbones import check_weights

    for name in protocol.model.deep.backbones:
        check_weights(name, protocol.model.deep.weights)


def _open_folder(run: Run, source: str) -> None:
    """Make the run folder, or continue the run that is in it if its protocol is the same."""
    known = run.folder / "protocol.resolved.json"
    if known.is_file():
        there = json.loads(known.read_text(encoding="utf-8"))["digest"]
        if there != run.protocol.digest():
            raise InputError(
                f"{run.folder} holds a run of another protocol (digest {there[:12]}, this one "
                f"{run.protocol.digest()[:12]}); give another folder with --out, or delete it"
            )
    elif run.folder.exists() and any(run.folder.iterdir()):
        raise InputError(f"{run.folder} is not empty and holds no run; give another folder with --out")
    run.folder.mkdir(parents=True, exist_ok=True)
    run.write("protocol.resolved.json", {"digest": run.protocol.digest(), "protocol": run.protocol.to_dict()})
    if source:
        write_text(run.folder / "protocol.toml", source)
    for override in run.overrides:
        stage = "deep" if override.startswith("model.deep") else "protocol"
        run.note(stage, f"the protocol was changed on the command line: {override}", "warning")


# --- cohort and inputs -----------------------------------------------------------------------------


def _cohort(run: Run, folder: Path | None) -> Cohort:
    from validkit.cohort import read_cohort

    if folder is None:
        folder = run.folder / "cohort"
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
        data = read_cohort(folder, run.protocol.cohort, engine=run.engine, reporter=run.reporter)
    _same_cohort(run, data)
    for text in data.notes:
        run.note("cohort", text)
    if data.excluded:
        run.note("cohort", f"{len(data.excluded)} patients were excluded for missing values, as the protocol says")
    return data


def _same_cohort(run: Run, data: Cohort) -> None:
    """A run folder holds one cohort's run."""
    known = run.folder / "cohort.digest"
    there = known.read_text(encoding="utf-8").strip() if known.is_file() else data.digest
    if there != data.digest:
        raise InputError(
            f"{run.folder} holds a run on another cohort (digest {there[:12]}, this one {data.digest[:12]}); "
            "give another folder with --out, or delete it"
        )
    write_text(known, data.digest + "\n")


def _write_plan(run: Run, plan: Plan) -> None:
    write_text(run.folder / "plan.csv", plan.tasks.to_csv(index=False))
    write_text(run.folder / "split.csv", plan.split.to_csv())


def _groups(protocol: Protocol) -> dict[str, tuple[str, ...]]:
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
            groups=_groups(run.protocol),
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
        groups=_groups(protocol),
        seed_of=seeder(protocol.protocol.seed.split),
        torch_seed=protocol.protocol.seed.torch,
        level=protocol.evaluation.level,
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
    with run.timed("predictions", "predicting"):
        cross_fitted = pd.DataFrame(model.cross_fitted_, index=training.patients)
        parts = [
            _long(model.fitted(training), TRAINING, "apparent"),
            _long(cross_fitted, TRAINING, "cross-fitted"),
            _long(model.predict(held_out), HELD_OUT, "held-out"),
        ]
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
    groups = data.outcome.loc[training].map({0: outcome.negative, 1: outcome.positive})
    return table_one(
        data.predictors.loc[training],
        groups,
        kinds={name: spec.kind for name, spec in declared.items()},
        labels={name: spec.label or name for name, spec in declared.items()},
        units={name: spec.unit for name, spec in declared.items()},
    ).to_dict()


def _finish(run: Run, data: Cohort, plan: Plan) -> None:
    """Write run.json: what was run, on whom, with what, how long, and the digest of every record."""
    header, seeds = run.protocol.protocol, run.protocol.protocol.seed
    files = {
        str(path.relative_to(run.folder)): sha256_of(path)
        for path in sorted(run.folder.rglob("*"))
        if path.is_file() and path.parent.name in (run.folder.name, "stages") and path.name != "run.json"
        if not path.name.startswith(("report", "."))
    }

    def part(patients: Sequence[str]) -> dict[str, int]:
        return {"n": len(patients), "events": int(data.outcome.loc[list(patients)].sum())}

    run.write(
        "run.json",
        {
            "validkit": __version__,
            "status": "complete",
            "synthetic": data.synthetic,
            "protocol": {
                "name": header.name,
                "question": header.question,
                "source": header.source,
                "note": header.note,
                "digest": run.protocol.digest(),
            },
            "outcome": run.protocol.cohort.outcome.model_dump(),
            "overrides": list(run.overrides),
            "started": run.started,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "cohort": {
                "name": data.name,
                "description": data.description,
                "digest": data.digest,
                "patients": len(data.patients),
                "events": int(data.outcome.sum()),
                "excluded": [{"patient": patient, "reason": reason} for patient, reason in data.excluded],
                "training": part(plan.training),
                "held_out": part(plan.held_out),
                "sites": {} if data.site is None else {str(k): int(v) for k, v in data.site.value_counts().items()},
            },
            "device": describe_device(run.device),
            "engine": run.engine,
            "seeds": {"split": seeds.split, "torch": seeds.torch},
            "versions": versions(),
            "timings": run.timings,
            "notices": run.notices,
            "looks": run.looks,
            "files": files,
        },
    )
