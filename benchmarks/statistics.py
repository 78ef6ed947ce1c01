"""Speed of the statistics against the packages in use today, in one run, as ratios of medians.

`python -m benchmarks statistics` prints the table and writes `benchmarks/results/statistics.json`; peers come with the
`bench` extra, R's packages where Rscript finds them. A peer that is not here is a row without a ratio, and says so.
Compilation is measured apart, in fresh processes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks.timing import Row, by_turns, from_r, machine, markdown, median_time, show
from validkit import stats

PEERS = Path(__file__).with_name("statistics_peers.R")
RESULTS = Path(__file__).with_name("results") / "statistics.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", help="run the benchmarks whose name contains this")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures are written")
    parser.add_argument("--markdown", action="store_true", help="only print the written figures as the README has them")


def run(options: argparse.Namespace) -> int:
    console = Console(width=200)
    if options.markdown:
        print(markdown(json.loads(options.json.read_text(encoding="utf-8"))))
        return 0
    rows: list[Row] = []
    chosen = {name: work for name, work in BENCHMARKS.items() if not options.only or options.only in name}
    compile_seconds = compilation() if not options.only else {}
    for name, work in chosen.items():
        console.print(f"... {name}", highlight=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the peers' own
            rows += list(work())
    show(rows, console)
    for what, seconds in compile_seconds.items():
        console.print(f"{what}: {seconds:.3g} s", highlight=False)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    record = {"machine": machine(), "rows": [row.to_dict() for row in rows], "first_call_seconds": compile_seconds}
    options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    console.print(f"written to {options.json}", highlight=False)
    return 0


def simulated(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(y, p, q): outcomes and the risks of a good and a poorer model."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(0.8 - 1.2 * x))).astype(np.int64)
    p = 1 / (1 + np.exp(0.6 - 1.3 * x + 0.4 * rng.normal(size=n)))
    q = 1 / (1 + np.exp(0.4 - 0.6 * x + 0.8 * rng.normal(size=n)))
    return y, p, q


def _peer(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _absent(work: str, peer: str, ours: Callable[[], Any], required: float, why: str) -> Row:
    seconds, runs, _ = median_time(ours)
    return Row(work, peer, seconds, None, required, None, (runs, 0), note=why)


def delong() -> Iterator[Row]:
    peer = _peer("MLstatkit")
    for n in (10_000, 1_000_000):
        y, p, q = simulated(n)
        work = f"DeLong, two models, n = {n:,}"

        def ours(y: Any = y, p: Any = p, q: Any = q) -> Any:
            return stats.compare_auc(y, p, q)

        if peer is None:
            yield _absent(work, "MLstatkit", ours, 10, "not installed")
        else:
            a, b, row = by_turns(ours, partial(peer.Delong_test, y, p, q, return_ci=False, return_auc=False))
            yield replace(
                row, work=work, peer="MLstatkit", required=10, agreement=abs(abs(a.test.statistic) - abs(b[0]))
            )
        found = from_r(PEERS, "delong", {"y": y, "p": p, "q": q})
        if isinstance(found, str):
            yield _absent(work, "pROC", ours, 8, found)
        else:
            seconds, runs, answer = median_time(ours, most=25)
            difference = abs(answer.test.statistic - found["z"])
            yield Row(work, found["version"], seconds, found["seconds"], 8, difference, (runs, 3))


def bootstrap_auc_brier() -> Iterator[Row]:
    from scipy.stats import rankdata
    from sklearn.metrics import brier_score_loss, roc_auc_score

    def with_sklearn(y: Any, p: Any, replicates: int) -> Any:
        rng, n = np.random.default_rng(1), y.size
        found = []
        for _ in range(replicates):
            rows = rng.integers(0, n, n)
            found.append((roc_auc_score(y[rows], p[rows]), brier_score_loss(y[rows], p[rows])))
        return np.array(found)

    def with_ranks(y: Any, p: Any, replicates: int) -> Any:
        rng, n = np.random.default_rng(1), y.size
        found = []
        for _ in range(replicates):
            rows = rng.integers(0, n, n)
            a, b = y[rows], p[rows]
            m = int(a.sum())
            u = rankdata(b)[a == 1].sum() - m * (m + 1) / 2
            found.append((u / (m * (n - m)), np.mean((b - a) ** 2)))
        return np.array(found)

    for n, replicates, need in ((421, 2000, (1500, 100)), (100_000, 40, (150, 60))):
        y, p, _ = simulated(n)
        for peer, work, required in (("scikit-learn loop", with_sklearn, need[0]), ("rank loop", with_ranks, need[1])):
            a, b, row = by_turns(
                partial(stats.bootstrap_all, ["auc", "brier"], y, p, rng=1),
                partial(work, y, p, replicates),
                most=3,
                scaled=replicates / 2000,
            )
            gap = max(abs(a[m].value - b[:, i].mean()) / a[m].se for i, m in enumerate(("auc", "brier")))
            yield replace(
                row,
                work=f"AUC and Brier, 2,000 bootstrap replicates, n = {n:,}",
                peer=peer,
                required=required,
                scaled=replicates / 2000,
                note=f"other draws: means differ by {gap:.2f} standard errors",
            )


def bca() -> Iterator[Row]:
    peer = _peer("confidenceinterval")
    y, p, _ = simulated(421)

    def ours() -> Any:
        return stats.bootstrap("auc", y, p, rng=1, interval="bca")

    work = "BCa interval of the AUC, 2,000 replicates, n = 421"
    if peer is None:
        yield _absent(work, "confidenceinterval", ours, 1000, "not installed")
    else:
        share = 0.1
        a, b, row = by_turns(
            ours,
            lambda: peer.roc_auc_score(
                y.tolist(), p.tolist(), method="bootstrap_bca", n_resamples=int(2000 * share), random_state=0
            ),
            most=3,
            scaled=share,
        )
        gap = max(abs(a.low - b[1][0]), abs(a.high - b[1][1]))
        yield replace(
            row,
            work=work,
            peer="confidenceinterval",
            required=1000,
            scaled=share,
            note=f"other draws: ends differ by {gap:.3f}; its jackknife is part of the scaled time",
        )
    code = "y, p, _ = simulated(100_000); stats.bootstrap('auc', y, p, rng=1, interval='bca')"
    seconds, added, memory = _in_a_process(code)
    outcome = _peer_at_100_000() if peer is not None else "not installed"
    yield Row(
        "BCa interval of the AUC, 2,000 replicates, n = 100,000",
        "confidenceinterval",
        seconds,
        None,
        None,
        None,
        (1, 1),
        note=f"{added:.0f} MB above the {memory - added:.0f} MB of its imports; the peer: {outcome}",
    )


def _in_a_process(code: str) -> tuple[float, float, float]:
    """Seconds of `code` in a process of its own, by how many megabytes it raised the highest memory use, and that.

    Linux's VmHWM: the peak that getrusage tells is handed down from the process that started this one.
    """
    program = f"""
