"""From a protocol and a folder to what every split needs: the cohort read and checked, its inputs measured once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from validkit.errors import InputError
from validkit.extras import require
from validkit.folder import Run, same_cohort
from validkit.plan import Patients, Plan, seeder
from validkit.protocol import Protocol
from validkit.sections import PLNM, Bundle, Estimators, Predictions
from validkit.unit import BeforeCopies, repeated_outlines

if TYPE_CHECKING:
    import pandas as pd

    from validkit.cohort import Cohort
    from validkit.engine import Reporter
    from validkit.plnm.inputs import Inputs
    from validkit.plnm.measuring import Measured, Part
    from validkit.tabular.inputs import TableInputs


@dataclass(frozen=True, eq=False)
class Prepared:
    """inputs : of all patients, no outcome; digest : of them; parts : by split, for the PLNM model

    before : learnt from all patients before the split, where the protocol declares that leak
    measured : what was measured of images, for the PLNM model; cache : folder of measured features, None for the user's
    """

    inputs: Any
    digest: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    before: Any = None
    measured: Measured | None = None
    cache: Path | None = None


def preflight(protocol: Protocol, cohort: Path | None) -> None:
    """What would fail late is looked at first: data named, packages there, weights there."""
    if cohort is None and protocol.cohort.default is None:
        raise InputError(
            f"protocol {protocol.protocol.name!r} names no phantom: give a cohort's folder with --cohort DIR"
        )
    if cohort is not None and cohort.is_dir() and not (cohort / "cohort.csv").is_file():
        raise InputError(f"no cohort.csv in {cohort}; --cohort takes the folder that holds it")
    if cohort is not None and not cohort.exists():
        raise InputError(f"there is no {cohort}; --cohort takes a folder with cohort.csv, or the table's file")
    if isinstance(protocol.model, Bundle):
        from validkit.bundle.reference import replay
        from validkit.external import open_bundle

        replay(open_bundle(protocol), Path(protocol.model.file))
    if isinstance(protocol.model, PLNM):
        for extra in ("imaging", "deep", "models"):
            require(extra, "running the PLNM model")
        from validkit.plnm.deep.backbones import check_weights

        for name in protocol.plnm.deep.backbones:
            check_weights(name, protocol.plnm.deep.weights, image_size=protocol.plnm.deep.image_size)
    if isinstance(protocol.model, Estimators):
        from validkit.tabular.estimators import check_estimators

        check_estimators(protocol.model)


def read_declared(protocol: Protocol, folder: Path, reporter: Reporter | None = None) -> Cohort:
    """The cohort with the roles, and the columns of predictions, that the protocol declares."""
    from validkit.cohort import read_cohort

    model = protocol.model
    columns = [one.column for one in model.columns] if isinstance(model, Predictions) else []
    return read_cohort(folder, protocol.cohort, columns=columns, reporter=reporter)


def read_data(run: Run, folder: Path | None) -> Cohort:
    """The cohort, read and checked; without a folder the phantom that the protocol names."""
    if folder is None:
        folder = run.folder / "phantom"
        _simulate(run, folder)
    with run.timed("cohort", "reading and checking the cohort"):
        data = read_declared(run.protocol, folder, run.reporter)
    same_cohort(run, data)
    for text in data.notes:
        run.note("cohort", text)
    if data.excluded:
        run.note("cohort", f"{len(data.excluded)} patients were excluded for missing values, as the protocol says")
    return data


def _simulate(run: Run, folder: Path) -> None:
    phantom = run.protocol.cohort.default
    assert phantom is not None
    if folder.exists():
        return
    from validkit.cohort.phantom import write_phantom, write_table_phantom

    with run.timed("phantom", f"simulating {phantom.patients} patients"):
        if phantom.phantom == "plnm":
            write_phantom(
                folder,
                patients=phantom.patients,
                sites=phantom.sites,
                seed=phantom.seed,
                engine=run.engine,
                reporter=run.reporter,
            )
        else:
            write_table_phantom(
                folder,
                kind=phantom.phantom,
                patients=phantom.patients,
                sites=phantom.sites,
                seed=phantom.seed,
                missing=phantom.missing,
            )


def patients_of(data: Cohort) -> Patients:
    """What a design looks at."""
    return Patients(data.outcome, groups=data.groups, site=data.site, date=data.date, device=data.device)


def prepare(run: Run, data: Cohort, plan: Plan) -> Prepared:
    """Everything that the splits share; outcomes are used only where the protocol learns before the split."""
    if isinstance(run.protocol.model, PLNM):
        return _measured(run, data, plan)
    if isinstance(run.protocol.model, Bundle):
        return _external(run, data)
    from validkit.tabular.inputs import TableInputs

    inputs = TableInputs(data.for_models, patients_of(data).codes, data.extra)
    if isinstance(run.protocol.model, Predictions):
        return Prepared(inputs, data.digest)
    return arrange(run.protocol, plan, Prepared(inputs, ""), data.outcome)


def _external(run: Run, data: Cohort) -> Prepared:
    """The new patients as the locked model sees them."""
    from validkit.external import prepare_external

    with run.timed("bundle", "reading the bundle and measuring the patients"):
        made = prepare_external(
            data,
            run.protocol,
            together=patients_of(data).codes,
            device=run.device,
            cache=run.cache,
            engine=run.engine,
            reporter=run.reporter,
        )
    return Prepared(made, made.digest)


def arrange(
    protocol: Protocol,
    plan: Plan,
    prepared: Prepared,
    outcome: pd.Series,
    *,
    inputs: Any = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> Prepared:
    """What the splits take from inputs that are there: what is learnt before the split, and each split's part of them.

    prepared : holds the inputs; `inputs` takes their place where given, for the same patients
    outcome : of all patients, used only where the protocol learns from outcomes before the split
    """
    inputs = prepared.inputs if inputs is None else inputs
    y = np.asarray(outcome.loc[list(inputs.patients)], dtype=np.int64)
    if isinstance(protocol.model, PLNM):
        return _parted(protocol, plan, prepared, inputs, y, engine, reporter)
    return Prepared(inputs, _digest_of_table(inputs), before=_before_table(protocol, inputs, y))


def _digest_of_table(inputs: TableInputs) -> str:
    from validkit.store import digest

    table = inputs.predictors.apply(lambda column: column.astype(str))
    return digest("table", [list(table.columns), list(table.index), table.to_numpy().tolist()], inputs.groups)


def _before_table(protocol: Protocol, inputs: TableInputs, y: np.ndarray) -> BeforeCopies | None:
    model = protocol.model
    if not isinstance(model, Estimators) or not model.before_split:
        return None
    from validkit.tabular.before_split import learn_before_split

    learnt = {
        copy: learn_before_split(
            model,
            inputs,
            y if "selection" in model.before_split else None,
            predictors=protocol.cohort.predictors,
            imputation=protocol.imputation,
            impute=protocol.cohort.missing == "impute",
            copy=copy,
            seed_of=seeder(protocol.protocol.seed.split),
        )
        for copy in range(1, protocol.copies + 1)
    }
    return BeforeCopies(learnt)


def _measured(run: Run, data: Cohort, plan: Plan) -> Prepared:
    with run.timed("radiomics", "extracting radiomic features") as entry:
        prepared = measure(run.protocol, data, plan, cache=run.cache, engine=run.engine, reporter=run.reporter)
        assert prepared.measured is not None
        found = prepared.measured.found
        entry["detail"] = f"{found.extracted} extracted, {found.cached} from the cache"
    main = prepared.parts[plan.main.name]
    run.write("stages/radiomics.json", main.record)
    for text in main.notes:
        run.note("radiomics", text)
    return prepared


def measure(
    protocol: Protocol,
    data: Cohort,
    plan: Plan,
    *,
    cache: Path | None = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> Prepared:
    """The images of a cohort measured for the PLNM model, and each split's part of it."""
    from validkit.plnm.measuring import measure_cohort

    measured = measure_cohort(
        data,
        protocol,
        training=_learning(protocol, plan, data.patients),
        groups=repeated_outlines(protocol),
        together=patients_of(data).codes,
        seed=seeder(protocol.protocol.seed.split)("perturbed outlines"),
        cache=cache,
        engine=engine,
        reporter=reporter,
    )
    whole = Prepared(measured.inputs, "", measured=measured, cache=cache)
    return arrange(protocol, plan, whole, data.outcome, engine=engine, reporter=reporter)


