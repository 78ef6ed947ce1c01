"""A protocol on a cohort, to a run folder with predictions and their evaluation.

What learns receives training patients and their outcomes alone. Predictions of held-out patients are written and
hashed before any held-out outcome is joined, and the opening is entered in the ledger; where a protocol chooses by
held-out AUC, each look is recorded. Run again into the same folder, finished work is taken from its records.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit import schemas
from validkit.audit.findings import SENTINELS
from validkit.bundle.writing import bundle_from_run
from validkit.durable import default_cache
from validkit.engine import Reporter, Silent, parse_engine, workers
from validkit.errors import InputError
from validkit.evaluate import evaluate
from validkit.external import bound
from validkit.fitting import Workshop, fit_all
from validkit.folder import Run, begin, check_folder, finish, undone
from validkit.ledger import Ledger, keep_receipt, run_identity
from validkit.locks import hold
from validkit.plan import Plan, make_plan, seeder
from validkit.planning import estimate
from validkit.preparing import Prepared, patients_of, preflight, prepare, read_data
from validkit.protocol import Protocol
from validkit.provenance import resolve_device, sha256_of
from validkit.recording import flow, models_of, split_records, table_one
from validkit.sections import PLNM, Estimators
from validkit.store import write_bytes, write_text
from validkit.timings import observed_factors, remember_timings
from validkit.transferring import begin_update, judge_transfer, summarise, write_unharmonised, write_update
from validkit.unit import Fitted, all_predictions, to_parquet

if TYPE_CHECKING:
    from validkit.cohort import Cohort

TASKS = "tasks"
"""folder of the records of finished fits, in the run folder"""


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
    ledger: Path | None = None,
    sentinels: bool = False,
    allow_training_rows: bool = False,
    site: str | None = None,
    update: str | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Run a protocol and return the run folder, from which `validkit.report.render_report` draws the report.

    out : the run folder; made where absent, continued where it holds a run of the same protocol
    cohort : folder with cohort.csv, or a table's file; None simulates the phantom that the protocol names
    overrides : as given on the command line, for the record
    source : the protocol's text, kept in the folder
    cache : where extracted features are kept for every run; None for the user's cache folder
    ledger : where openings of held-out outcomes are entered; None for the user's own
    sentinels : run every leakage sentinel; else those that the protocol names
    site : this centre's name in its summary; None for a number
    update : how a bundle's main model is updated with these patients, and written as updated.zip; None for not at all
    allow_training_rows : whether the bundle may hold rows of training patients, which some estimators keep
    Raises InputError for bad input and StageError where a stage cannot be carried out on these data.
    """
    parse_engine(engine)
    preflight(protocol, cohort)
    protocol = bound(protocol)
    run = Run(out, protocol, overrides, resolve_device(device), engine, cache, reporter or Silent())
    check_folder(run)
    with undone(run) as begun, hold(out):
        begun.ours = True
        new = not (out / TASKS).exists()
        begin(run, source)
        data = read_data(run, cohort)
        plan = make_plan(protocol, patients_of(data))
        _write_plan(run, plan)
        prepared = prepare(run, data, plan)
        begin_update(run, prepared, update, allow_training_rows=allow_training_rows)
        begun.ours = False
        book = Ledger(ledger)
        run.sealed = book.seal_state(
            protocol.digest(), cohort=data.digest, outcome=data.outcome.loc[plan.held_out]
        ).to_dict()
        _announce_looks(run, data, plan, book)
        fitted = _fit(run, data, plan, prepared)
        _keep(run, plan, fitted)
        sealed = _write_predictions(run, fitted)
        write_unharmonised(run, prepared, plan)
        _open(run, data, plan, book, sealed, "evaluation")
        _evaluate(run, data, plan, fitted, sealed)
        judge_transfer(run, data, prepared)
        summarise(run, data, plan, prepared, site)
        write_update(run, data, plan, prepared, update, allow_training_rows=allow_training_rows)
        _guard(run, data, plan, prepared, fitted, asked=sentinels)
        _lock(run, data, plan, prepared, fitted, allow_training_rows=allow_training_rows)
        finish(run, data, plan, fits=_fits(plan, fitted))
        _remember_timings(run, plan, fitted, new=new)
        record = sha256_of(out / "run.json")
        keep_receipt(out, book.finished(run=run_identity(out), protocol=protocol.digest(), record=record))
    return out