import pathlib, time, numpy as np
from validkit import stats
from benchmarks.statistics import simulated
y, p, _ = simulated(421)
stats.bootstrap("auc", y, p, rng=1)  # compiled before the clock starts
def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
before = peak()
start = time.perf_counter()
{code}
seconds, memory = time.perf_counter() - start, peak()
print(seconds, memory - before, memory)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, added, memory = map(float, done.stdout.split()[-3:])
    return seconds, added, memory


def _peer_at_100_000() -> str:
    """What the peer does there within 12 GiB of memory and two minutes."""
    program = """
import resource, warnings
warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
import confidenceinterval
from benchmarks.statistics import simulated
y, p, _ = simulated(100_000)
try:
    confidenceinterval.roc_auc_score(y.tolist(), p.tolist(), method="bootstrap_bca", n_resamples=10)
    print("finished")
except Exception as error:
    print(type(error).__name__, str(error)[:80])
"""
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        return "not done in 120 s with 10 resamples"
    return done.stdout.strip() or f"ended with status {done.returncode}"


def recalibration() -> Iterator[Row]:
    import statsmodels.api as sm
    from scipy.special import logit

    y, p, _ = simulated(421)

    def with_statsmodels(replicates: int = 100) -> Any:
        rng = np.random.default_rng(1)
        design = sm.add_constant(logit(p))
        found = []
        for _ in range(replicates):
            rows = rng.integers(0, y.size, y.size)
            found.append(sm.GLM(y[rows], design[rows], family=sm.families.Binomial()).fit().params)
        return np.array(found)

    names = ["calibration_intercept", "calibration_slope"]
    a, b, row = by_turns(lambda: stats.bootstrap_all(names, y, p, rng=1), with_statsmodels, scaled=0.05)
    gap = abs(a["calibration_slope"].value - b[:, 1].mean()) / a["calibration_slope"].se
    yield replace(
        row,
        work="calibration slope and intercept, 2,000 replicates, n = 421",
        peer="statsmodels GLM loop",
        required=60,
        scaled=0.05,
        note=f"other draws: means of the slope differ by {gap:.2f} standard errors",
    )


