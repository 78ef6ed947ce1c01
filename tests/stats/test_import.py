"""The yardstick is light: importing it loads no plotting, no imaging, no model package, and changes nothing."""

from __future__ import annotations

import subprocess
import sys

from validkit import stats

HEAVY = (
    *("matplotlib", "torch", "SimpleITK", "radiomics", "xgboost", "lightgbm", "sklearn"),
    *("skmisc", "pingouin", "joblib", "pydicom", "skimage", "numba", "statsmodels", "pandas"),
)
STATE = "(np.geterr(), list(warnings.filters), np.random.get_state()[1].tolist())"
CODE = f"""
import sys, warnings
import numpy as np, scipy.optimize, scipy.special  # scipy adds filters of its own
before = {STATE}
import validkit.stats
assert {STATE} == before
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_import_is_light_and_leaves_the_process_alone() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout.strip()) == ("", "[]")


def test_every_public_name_exists_once() -> None:
    assert len(stats.__all__) == len(set(stats.__all__))
    assert all(hasattr(stats, name) for name in stats.__all__)
