"""Do the tests notice? Small faults are put into the statistics one at a time, and the tests must fail.

A fault replaces an operator, a comparison, a condition or a number in a copy of the package; the tests of that part run
on the copy. A fault that no test notices survives and is printed. Some survivors change nothing that can be seen.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
STATS = ROOT / "validkit" / "stats"
PARTS: dict[str, tuple[str, ...]] = {
    "discrimination": ("discrimination", "roc", "cutoffs", "partial_area", "precision_recall", "clustered"),
    "calibration": (
        *("calibration", "calibration_curves", "calibration_distances", "goodness_of_fit", "risk_groups"),
        *("recalibration", "smoothing", "splines", "isotonic"),
    ),
    "utility": (
        *("utility", "decision_curves", "decision_comparison", "payoffs", "costs", "interventions"),
        *("simultaneous", "useful_thresholds"),
    ),
    "comparison": (
        *("comparison", "auc_tests", "auc_contrasts", "paired", "paired_proportions", "margins", "reclassification"),
        *("permutation", "paired_bootstrap", "clustered_comparison", "multiplicity"),
    ),
}
SHARED_TESTS = ("test_parity_r.py", "test_laws.py", "test_peers_mistakes.py", "test_decision_bands.py")
TIMEOUT = 300.0
SURVIVED, KILLED, TIMED_OUT = "survived", "killed", "killed (not done in time)"

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div,
}


@dataclass(frozen=True)
class Mutant:
    """A fault: the module, the line, and the text before and after."""

    part: str
    module: str
    line: int
    before: str
    after: str
    source: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mutants", type=int, default=320, help="how many, drawn evenly over the four parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=tuple(PARTS), help="this part alone")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write every mutant and its fate here")


def run(options: argparse.Namespace) -> int:
    console = Console(width=180)
    parts = [options.part] if options.part else list(PARTS)
    rng = random.Random(options.seed)
    chosen: list[Mutant] = []
    for part in parts:
        every = [mutant for module in PARTS[part] for mutant in mutants(part, module)]
        chosen += rng.sample(every, min(len(every), -(-options.mutants // len(parts))))
    fates = judge(chosen, options.workers, console)
    survivors = [mutant for mutant, fate in zip(chosen, fates, strict=True) if fate == SURVIVED]
    for mutant in survivors:
        console.print(
            f"survived  {mutant.module}:{mutant.line}  {mutant.before}  ->  {mutant.after}",
            highlight=False,
            markup=False,
        )
    for part in parts:
        own = [fate for mutant, fate in zip(chosen, fates, strict=True) if mutant.part == part]
        console.print(f"{part}: {len(own) - own.count(SURVIVED)} of {len(own)} killed", highlight=False)
    share = 1 - len(survivors) / max(len(chosen), 1)
    console.print(f"{len(chosen)} mutants, {share:.1%} killed", highlight=False)
    if options.json:
        record = [{**asdict(m), "source": "", "fate": f} for m, f in zip(chosen, fates, strict=True)]
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0 if share >= 0.9 else 1


# --- faults ----------------------------------------------------------------------------------


def mutants(part: str, module: str) -> Iterator[Mutant]:
    """Every fault of a module, each with the whole source that has it."""
    path = STATS / f"{module}.py"
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    places = [node for node in _code(tree) if isinstance(node, (ast.expr, ast.stmt)) and _faults(node)]
    for place in places:
        for k in range(len(_faults(place))):
            other = copy.deepcopy(tree)
            twin = next(node for node in ast.walk(other) if _same_place(node, place))
            before = ast.unparse(twin)
            _faults(twin)[k]()
            yield Mutant(part, module, place.lineno, before, ast.unparse(twin), ast.unparse(other))


def _same_place(a: ast.AST, b: ast.AST) -> bool:
    return type(a) is type(b) and all(
        getattr(a, field, None) == getattr(b, field, None)
        for field in ("lineno", "col_offset", "end_lineno", "end_col_offset")
    )


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes of executed code: no annotations, no imports, no text."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list") or isinstance(tree, (ast.Import, ast.ImportFrom)):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and not isinstance(node, (ast.JoinedStr, ast.Raise)):
                yield node
                yield from _code(node)


def _faults(node: ast.AST) -> list[Callable[[], None]]:
    """Functions that put a fault into this node, in place."""
    found: list[Callable[[], None]] = []
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        found.append(lambda: node.ops.__setitem__(0, COMPARISONS[type(node.ops[0])]()))
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS and not _is_text(node):
        found.append(lambda: setattr(node, "op", OPERATORS[type(node.op)]()))
    elif isinstance(node, ast.BoolOp):
        found.append(lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        found.append(lambda: setattr(node, "op", ast.UAdd()))
    elif isinstance(node, (ast.If, ast.IfExp)):
        found.append(lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test)))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        found.append(lambda: setattr(node, "value", not node.value))
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        value = node.value + (1 if isinstance(node.value, int) else 0.1)
        found.append(lambda: setattr(node, "value", value))
    return found


def _is_text(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )


# --- running ---------------------------------------------------------------------------------


_home = Path()


def judge(chosen: list[Mutant], workers: int, console: Console) -> list[str]:
    """The fate of each mutant; each worker process has a copy of the package of its own."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, context.Pool(workers, _begin, (folder,)) as pool:
        for part, passed in pool.imap(_unharmed, dict.fromkeys(mutant.part for mutant in chosen)):
            if not passed:
                raise SystemExit(f"the tests of {part} fail without any fault")
        fates = []
        with Progress(console=console) as bar:
            task = bar.add_task("mutants", total=len(chosen))
            for fate in pool.imap(_fate, chosen):
                fates.append(fate)
                bar.advance(task)
        return fates