def agreement() -> Iterator[Row]:
    import pandas as pd
    import pingouin

    n, k, features = 50, 2, 1561
    rng = np.random.default_rng(1)
    ratings = rng.normal(size=(n, 1, features)) + 0.5 * rng.normal(size=(n, k, features))
    frames = [
        pd.DataFrame({"s": np.repeat(np.arange(n), k), "r": np.tile(np.arange(k), n), "v": ratings[:, :, j].ravel()})
        for j in range(40)
    ]

    def theirs() -> Any:
        return [pingouin.intraclass_corr(frame, targets="s", raters="r", ratings="v") for frame in frames]

    _, b, row = by_turns(lambda: stats.icc_all(ratings), theirs, most=3, scaled=len(frames) / features)
    form = stats.icc(ratings)
    gap = max(abs(form.value[j] - float(table["ICC"].iloc[1])) for j, table in enumerate(b))
    yield replace(
        row,
        work="six ICC forms with intervals, 1,561 features x 50 x 2",
        peer="pingouin",
        required=1000,
        agreement=gap,
        scaled=len(frames) / features,
    )


def decision() -> Iterator[Row]:
    import pandas as pd

    peer = _peer("dcurves")
    grid = stats.decision_grid("0.01", "0.99", "0.01")
    for n, required in ((421, 1000), (1_000_000, 40)):
        y, p, _ = simulated(n)
        work = f"decision curve, 99 thresholds, n = {n:,}"

        def ours(y: Any = y, p: Any = p) -> Any:
            return stats.decision_curve(y, p, thresholds=grid)

        if peer is None:
            yield _absent(work, "dcurves", ours, required, "not installed")
            continue
        frame = pd.DataFrame({"y": y, "m": p})
        a, b, row = by_turns(
            ours,
            partial(peer.dca, data=frame, outcome="y", modelnames=["m"], thresholds=grid),
            most=5 if n < 1000 else 1,
        )
        theirs = b[b["model"] == "m"].sort_values("threshold")["net_benefit"].to_numpy()
        yield replace(
            row, work=work, peer="dcurves", required=required, agreement=float(np.nanmax(np.abs(a.y - theirs)))
        )