def _learning(protocol: Protocol, plan: Plan, patients: Sequence[str]) -> dict[str, Sequence[str]]:
    """Who decides what, by split; "before" where something is learnt from all patients before the split."""
    training: dict[str, Sequence[str]] = {split.name: split.training for split in plan.units}
    return training | ({"before": patients} if protocol.plnm.before_split else {})


def _parted(
    protocol: Protocol,
    plan: Plan,
    prepared: Prepared,
    inputs: Inputs,
    y: np.ndarray,
    engine: str,
    reporter: Reporter | None,
) -> Prepared:
    """Each split's part of the measurements, and what was learnt before the split where the protocol says so."""
    from validkit.plnm.measuring import part_of

    assert prepared.measured is not None
    measured = replace(prepared.measured, inputs=inputs)
    parts = {
        name: part_of(measured, protocol, name, patients, cache=prepared.cache, engine=engine, reporter=reporter)
        for name, patients in _learning(protocol, plan, list(inputs.patients)).items()
    }
    learnt = None
    if protocol.plnm.before_split:
        from validkit.plnm.before import learn_before_split

        part = parts.pop("before")
        parts = dict.fromkeys(parts, part)  # what was learnt from all patients fits the columns of all patients
        learnt = learn_before_split(
            protocol.plnm,
            inputs.restricted(part.columns, part.repeats),
            y,
            groups=repeated_outlines(protocol),
            seed_of=seeder(protocol.protocol.seed.split),
            level=protocol.evaluation.level,
        )
    return Prepared(inputs, inputs.digest(), parts, learnt, measured, prepared.cache)