def _main(plan: Plan, fitted: Sequence[Fitted]) -> Fitted:
    """The fit whose stages the report shows."""
    return fitted[plan.units.index(plan.main)]


def _write_plan(run: Run, plan: Plan) -> None:
    write_text(run.folder / "plan.csv", plan.tasks.to_csv(index=False))
    write_text(run.folder / "split.csv", plan.split_table().to_csv(index=False))


# --- fit -------------------------------------------------------------------------------------------


def _fit(run: Run, data: Cohort, plan: Plan, prepared: Prepared) -> list[Fitted]:
    workshop = _workshop(run)
    start = time.perf_counter()
    fitted, known = fit_all(run.protocol, plan, prepared, data.outcome, workshop)
    if len(fitted) > 1:
        seconds = round(time.perf_counter() - start, 3)
        detail = f"{len(fitted) - known} fitted, {known} from records"
        run.timings.append({"stage": "fits of the whole model", "seconds": seconds, "detail": detail})
    return fitted


def _workshop(run: Run) -> Workshop:
    return Workshop(run.device, run.engine, run.folder / TASKS, run.reporter)


def _announce_looks(run: Run, data: Cohort, plan: Plan, book: Ledger) -> None:
    """Where the protocol chooses by held-out outcomes, the opening is entered before anything is fitted."""
    if not run.protocol.looks:
        return
    _open(run, data, plan, book, "", "model choice")
    model = run.protocol.model
    if isinstance(model, PLNM | Estimators) and model.before_split:
        what = ", ".join(model.before_split)
        text = f"all outcomes were used before the split, as the protocol declares: {what} learnt from every patient"
        run.looks.append({"stage": "before the split", "split": "", "text": text, "auc": {}})


def _open(run: Run, data: Cohort, plan: Plan, book: Ledger, predictions: str, purpose: str) -> None:
    """Enter the opening of the held-out outcomes, and keep what the ledger says of earlier ones."""
    opening = book.open_outcomes(
        protocol=run.protocol.digest(),
        protocol_name=run.protocol.protocol.name,
        cohort=data.digest,
        run=run_identity(run.folder),
        predictions=predictions,
        purpose=purpose,
        outcome=data.outcome.loc[plan.held_out],
        synthetic=data.synthetic,
    )
    keep_receipt(run.folder, opening.receipt)
    run.opening = opening.to_dict() | {"sentence": opening.sentence()}


# --- what is kept --------------------------------------------------------------------------------------


def _keep(run: Run, plan: Plan, fitted: Sequence[Fitted]) -> None:
    """Records of the main fit's stages, choices of every fit, looks and notes."""
    by_name = dict(zip((split.name for split in plan.units), fitted, strict=True))
    main = _main(plan, fitted)
    run.timings += main.timings
    for name, record in main.records.items():
        if name == "deep":
            record = {**record, "saliency": record.get("saliency", [])}
        run.write(f"stages/{name}.json", record)
    if main.saliency:
        write_bytes(run.folder / "stages/saliency.npz", main.saliency)
    for one in fitted:
        run.looks += one.looks
    for note in main.notes:
        run.note(note["stage"], note["text"], note["severity"])
    run.write("stages/splits.json", split_records(plan, by_name))


def _write_predictions(run: Run, fitted: Sequence[Fitted]) -> str:
    """Every prediction, written and hashed; held-out outcomes are not touched."""
    path = run.folder / "predictions.parquet"
    with run.timed("predictions", "writing predictions"):
        write_bytes(path, to_parquet(all_predictions(fitted)))
    return sha256_of(path)


def _remember_timings(run: Run, plan: Plan, fitted: Sequence[Fitted], *, new: bool) -> None:
    """What the main fit's stages took, for the next plan on this machine; nothing where some came from records."""
    model = run.protocol.model
    if not new or not isinstance(model, PLNM | Estimators):
        return
    tasks = plan.tasks[plan.tasks["split"] == plan.main.name]
    count = workers(run.engine) if len(plan.units) == 1 else 1
    expected = estimate(tasks, run.protocol, device=run.device)
    took = _main(plan, fitted).timings
    if isinstance(model, Estimators):
        took = [{**entry, "stage": "estimators"} for entry in took]
    observed = observed_factors(expected, took, workers=count)
    remember_timings(run.cache or default_cache(), observed, run.device)