def filters() -> Iterator[Row]:
    import scipy.stats

    from validkit.plnm.selection import mann_whitney, spearman

    rng = np.random.default_rng(1)
    X = rng.normal(size=(294, 1561))
    y = (rng.random(294) < 0.3).astype(int)
    cases, controls = X[y == 1], X[y == 0]
    tied = X.round(3)

    def one_by_one() -> Any:
        return np.array([scipy.stats.mannwhitneyu(cases[:, j], controls[:, j]).pvalue for j in range(X.shape[1])])

    def matrix() -> Any:
        return scipy.stats.mannwhitneyu(cases, controls, axis=0, method="asymptotic").pvalue

    def tied_matrix() -> Any:
        return scipy.stats.mannwhitneyu(tied[y == 1], tied[y == 0], axis=0, method="asymptotic").pvalue

    def pairs() -> Any:
        return [scipy.stats.spearmanr(X[:, 0], X[:, j]).statistic for j in range(X.shape[1])]

    for peer, work, theirs, ours, required, scaled in (
        ("scipy, column by column", "Mann-Whitney, 294 x 1,561", one_by_one, lambda: mann_whitney(X, y)[1], 10, 1.0),
        ("scipy, whole matrix", "Mann-Whitney, 294 x 1,561", matrix, lambda: mann_whitney(X, y)[1], 8, 1.0),
        (
            "scipy, whole matrix",
            "Mann-Whitney, 294 x 1,561, ties in every feature",
            tied_matrix,
            lambda: mann_whitney(tied, y)[1],
            None,
            1.0,
        ),
        ("scipy, pair by pair", "Spearman, 294 x 1,561", pairs, lambda: spearman(X)[0], 10, 2 / 1561),
        (
            "scipy, whole matrix",
            "Spearman, 294 x 1,561",
            lambda: scipy.stats.spearmanr(X).statistic,
            lambda: spearman(X),
            8,
            1.0,
        ),
    ):
        a, b, row = by_turns(ours, theirs, most=5, scaled=scaled)
        gap = float(np.abs(np.asarray(a) - np.asarray(b)).max())
        yield replace(row, work=work, peer=peer, required=required, agreement=gap, scaled=scaled)


def lasso_path() -> Iterator[Row]:
    """Features that hang together as radiomic ones do; the same folds and penalties on both sides."""
    from sklearn.model_selection import StratifiedKFold

    from validkit.plnm import lasso

    rng = np.random.default_rng(1)
    factors = rng.normal(size=(294, 30))
    X = factors @ rng.normal(size=(30, 1561)) + 2.0 * rng.normal(size=(294, 1561))
    y = (rng.random(294) < 1 / (1 + np.exp(-factors[:, 0] + 0.8))).astype(float)
    splits = list(StratifiedKFold(10, shuffle=True, random_state=0).split(X, y))
    fold = np.zeros(294)
    for k, (_, left) in enumerate(splits):
        fold[left] = k + 1
    kinds: tuple[tuple[lasso.Loss, str], ...] = (("squared", "gaussian"), ("logistic", "binomial"))
    for loss, family in kinds:
        Z, _, _ = lasso.standardise(X)
        grid = lasso.lambda_grid(Z, y, loss)

        def ours(Z: Any = Z, grid: Any = grid, loss: Any = loss) -> Any:
            path = lasso.fit_path(Z, y, grid, loss)
            return path, lasso.cross_validate(X, y, path.lambdas, loss, splits)

        seconds, runs, (path, cv) = median_time(ours, most=7)
        kkt = float((path.residuals * path.lambdas).max())
        data = {"x": X, "y": y, "fold": fold, "lambda": grid, "binomial": np.array([float(family == "binomial")])}
        found = from_r(PEERS, "lasso", data)
        work = f"LASSO ({family}), path and 10 folds, 100 penalties, 294 x 1,561"
        note = f"largest KKT residual {kkt:.1e}, as a share of its penalty {path.residuals.max():.1e}"
        if isinstance(found, str):
            yield Row(work, "glmnet", seconds, None, 1.5, None, (runs, 0), note=f"{found}; {note}")
            continue
        chosen = float(path.lambdas[int(np.argmin(cv.mean))])
        difference = abs(chosen - found["min"]) / found["min"]
        note = f"{note}; relative difference of lambda.min"
        yield Row(work, found["version"], seconds, found["seconds"], 1.5, difference, (runs, 5), note=note)


