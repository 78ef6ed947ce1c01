from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway

from validkit.errors import StageError
from validkit.protocol import read_protocol, shipped_protocols
from validkit.tabular.columns import Encoding
from validkit.tabular.steps import Given, Scale, Univariable, p_value

Y = np.array([0, 1] * 20)


def columns(rng: np.random.Generator) -> pd.DataFrame:
    strong, weak = Y + 0.5 * rng.standard_normal(40), Y + 3 * rng.standard_normal(40)
    return pd.DataFrame({"none": rng.standard_normal(40), "strong": strong, "weak": weak, "flat": 1.0})


def test_scaling_leaves_missing_values_and_flattens_what_does_not_vary() -> None:
    table = columns(np.random.default_rng(0))
    table.loc[3, "weak"] = np.nan
    scaled = Scale().fit(table).transform(table)
    assert scaled["strong"].mean() == pytest.approx(0, abs=1e-12)
    assert scaled["strong"].std(ddof=0) == pytest.approx(1)
    assert (scaled["flat"] == 0).all()
    assert scaled["weak"].isna().sum() == 1
    assert (
        Given(mean=Scale().fit(table).mean_, spread=Scale().fit(table).spread_)
        .fit(table)
        .transform(table)
        .equals(scaled)
    )


def test_selection_goes_by_the_p_value_of_an_analysis_of_variance() -> None:
    table = columns(np.random.default_rng(0))
    expected = f_oneway(table["weak"][Y == 0], table["weak"][Y == 1]).pvalue
    assert p_value(table["weak"].to_numpy(), Y) == pytest.approx(float(expected))
    assert p_value(table["flat"].to_numpy(), Y) == 1.0
    assert Univariable(keep=1).fit(table, Y).selected_ == ["strong"]
    assert Univariable(keep=9).fit(table, Y).selected_ == list(table.columns)
    assert Univariable(alpha=0.01).fit(table, Y).selected_ == ["strong"]
    assert Univariable(alpha=0.01).fit(table[["flat", "none"]], Y).selected_ == ["none"]
    holes = table["weak"].where(np.arange(40) > 5)
    kept = ~holes.isna().to_numpy()
    assert p_value(holes.to_numpy(), Y) == pytest.approx(p_value(table["weak"].to_numpy()[kept], Y[kept]))
    with pytest.raises(StageError, match="no columns to choose from"):
        Univariable(keep=1).fit(table[[]], Y)


def test_every_declared_level_but_the_first_has_a_column_whether_or_not_it_occurs(data: Any) -> None:
    encoding = Encoding(data.kinds, data.levels, ("marker",))
    table = data.inputs.predictors.iloc[:3].copy()
    table["site of pain"] = pd.Categorical(["left", "both", None], categories=["left", "right", "both", "none"])
    found = encoding.encode(table, table)
    assert list(found.columns)[4:] == [f"site of pain={level}" for level in ("right", "both", "none")] + [
        "marker missing"
    ]
    assert found.iloc[0, 4:7].tolist() == [0, 0, 0]
    assert found.iloc[1, 4:7].tolist() == [0, 1, 0]
    assert found.iloc[2, 4:7].isna().all()
    twins = Encoding({"a[1]": "continuous", "a<1]": "continuous"}, {})
    assert twins.columns == ["a_1_", "a_1__"]


@pytest.mark.parametrize("name", ["heart", "audit"])
def test_the_shipped_protocols_of_tables_are_valid(name: str) -> None:
    assert name in shipped_protocols()
    assert read_protocol(name).cohort.kind == "table"
