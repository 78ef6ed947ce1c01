"""Bundles that an older validkit wrote: read today, and predicting what they predicted then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skops", reason="locked models need the models extra")
pytest.importorskip("xgboost", reason="locked models need the models extra")

from tests.reference.make_older_bundles import patients
from validkit.bundle import read_bundle
from validkit.bundle.reference import replay
from validkit.centre.harmonising import harmonised
from validkit.errors import InputError
from validkit.sections import Harmonisation
from validkit.tabular.inputs import TableInputs

FOLDER = Path(__file__).parent / "reference"


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_bundle_predicts_what_it_predicted(number: int) -> None:
    path = FOLDER / f"bundle-format-{number}.zip"
    locked = read_bundle(path)
    assert locked.manifest.format == number
    assert locked.updates == ()
    then = pd.read_csv(path.with_suffix(".csv"), index_col="patient")
    now = locked.predict(TableInputs(patients(), np.arange(4)))
    assert list(now) == ["lr", "xgboost"]
    assert np.abs(now.to_numpy() - then.to_numpy()).max() < 1e-6
    furthest = replay(locked, path)
    assert furthest is None if number == 1 else furthest < 1e-6  # type: ignore[operator]


def test_what_they_do_not_tell_is_asked_for_by_name() -> None:
    inputs = TableInputs(patients(), np.arange(4))
    with pytest.raises(InputError, match="of format 1 and tells nothing"):
        harmonised(read_bundle(FOLDER / "bundle-format-1.zip"), inputs, Harmonisation(features=("rbc",)))
    moved, _ = harmonised(read_bundle(FOLDER / "bundle-format-2.zip"), inputs, Harmonisation(features=("rbc",)))
    assert not moved.predictors["rbc"].equals(inputs.predictors["rbc"])