def optimism() -> Iterator[Row]:
    import statsmodels.api as sm
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    X = rng.normal(size=(421, 5))
    y = (rng.random(421) < 1 / (1 + np.exp(-(X @ np.array([0.8, -0.5, 0.3, 0.0, 0.0]) - 0.7)))).astype(int)
    rows = rng.integers(0, 421, (100, 421))

    def theirs() -> Any:
        design = sm.add_constant(X)
        apparent = roc_auc_score(y, sm.Logit(y, design).fit(disp=0).predict(design))
        gaps = []
        for part in rows:
            fit = sm.Logit(y[part], design[part]).fit(disp=0)
            gaps.append(roc_auc_score(y[part], fit.predict(design[part])) - roc_auc_score(y, fit.predict(design)))
        return apparent - np.mean(gaps)

    def ours() -> Any:
        return stats.bootstrap_validation("logistic", X, y, rng=1, replicates=2000, metrics=("auc",))

    _, b, row = by_turns(ours, theirs, most=3, scaled=0.05)
    same = stats.bootstrap_validation("logistic", X, y, resamples=rows, metrics=("auc",)).metrics["auc"].corrected.value
    yield replace(
        row,
        work="optimism of the AUC, logistic regression, 2,000 refits, n = 421, p = 5",
        peer="statsmodels and scikit-learn",
        required=50,
        agreement=abs(same - b),
        scaled=0.05,
        note="difference on the same 100 resamples",
    )


EVERYTHING = [
    "auc",
    "brier",
    "scaled_brier",
    "log_loss",
    "discrimination_slope",
    "observed_expected",
    "calibration_in_the_large",
    "calibration_intercept",
    "calibration_slope",
]


def everything() -> Iterator[Row]:
    """Every statistic with a quick path at n = 10^6, 2,000 replicates, and the decision curve."""
    y, p, _ = simulated(1_000_000)
    with Progress() as bar:
        task = bar.add_task("n = 1,000,000", total=2000)
        start = time.perf_counter()
        found = stats.bootstrap_all(EVERYTHING, y, p, rng=1, progress=lambda done, of: bar.update(task, completed=done))
        stats.decision_curve(y, p)
        seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    yield Row(
        f"{len(found)} statistics with 2,000 replicates and the decision curve, n = 1,000,000",
        "",
        seconds,
        None,
        None,
        None,
        (1, 0),
        note=f"highest memory use of this process so far {memory:.2f} GB",
    )


def compilation() -> dict[str, float]:
    """Seconds of the first bootstrap in a new process, with nothing compiled and with a filled cache, and of import."""
    program = (
        "import time, numpy as np; from benchmarks.statistics import simulated; from validkit import stats;"
        "y, p, _ = simulated(421); start = time.perf_counter();"
        "stats.bootstrap_all(['auc', 'brier', 'calibration_slope'], y, p, rng=1); print(time.perf_counter() - start)"
    )
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("first bootstrap, nothing compiled", "first bootstrap of a process, compiled before"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
            )
            found[what] = float(done.stdout.split()[-1])
    program = (
        "import time, numpy, scipy.optimize, scipy.special; start = time.perf_counter(); import validkit.stats;"
        "print(time.perf_counter() - start)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        for _ in range(7)
    ]
    found["import of validkit.stats beyond numpy and scipy, median of 7"] = float(np.median(times))
    return found


BENCHMARKS: dict[str, Callable[[], Iterator[Row]]] = {
    "delong": delong,
    "bootstrap": bootstrap_auc_brier,
    "bca": bca,
    "recalibration": recalibration,
    "icc": agreement,
    "decision": decision,
    "filters": filters,
    "lasso": lasso_path,
    "optimism": optimism,
    "everything": everything,
}
