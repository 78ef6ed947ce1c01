"""Makes bundle-format-K.zip and .csv: a locked model, and its predictions, by the validkit that wrote format K.

    git worktree add OLD COMMIT && cd OLD && PYTHONPATH=OLD python THIS_FILE OLD tests/reference/bundle-format-K.zip

COMMIT is 33e8281 for format 1 and 602a3ef for format 2. All patients are simulated. The four patients whose predictions
are kept are those of `PATIENTS`; tests/test_older_bundles.py asks today's validkit for the same.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

LEVELS = ["squamous", "adeno", "other"]
PATIENTS = {
    "max_diameter": [22.5, 41.0, 60.3, 35.0],
    "age": [44.0, 51.0, np.nan, 70.0],
    "histology": pd.Categorical(["squamous", "adeno", "other", None], LEVELS),
    "rbc": [4.1, np.nan, 3.2, 4.6],
    "scc": [1.0, 2.5, 8.8, np.nan],
}


def patients() -> pd.DataFrame:
    """Typed as a cohort has them."""
    return pd.DataFrame(PATIENTS, index=pd.Index(list("abcd"), name="patient"))


def main(old: Path, out: Path) -> None:
    """Fit, lock and predict with the validkit of the folder `old`."""
    sys.path.insert(0, str(old))
    import validkit

    assert Path(validkit.__file__).is_relative_to(old), validkit.__file__
    from tests.test_bundle import PROTOCOL, run
    from validkit.bundle import bundle_from_run, read_bundle
    from validkit.cohort.phantom import write_table_phantom
    from validkit.tabular.inputs import TableInputs

    text = PROTOCOL.replace(PROTOCOL[PROTOCOL.index('name = "boosting"') : PROTOCOL.index('name = "xgboost"')], "")
    with tempfile.TemporaryDirectory() as folder:
        write_table_phantom(Path(folder) / "c", kind="clinical", patients=160, sites=1, seed=1, missing=0.05)
        names = ("cohort.outcome.positive=metastasis", "cohort.outcome.negative=no metastasis")
        home = run(Path(folder) / "c", text, *names)
        newer = "predictions" in inspect.signature(bundle_from_run).parameters
        more = {"inputs": home.inputs, "predictions": home.fitted.predictions} if newer else {}
        model, told = home.fitted.model_files, home.evaluation
        made = bundle_from_run(home.protocol, home.plan, model, home.data, told, out, **more)
    assert made == out, made
    risks = read_bundle(out).predict(TableInputs(patients(), np.arange(4)))
    risks.to_csv(out.with_suffix(".csv"), float_format="%.17g")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