def _fits(plan: Plan, fitted: Sequence[Fitted]) -> dict[str, int]:
    made = sum(sum(one.fits.values()) for one in fitted)
    return {"planned": plan.fits, "made": made, "units": len(plan.units)}


# --- open, evaluate, record ----------------------------------------------------------------------------


def _evaluate(run: Run, data: Cohort, plan: Plan, fitted: Sequence[Fitted], sealed: str) -> None:
    main = _main(plan, fitted)
    locked = main.records.get("bundle", {})
    models = models_of(run.protocol, main.chosen, several=len(plan.splits) > 1, locked=locked.get("models", ()))
    reference = run.protocol.evaluation.compare.reference
    if reference not in {model["name"] for model in models}:
        known = ", ".join(model["name"] for model in models)
        raise InputError(
            f"evaluation.compare.reference names {reference!r}, which the bundle does not hold; it has {known}"
        )
    with run.timed("evaluation", "evaluating"):
        result = evaluate(
            pd.read_parquet(run.folder / "predictions.parquet"),
            data.outcome,
            models,
            run.protocol.evaluation,
            seed=seeder(run.protocol.protocol.seed.split)("bootstrap"),
            protocol=run.protocol,
            plan=plan,
            groups=data.groups,
            developed=locked.get("thresholds"),
            engine=run.engine,
            reporter=run.reporter,
        )
        run.acceptance = result.get("acceptance")
        _tell_outcomes(run, data)
        run.write(
            "evaluation.json",
            {
                "schema": schemas.urn("evaluation"),
                **result,
                "protocol_digest": run.protocol.digest(),
                "predictions_digest": sealed,
            },
        )
    described: dict[str, Any] = {"flow": flow(data, plan), "table1": table_one(run.protocol, data, plan)}
    if run.protocol.cohort.missing == "impute":
        described["missing"] = data.missing_table().to_dict("records")
    run.write("stages/cohort.json", described)


def _guard(run: Run, data: Cohort, plan: Plan, prepared: Prepared, fitted: Sequence[Fitted], *, asked: bool) -> None:
    """The leakage sentinels: all where asked for, else those that the protocol names."""
    if not asked and not run.protocol.sentinels.run:
        return
    from validkit.audit.run import run_sentinels

    with run.timed("sentinels", "looking for leaks"):
        found = run_sentinels(
            run.protocol,
            data,
            plan,
            prepared,
            fitted,
            _workshop(run),
            only=tuple(SENTINELS) if asked else None,
            run_looks=run.looks,
            reporter=run.reporter,
        )
    run.sentinels = [one.to_dict() for one in found]


def _lock(
    run: Run, data: Cohort, plan: Plan, prepared: Prepared, fitted: Sequence[Fitted], *, allow_training_rows: bool
) -> None:
    """The main fit as a bundle, which a new centre can run; where there can be none, a note says why."""
    if plan.design.kind in ("as-given", "external"):
        return
    main = _main(plan, fitted)
    evaluation = json.loads((run.folder / "evaluation.json").read_text(encoding="utf-8"))
    with run.timed("bundle", "locking the model"):
        made = bundle_from_run(
            run.protocol,
            plan,
            main.model_files,
            data,
            evaluation,
            run.folder / "bundle.zip",
            inputs=prepared.inputs,
            predictions=all_predictions(fitted),
            allow_training_rows=allow_training_rows,
            cache=run.cache or default_cache(),
        )
    if isinstance(made, str):
        run.note("bundle", made)


def _tell_outcomes(run: Run, data: Cohort) -> None:
    """The outcome of each patient whose image is explained, now that outcomes are open."""
    path = run.folder / "stages" / "deep.json"
    if not path.is_file():
        return
    record = json.loads(path.read_text(encoding="utf-8"))
    record["saliency"] = [{**e, "outcome": int(data.outcome.loc[e["patient"]])} for e in record["saliency"]]
    run.write("stages/deep.json", record)