def _begin(folder: str) -> None:
    """Give a new worker its copy, and load what every test run needs, so that its children need not."""
    global _home
    _home = Path(tempfile.mkdtemp(dir=folder))
    shutil.copytree(ROOT / "validkit", _home / "validkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "hypothesis",
        "numba",
        "numpy",
        "pandas",
        "pytest",
        "scipy.optimize",
        "scipy.stats",
        "statsmodels.api",
    ):
        importlib.import_module(name)


def _unharmed(part: str) -> tuple[str, bool]:
    return part, _tests_pass(_home, part, None, "") is True


def _fate(mutant: Mutant) -> str:
    passed = _tests_pass(_home, mutant.part, mutant.module, mutant.source)
    return TIMED_OUT if passed is None else SURVIVED if passed else KILLED


def _tests(part: str) -> list[str]:
    """The test files of a part: those named after its modules, and its parity with R."""
    names = [f"test_{module}.py" for module in PARTS[part]] + [f"test_{part}_r.py", *SHARED_TESTS]
    return [str(path) for name in names if (path := ROOT / "tests" / "stats" / name).exists()]


def _tests_pass(home: Path, part: str, module: str | None, source: str) -> bool | None:
    """Run the part's tests on a copy with one module replaced, in a child of this process; None: not done in time."""
    path = home / "validkit" / "stats" / f"{module}.py"
    original = path.read_text(encoding="utf-8") if module else ""
    if module:
        path.write_text(source, encoding="utf-8")
    child = os.fork()
    if child == 0:
        _child(home, part)
    started, status = time.monotonic(), None
    while status is None and time.monotonic() - started < TIMEOUT:
        done, code = os.waitpid(child, os.WNOHANG)
        status = code if done else None
        time.sleep(0.02)
    if status is None:
        os.kill(child, 9)
        os.waitpid(child, 0)
    if module:
        path.write_text(original, encoding="utf-8")
    return None if status is None else status == 0


def _child(home: Path, part: str) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.environ["NUMBA_CACHE_DIR"] = str(home / "numba")
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.split(".")[0] == "validkit"]:
        del sys.modules[name]
    sys.path.insert(0, str(home))
    code = 70
    try:
        import pytest

        ours = ["-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
        loaded = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis was loaded by the worker
        code = int(pytest.main([*ours, *loaded, *_tests(part)]))
    finally:
        os._exit(code)
