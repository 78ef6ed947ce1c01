"""A fitted model written to a file and read in a fresh process.

Only the caller's own object is pickled, into a temporary folder on the caller's own machine; nothing received from
elsewhere is ever loaded.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from validkit.testing.estimator_cases import EstimatorCase, Verdict, event_column, moved, take

__all__ = ["save_and_load"]

SECONDS = 300
CHILD = """
import json, pickle, sys, warnings
from pathlib import Path

folder = Path(sys.argv[1])
sys.path[:] = json.loads((folder / "path.json").read_text(encoding="utf-8"))
warnings.simplefilter("ignore")
try:
    with open(folder / "model.pickle", "rb") as file:
        model, X, column = pickle.load(file)
except (AttributeError, ModuleNotFoundError) as error:
    absent = isinstance(error, ModuleNotFoundError) or "Can't get attribute" in str(error)
    (folder / "error.json").write_text(json.dumps([absent, f"{type(error).__name__}: {error}"]), encoding="utf-8")
    sys.exit(0)
import numpy as np

np.save(folder / "risks.npy", np.asarray(model.predict_proba(X), dtype=np.float64)[:, column])
"""


def save_and_load(case: EstimatorCase) -> Verdict:
    """Risks of held-out rows before saving, and after loading in a fresh process with this one's `sys.path`."""
    if not sys.executable:
        return Verdict("not applicable", "this Python does not know its own executable")
    model = case.fit()
    with tempfile.TemporaryDirectory(prefix="validkit-") as name:
        folder = Path(name)
        try:
            saved = pickle.dumps((model, take(case.X, case.test), event_column(model, case.event)))
        except Exception as error:
            return Verdict("fail", f"the fitted model cannot be saved: {type(error).__name__}: {error}")
        (folder / "model.pickle").write_bytes(saved)
        before = case.risks(model, case.test)
        refusal = _predict_afresh(folder)
        if refusal is not None:
            return refusal
        after = np.load(folder / "risks.npy")
    witness = moved(case.test, before, after, ("before saving", "after loading in a fresh process"))
    if witness:
        return Verdict("fail", witness)
    return Verdict("pass", f"{case.test.size} rows have the same risks in a fresh process")


def _predict_afresh(folder: Path) -> Verdict | None:
    """Write risks.npy beside the model, or say why it could not be written."""
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    (folder / "path.json").write_text(path, encoding="utf-8")
    command = [sys.executable, "-c", CHILD, str(folder)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    if (folder / "error.json").exists():
        absent, text = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        if absent:
            return Verdict("not applicable", f"a fresh process cannot import what the model is made of ({text})")
        return Verdict("fail", f"the saved model cannot be loaded: {text}")
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        return Verdict("fail", f"loading and predicting in a fresh process ended with {last}")
    return None
