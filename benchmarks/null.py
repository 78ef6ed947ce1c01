"""With outcomes shuffled, no signal is left: held-out AUC must average 0.5 within its simulation error.

Every seed shuffles the outcomes over all patients, splits them anew and fits the whole model; extracted features come
from the cache. The error is the standard error of the mean over seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from validkit import stats
from validkit.cli.terminal import Terminal
from validkit.cohort import Cohort, read_cohort
from validkit.cohort.phantom import write_phantom
from validkit.fitting import Workshop, fit_all
from validkit.plan import HELD_OUT, make_plan
from validkit.preparing import measure, patients_of
from validkit.protocol import Protocol, read_protocol


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", default="plnm-quick")
    parser.add_argument("--cohort", type=Path, help="folder with cohort.csv; without it, the protocol's phantom")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path, help="also write the figures here")


def run(options: argparse.Namespace) -> int:
    console = Console()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        protocol = read_protocol(options.protocol, options.overrides)
        cohort = options.cohort or _phantom(protocol, Path(folder) / "cohort")
        data = read_cohort(cohort, protocol.cohort)
        for seed in range(options.seeds):
            rows.append(_one(options, data, seed))
            console.print(f"seed {seed:2d}  " + "  ".join(f"{k} {v:.3f}" for k, v in rows[-1].items()), highlight=False)
    table = pd.DataFrame(rows)
    summary = pd.DataFrame({"mean": table.mean(), "se": table.std(ddof=1) / np.sqrt(len(table))})
    summary["z"] = (summary["mean"] - 0.5) / summary["se"]
    console.print(summary.round(4).to_string(), highlight=False)
    if options.json:
        options.json.write_text(json.dumps({"seeds": rows, "summary": summary.to_dict("index")}, indent=1) + "\n")
    return 0 if abs(float(summary["z"]["nomogram"])) < 3 else 1


def _phantom(protocol: Protocol, folder: Path) -> Path:
    phantom = protocol.cohort.default
    if phantom is None:
        raise SystemExit("this protocol names no phantom: give --cohort")
    return write_phantom(folder, patients=phantom.patients, sites=phantom.sites, seed=phantom.seed)


def _one(options: argparse.Namespace, data: Cohort, seed: int) -> dict[str, float]:
    """Held-out AUC of each whole model after one shuffle."""
    overrides = [*options.overrides, f"protocol.seed.split={seed}", f"protocol.seed.torch={seed}"]
    protocol = read_protocol(options.protocol, overrides)
    shuffled = np.random.default_rng([seed, 1]).permutation(data.outcome.to_numpy())
    outcome = pd.Series(shuffled, index=data.outcome.index)
    data = replace(data, outcome=outcome)
    plan = make_plan(protocol, patients_of(data))
    quiet = Terminal(Console(quiet=True))
    prepared = measure(protocol, data, plan, cache=options.cache, engine="loky", reporter=quiet)
    (fitted,), _ = fit_all(protocol, plan, prepared, outcome, Workshop(engine="loky"))
    rows = fitted.predictions[fitted.predictions["set"] == HELD_OUT]
    predicted = rows.pivot(index="patient", columns="model", values="probability").loc[plan.held_out]
    y = outcome.loc[plan.held_out].to_numpy()
    names = ["nomogram", "fusion", "radiomics", "clinical", f"deep/{fitted.chosen['deep']}"]
    return {name: stats.auc(y, predicted[name].to_numpy()).value for name in names}
