"""A fitted imputer as JSON, and back to the same completed values.

Simple imputation is a number for each column. Chained equations give a patient the value of one of the nearest
training patients, so their fitted form holds training patients' values: `keeps_rows` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validkit.errors import InputError
from validkit.sections import Imputation, Predictor, Section
from validkit.store import to_json
from validkit.tabular.chained import Chain, Step
from validkit.tabular.imputation import Imputer
from validkit.tabular.regression import Line

__all__ = ["imputer_bytes", "keeps_rows", "read_imputer"]

Table = tuple[tuple[float, ...], ...]


class StepRecord(Section):
    """One column in one round; see `validkit.tabular.chained.Step`."""

    column: int
    slopes: Table
    intercept: tuple[float, ...]
    centre: tuple[float, ...]
    scale: Table
    means: Table
    values: tuple[float, ...]

    def step(self, columns: int, width: int) -> Step:
        """The step itself; InputError where its arrays do not fit together."""
        m = len(self.intercept)
        arrays = {name: _array(getattr(self, name)) for name in ("slopes", "scale", "means")}
        slopes = arrays["slopes"] if len(self.slopes) else np.empty((0, m))
        sound = (
            0 <= self.column < columns
            and m > 0
            and slopes.shape == (len(self.centre), m)
            and arrays["scale"].shape == (m, m)
            and arrays["means"].shape == (len(self.values), m)
            and len(self.values) > 0
            and len(self.centre) <= width
        )
        if not sound:
            raise InputError("an imputer's arrays do not fit together")
        line = Line(slopes, np.array(self.intercept), np.array(self.centre))
        return Step(self.column, line, arrays["scale"], arrays["means"], np.array(self.values))


class ChainRecord(Section):
    """A learnt copy; see `validkit.tabular.chained.Chain`."""

    seed: int
    observed: Table
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    n_levels: tuple[int, ...]
    steps: tuple[StepRecord, ...]

    def chain(self, columns: int) -> Chain:
        """The chain itself."""
        lengths = {len(self.observed), len(self.centre), len(self.spread), len(self.n_levels)}
        if lengths != {columns} or not all(self.observed):
            raise InputError("an imputer's arrays do not fit together")
        width = sum(max(levels, 1) for levels in self.n_levels)
        return Chain(
            self.seed,
            tuple(np.array(column) for column in self.observed),
            np.array(self.centre),
            np.array(self.spread),
            self.n_levels,
            tuple(step.step(columns, width) for step in self.steps),
        )


class ImputerRecord(Section):
    """What an imputer learnt."""

    missing: dict[str, int]
    dropped: tuple[str, ...]
    kept: tuple[str, ...]
    n: int
    fill: dict[str, float]
    chains: dict[str, ChainRecord]


def imputer_bytes(imputer: Imputer) -> bytes:
    """What a fitted imputer learnt, as JSON."""
    record = {
        "missing": imputer.missing_,
        "dropped": imputer.dropped_,
        "kept": imputer.kept_,
        "n": imputer.n_,
        "fill": imputer.fill_ if imputer.setting.method == "simple" else {},
        "chains": {str(copy): _chain(chain) for copy, chain in imputer.chains_.items()},
    }
    return to_json(record).encode()


def keeps_rows(data: bytes) -> bool:
    """Whether an imputer's JSON holds training patients' values."""
    return bool(ImputerRecord.model_validate_json(data).chains)


def read_imputer(
    data: bytes, setting: Imputation, predictors: Mapping[str, Predictor], copies: Sequence[int]
) -> Imputer:
    """The imputer from its JSON; setting, predictors : as its protocol declares them; copies : those it must know."""
    record = ImputerRecord.model_validate_json(data)
    kinds = {name: predictors[name].kind for name in sorted(predictors)}
    levels = {name: spec.levels for name, spec in predictors.items() if spec.levels}
    iterative = setting.method == "iterative" and bool(record.kept)
    sound = (
        set(record.kept) | set(record.dropped) == set(kinds)
        and not set(record.kept) & set(record.dropped)
        and list(record.kept) == [name for name in kinds if name in set(record.kept)]
        and set(record.missing) == set(kinds)
        and set(record.chains) == ({str(copy) for copy in copies} if iterative else set())
        and (setting.method != "simple" or set(record.fill) == set(record.kept))
    )
    if not sound:
        raise InputError("an imputer does not fit the predictors of the bundle's own protocol")
    imputer = Imputer(setting, kinds, levels, random_state=0, copies=tuple(copies))
    imputer.missing_, imputer.dropped_, imputer.kept_, imputer.n_ = (
        record.missing,
        record.dropped,
        record.kept,
        record.n,
    )
    imputer.fill_ = record.fill
    imputer.chains_ = {int(copy): chain.chain(len(record.kept)) for copy, chain in record.chains.items()}
    return imputer


def _array(rows: Table) -> np.ndarray:
    """(r, c) of equally long rows; ragged ones get a shape that fits nothing."""
    lengths = {len(row) for row in rows}
    return np.array(rows) if len(lengths) == 1 else np.empty(0)


def _chain(chain: Chain) -> dict[str, Any]:
    return {
        "seed": chain.seed,
        "observed": [column.tolist() for column in chain.observed],
        "centre": chain.centre.tolist(),
        "spread": chain.spread.tolist(),
        "n_levels": chain.n_levels,
        "steps": [
            {
                "column": step.column,
                "slopes": step.drawn.slopes.tolist(),
                "intercept": step.drawn.intercept.tolist(),
                "centre": step.drawn.centre.tolist(),
                "scale": step.scale.tolist(),
                "means": step.means.tolist(),
                "values": step.values.tolist(),
            }
            for step in chain.steps
        ],
    }
